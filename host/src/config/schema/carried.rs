//! `protocol` of a listener, and which of its keys go with which.

use std::time::Duration;

use super::table::Table;
use super::value::Value;
use super::values;
use crate::config::{Carried, ListenerProtocol, RefuseWith};

/// Keys of a listener that mean something to requests only.
const OF_REQUESTS: [&str; 15] = [
    "trusted_proxies",
    "forwarded",
    "header_timeout",
    "body_timeout",
    "write_timeout",
    "max_head_size",
    "max_headers",
    "max_body_size",
    "paths",
    "request_headers",
    "response_headers",
    "error_pages",
    "intercept_errors",
    "redirect_to_https",
    "http2",
];

/// Keys that mean something only where TLS ends.
const OF_TLS: [&str; 3] = ["certificates", "tls", "alpn"];

/// Keys that mean something to connections only.
const OF_CONNECTIONS: [&str; 6] =
    ["proxy_protocol", "keepalive", "tcp_user_timeout", "tcp_fast_open", "refuse_with", "handshake_timeout"];

/// Silence after which a flow has ended, where nothing is configured.
const FLOW_TIMEOUT: Duration = Duration::from_secs(60);

/// Time for a ClientHello where nothing is configured: as for a whole handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    Http,
    Tcp,
    TlsPassthrough,
    Udp,
}

const WORDS: [(&str, Word); 4] =
    [("http", Word::Http), ("tcp", Word::Tcp), ("tls-passthrough", Word::TlsPassthrough), ("udp", Word::Udp)];

/// `protocol`, with the keys that it has of its own. Those that do not go with it are errors.
pub(super) fn protocol(table: &mut Table<'_>) -> ListenerProtocol {
    let word = table.or("protocol", Word::Http, values::word(&WORDS));
    if word != Word::Udp {
        refuse(table, "responses", "is of flows of datagrams, and this listener has connections");
    }
    if word == Word::Http {
        return http(table);
    }
    for key in OF_REQUESTS {
        refuse(table, key, "means something to HTTP only, and this listener carries connections as they are");
    }
    if word == Word::Udp {
        return udp(table);
    }
    let timeout = values::duration(values::TIMEOUT);
    let default = Carried::default();
    let carried = Carried {
        idle_timeout: table.or("idle_timeout", default.idle_timeout, values::or_false(timeout)),
        refuse_with: table.or("refuse_with", default.refuse_with, values::word(&REFUSALS)),
    };
    let handshake_timeout = table.take("handshake_timeout");
    match word {
        Word::TlsPassthrough => {
            for key in OF_TLS {
                refuse(table, key, "is for TLS that ends here, and `tls-passthrough` passes it on");
            }
            let timeout = handshake_timeout.and_then(values::duration(values::TIMEOUT));
            ListenerProtocol::TlsPassthrough { carried, handshake_timeout: timeout.unwrap_or(HANDSHAKE_TIMEOUT) }
        }
        _ => {
            misplaced(handshake_timeout);
            ListenerProtocol::Tcp(carried)
        }
    }
}

const REFUSALS: [(&str, RefuseWith); 2] = [("close", RefuseWith::Close), ("reset", RefuseWith::Reset)];

fn udp(table: &mut Table<'_>) -> ListenerProtocol {
    for key in OF_TLS {
        refuse(table, key, "is of TLS over TCP, and this listener has datagrams");
    }
    for key in OF_CONNECTIONS {
        refuse(table, key, "is of connections, and this listener has datagrams");
    }
    let timeout = values::or_false(values::duration(values::TIMEOUT));
    let carried = Carried { idle_timeout: table.or("idle_timeout", Some(FLOW_TIMEOUT), timeout), ..Carried::default() };
    ListenerProtocol::Udp { carried, responses: table.optional("responses", values::whole(0..=1_000_000)) }
}

fn http(table: &mut Table<'_>) -> ListenerProtocol {
    if let Some(value) = table.take("refuse_with") {
        let _: Option<()> = value.reject_with(
            "`refuse_with` is of connections that are carried as they are, and HTTP answers",
            "remove it, or add `protocol = \"tcp\"`",
        );
    }
    if let Some(value) = table.take("alpn") {
        let _: Option<()> = value.reject_with(
            "`alpn` is of connections that are carried as they are, and what HTTP offers follows from `http2`",
            "remove it, or add `protocol = \"tcp\"`",
        );
    }
    misplaced(table.take("handshake_timeout"));
    ListenerProtocol::Http
}

/// Where TLS ends, it is a part of that.
fn misplaced(handshake_timeout: Option<Value<'_>>) {
    if let Some(value) = handshake_timeout {
        let _: Option<()> = value.reject_with(
            "`handshake_timeout` of a listener is of `tls-passthrough`",
            "with `certificates`, write `tls = { handshake_timeout = \"10s\" }`",
        );
    }
}

fn refuse(table: &mut Table<'_>, key: &'static str, why: &str) {
    if let Some(value) = table.take(key) {
        let _: Option<()> =
            value.reject_with(format_args!("`{key}` {why}"), "remove it, or change the `protocol` of the listener");
    }
}

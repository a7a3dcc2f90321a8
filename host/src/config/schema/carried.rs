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
    let word = table.or("protocol", Word::Http, word);
    if word == Word::Http {
        return http(table);
    }
    for key in OF_REQUESTS {
        refuse(table, key, "means something to HTTP only, and this listener carries connections as they are");
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

fn word(value: Value<'_>) -> Option<Word> {
    match values::word(&WORDS)(value)? {
        Word::Udp => value.reject_with(
            "`protocol = \"udp\"` is not available in this version",
            "this version serves \"http\", \"tcp\" and \"tls-passthrough\"",
        ),
        word => Some(word),
    }
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

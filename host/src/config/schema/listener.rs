//! `[[listener]]`.

use std::net::SocketAddr;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use super::names::Names;
use super::rules::{self, Way};
use super::table::Table;
use super::{address, capacity, carried, http2, proxy_protocol, rate, server_tls, sockets, unix, values};
use crate::config::report::{Finding, Sink};
use crate::config::{
    HeaderRules, Http2, Limits, Listener, ListenerAddress, ListenerProtocol, PathPolicy, Peers, Route,
};

/// Flows that a listener has at a time where nothing is configured: each takes a descriptor.
const FLOWS: u32 = 10_000;

/// A listener, and where it is written.
pub(super) struct Written {
    pub(super) listener: Listener,
    pub(super) header: Range<usize>,
    address: Range<usize>,
    /// Whether it has a pool, be it one that nobody knows, or sends all elsewhere.
    has_pool: bool,
}

/// `[[listener]]`. Its name is declared even when something else is wrong with it.
pub(super) fn listener(mut table: Table<'_>, pools: &Names, listeners: &mut Names, folder: &Path) -> Option<Written> {
    let header = table.span();
    let address =
        table.required("address", "address = \"0.0.0.0:8080\"", |value| Some((address::listen(value)?, value.span())));
    let named = table.take("name");
    let name = match (named, &address) {
        (Some(value), _) => {
            value.string("a name in quotes", "web").map(|text| listeners.declare(text, value.span(), value.sink()))
        }
        (None, Some((address, span))) => Some(listeners.declare(&address.to_string(), span.clone(), table.sink())),
        (None, None) => None,
    };
    let mode = unix::mode(&mut table, address.as_ref().map(|(address, _)| address));
    let protocol = carried::protocol(&mut table);
    let is_http = protocol.carried().is_none();
    let most = protocol.is_udp().then_some(FLOWS);
    let pool = table.take("pool");
    let tls = server_tls::server_tls(&mut table, matches!(protocol, ListenerProtocol::Tcp(_)), folder);
    let is_secure = !matches!(tls, Some(None));
    let listener = Listener {
        name: name.clone().unwrap_or_else(|| "".into()),
        address: address.as_ref().map_or(ListenerAddress::Unix("/".into()), |(address, _)| address.clone()),
        mode,
        pool: pool.and_then(|value| pools.resolve(value)),
        ipv6_only: ipv6_only(&mut table, address.as_ref().map(|(address, _)| address)),
        tcp: sockets::tcp_options(&mut table),
        protocol,
        proxy_protocol: table.or("proxy_protocol", None, proxy_protocol::accepted),
        access: address::access(&mut table),
        trusted_proxies: table.or("trusted_proxies", Peers::default(), address::peers),
        forwarded: table.or("forwarded", false, |value| value.boolean()),
        limits: if is_http { limits(&mut table) } else { Limits::default() },
        max_connections: table.optional("max_connections", values::whole(capacity::LIMIT)).or(most),
        rate_limit: table.optional("rate_limit", rate::rate_limit),
        paths: table.or("paths", PathPolicy::AsSent, values::word(&PATHS)),
        request_headers: table.or("request_headers", HeaderRules::default(), rules::headers(Way::Request)),
        response_headers: table.or("response_headers", HeaderRules::default(), rules::headers(Way::Response)),
        error_pages: table.or("error_pages", Vec::new(), |value| rules::error_pages(value, folder)),
        intercept_errors: table.or("intercept_errors", false, |value| value.boolean()),
        redirect_to_https: table.or("redirect_to_https", None, |value| server_tls::redirect(value, is_secure)),
        tls: tls.flatten(),
        http2: table.or("http2", Some(Http2::default()), http2::http2),
    };
    table.finish();
    let redirects = listener.redirect_to_https.is_some();
    let ((_, address), _) = (address?, name?);
    Some(Written { listener, header, address, has_pool: pool.is_some() || redirects })
}

const PATHS: [(&str, PathPolicy); 3] =
    [("as-sent", PathPolicy::AsSent), ("normalise", PathPolicy::Normalise), ("strict", PathPolicy::Strict)];

/// Only where there is a choice.
fn ipv6_only(table: &mut Table<'_>, address: Option<&ListenerAddress>) -> bool {
    let written = table.take("ipv6_only");
    if let (Some(value), Some(ListenerAddress::Socket(SocketAddr::V4(address)))) = (written, address) {
        let help = format!("remove it, or write `address = \"[::]:{}\"`", address.port());
        let _: Option<()> = value.reject_with("`ipv6_only` is of an address of IPv6", help);
        return true;
    }
    written.and_then(|value| value.boolean()).unwrap_or(true)
}

fn limits(table: &mut Table<'_>) -> Limits {
    let default = Limits::default();
    let timeout = || values::duration(values::TIMEOUT);
    Limits {
        header_timeout: table.or("header_timeout", default.header_timeout, timeout()),
        body_timeout: table.or("body_timeout", default.body_timeout, timeout()),
        idle_timeout: table.or("idle_timeout", default.idle_timeout, timeout()),
        write_timeout: table.or("write_timeout", default.write_timeout, timeout()),
        max_head_size: table.or("max_head_size", default.max_head_size, values::memory_size(8 << 10..=1 << 20)),
        max_headers: table.or("max_headers", default.max_headers, values::whole(1..=10_000)),
        max_body_size: table.optional("max_body_size", values::size(0..=u64::MAX)),
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(75),
            write_timeout: Duration::from_secs(60),
            max_head_size: 16 << 10,
            max_headers: 100,
            max_body_size: None,
        }
    }
}

/// Two listeners cannot share an address, except port 0, which is another port each time.
pub(super) fn report_duplicates(listeners: &[Written], sink: &Sink) {
    for (i, this) in listeners.iter().enumerate() {
        let (address, is_udp) = (&this.listener.address, this.listener.protocol.is_udp());
        let same = |first: &&Written| {
            first.listener.address == *address
                && !address.is_any()
                // TCP and UDP have ports of their own.
                && first.listener.protocol.is_udp() == is_udp
        };
        if let Some(first) = listeners[..i].iter().find(same) {
            let finding =
                Finding::error(this.address.clone(), format_args!("two listeners have the address {address}"));
            sink.push(
                finding.related(first.address.clone(), "the first is here").help("give each an address of its own"),
            );
        }
    }
}

/// A listener that leads nowhere is a mistake.
pub(super) fn report_dead_ends(listeners: &[Written], routes: &[Route], sink: &Sink) {
    for Written { listener, header, has_pool, .. } in listeners {
        let is_carried = listener.protocol.carried().is_some();
        let leads = |route: &Route| {
            route.carried == is_carried && route.listener.as_ref().is_none_or(|name| *name == listener.name)
        };
        if !has_pool && !routes.iter().any(leads) {
            let message = format!("the listener `{}` leads nowhere: it has no pool and no route", listener.name);
            sink.push(
                Finding::error(header.clone(), message).absence().help("add `pool = \"NAME\"`, or a `[[route]]`"),
            );
        }
    }
}

//! What pools must not have where datagrams go to them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::listener::Written;
use crate::config::report::{Finding, Sink};
use crate::config::{Address, Pool, Protocol, ProxyVersion, Route};

/// Says of each pool that a listener of datagrams leads to why it cannot be.
pub(super) fn report_pools(listeners: &[Written], routes: &[Route], pools: &BTreeMap<Arc<str>, Pool>, sink: &Sink) {
    for Written { listener, header, .. } in listeners.iter().filter(|written| written.listener.protocol.is_udp()) {
        let leads = |route: &&Route| {
            route.carried && route.listener.as_ref().is_none_or(|name| *name == listener.name) && route.sni.is_none()
        };
        let routed = routes.iter().filter(leads).flat_map(|route| {
            let router = route.router.iter().flat_map(|router| &router.pools);
            route.pool.iter().chain(router)
        });
        let mut names: Vec<_> = listener.pool.iter().chain(routed).collect();
        names.sort();
        names.dedup();
        for name in names {
            let Some((key, why)) = pools.get(name).and_then(misfit) else { continue };
            let message =
                format!("the listener `{}` has datagrams, and cannot lead to the pool `{name}`: {why}", listener.name);
            sink.push(
                Finding::error(header.clone(), message).help(format!("remove `{key}` there, or name another pool")),
            );
        }
    }
}

/// What a pool has that is not for datagrams, and why it is not.
fn misfit(pool: &Pool) -> Option<(&'static str, &'static str)> {
    let is_unix = |address: &Address| matches!(address, Address::Unix(_));
    if pool.tls.is_some() {
        Some(("tls", "it has `tls`, which is over TCP"))
    } else if pool.protocol != Protocol::Http1 {
        Some(("protocol", "its `protocol` is of requests"))
    } else if pool.proxy_protocol == Some(ProxyVersion::V1) {
        Some(("proxy_protocol", "`proxy_protocol = \"v1\"` knows of TCP only, and `\"v2\"` of both"))
    } else if pool.backends.iter().any(|backend| is_unix(&backend.address)) {
        Some(("backends", "it has a backend at a Unix socket"))
    } else {
        None
    }
}

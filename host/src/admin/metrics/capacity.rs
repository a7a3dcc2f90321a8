//! What waits, what was beyond a limit, and what was turned away.

use super::{Page, for_backends};
use crate::pool::queue::Waited;
use crate::snapshot::Snapshot;
use crate::telemetry::counters::Counter;

pub(super) fn capacity(page: &mut Page, snapshot: &Snapshot) {
    let name = "trimtab_backend_connections";
    page.about(name, "gauge", "Connections to the backend, in use or kept.");
    for_backends(snapshot, |labels, backend, _| page.sample(name, labels, backend.connections.open()));
    let limited = || snapshot.pools.iter().filter(|pool| !pool.is_unlimited());
    let name = "trimtab_queue_waiting";
    page.about(name, "gauge", "Requests that wait for room in the pool or at a backend.");
    for pool in limited() {
        page.sample(name, &[("pool", &pool.name)], pool.capacity.waiting());
    }
    let name = "trimtab_queue_total";
    page.about(name, "counter", "Requests that had to wait, by how that ended.");
    for pool in limited() {
        for waited in Waited::ALL {
            let labels = [("pool", &*pool.name), ("result", waited.as_str())];
            page.sample(name, &labels, pool.capacity.waited(waited));
        }
    }
    let name = "trimtab_limited_total";
    page.about(name, "counter", "Requests beyond a rate limit.");
    for listener in &snapshot.listeners {
        if let Some(limiter) = &listener.limiter {
            page.sample(name, &[("listener", &listener.name)], limiter.limited.sum(Counter::get));
        }
    }
    for limit in snapshot.limiters.iter().flatten() {
        page.sample(name, &[("route", &limit.name)], limit.limiter.limited.sum(Counter::get));
    }
    let name = "trimtab_tls_handshakes_total";
    page.about(name, "counter", "TLS handshakes with clients, by how they ended.");
    for listener in snapshot.listeners.iter().filter(|listener| listener.tls.is_some()) {
        for (result, count) in listener.handshakes() {
            page.sample(name, &[("listener", &listener.name), ("result", result)], count);
        }
    }
    let name = "trimtab_shed_connections_total";
    page.about(
        name,
        "counter",
        "Client connections that were closed at once (or, for `flood`, when they were abused), by reason.",
    );
    for listener in &snapshot.listeners {
        let connections = listener.shed.sum(|shed| shed.connections.get());
        let descriptors = listener.shed.sum(|shed| shed.descriptors.get());
        let floods = listener.shed.sum(|shed| shed.floods.get());
        let introductions = listener.shed.sum(|shed| shed.introductions.get());
        let reasons = [
            ("max-connections", connections),
            ("descriptors", descriptors),
            ("flood", floods),
            ("proxy-protocol", introductions),
        ];
        for (reason, count) in reasons {
            page.sample(name, &[("listener", &listener.name), ("reason", reason)], count);
        }
    }
}

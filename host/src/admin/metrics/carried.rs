//! Of connections and flows that are carried as they are: how many, how many bytes and datagrams, for how long, and why they
//! ended.

use super::Page;
use crate::config::ListenerProtocol;
use crate::snapshot::{Listener, Snapshot};
use crate::telemetry::carried::{Carried, DURATION_BOUNDS, Dropped, End};
use crate::telemetry::counters::PerWorker;

pub(super) fn carried(page: &mut Page, snapshot: &Snapshot) {
    let listeners = || snapshot.listeners.iter().filter(|listener| !listener.carried.is_empty());
    let name = "trimtab_carried_connections";
    page.about(name, "gauge", "Open connections that are carried as they are.");
    for_pools(snapshot, |labels, cells| page.sample(name, labels, cells.sum(|cell| cell.open.get())));
    let name = "trimtab_carried_connections_total";
    page.about(name, "counter", "Connections that were carried and ended, by why.");
    for_pools(snapshot, |[listener, pool], cells| {
        for end in End::ALL {
            let count = cells.sum(|cell| cell.ends[end as usize].get());
            if count > 0 {
                page.sample(name, &[*listener, *pool, ("end", end.as_str())], count);
            }
        }
    });
    let name = "trimtab_carried_bytes_total";
    page.about(name, "counter", "Bytes that were carried, by direction: upstream is towards backends.");
    for_pools(snapshot, |[listener, pool], cells| {
        let upstream = cells.sum(|cell| cell.upstream.get());
        let downstream = cells.sum(|cell| cell.downstream.get());
        for (direction, bytes) in [("upstream", upstream), ("downstream", downstream)] {
            page.sample(name, &[*listener, *pool, ("direction", direction)], bytes);
        }
    });
    let name = "trimtab_carried_duration_seconds";
    page.about(name, "histogram", "From accept to the end of a connection that was carried.");
    for listener in listeners() {
        let sum = |read: &dyn Fn(&Carried) -> u64| listener.carried.iter().map(|cells| cells.sum(read)).sum::<u64>();
        let buckets = (0..=DURATION_BOUNDS.len()).map(|position| sum(&|cell| cell.durations.bucket(position)));
        let labels = [("listener", &*listener.name)];
        page.histogram(name, &labels, &DURATION_BOUNDS, buckets, sum(&|cell| cell.durations.sum_ns()));
    }
}

/// Of flows.
pub(super) fn datagrams(page: &mut Page, snapshot: &Snapshot) {
    let is_of_flows = |name: &str| {
        let mut listeners = snapshot.listeners.iter().filter(|listener| *listener.name == *name);
        listeners.any(|listener| matches!(listener.protocol, ListenerProtocol::Udp { .. }))
    };
    let name = "trimtab_datagrams_total";
    page.about(name, "counter", "Datagrams that were carried, by direction: upstream is towards backends.");
    for_pools(snapshot, |[listener, pool], cells| {
        let upstream = cells.sum(|cell| cell.datagrams_upstream.get());
        let downstream = cells.sum(|cell| cell.datagrams_downstream.get());
        for (direction, count) in [("upstream", upstream), ("downstream", downstream)] {
            if is_of_flows(listener.1) {
                page.sample(name, &[*listener, *pool, ("direction", direction)], count);
            }
        }
    });
    let name = "trimtab_datagrams_dropped_total";
    page.about(name, "counter", "Datagrams that were not passed on, by why.");
    for_pools(snapshot, |[listener, pool], cells| {
        for why in Dropped::ALL {
            let count = cells.sum(|cell| cell.dropped[why as usize].get());
            if count > 0 {
                page.sample(name, &[*listener, *pool, ("reason", why.as_str())], count);
            }
        }
    });
}

fn for_pools(snapshot: &Snapshot, mut each: impl FnMut(&[(&str, &str); 2], &PerWorker<Carried>)) {
    for listener in &snapshot.listeners {
        let Listener { name, carried, .. } = &**listener;
        for (number, cells) in carried.iter().enumerate() {
            let pool = snapshot.pools.get(number).map_or("", |pool| &pool.name);
            each(&[("listener", name), ("pool", pool)], cells);
        }
    }
}

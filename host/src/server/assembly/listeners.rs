//! The listeners of a snapshot, and the rate limits of listeners and routes: what goes on keeps its counts.

use std::sync::Arc;

use crate::config::{self, RateLimit};
use crate::rate::Limiter;
use crate::snapshot::{Listener, Pages, RouteLimit, Snapshot};
use crate::telemetry::counters::PerWorker;
use crate::tls::Acceptor;

/// A listener, with the counts of the one that it goes on as.
pub(super) fn build(
    listener: &config::Listener,
    number: impl Fn(&str) -> Option<usize>,
    pools: &[Arc<str>],
    workers: usize,
    before: Option<(&Arc<Listener>, &Snapshot)>,
    error_pages: Pages,
    tls: Option<Arc<Acceptor>>,
) -> Listener {
    let traffic = each_pool(pools, workers, before, |known| &known.traffic);
    let carried = match listener.protocol.carried() {
        Some(_) => each_pool(pools, workers, before, |known| &known.carried),
        None => Vec::new(),
    };
    let known = before.map(|(known, _)| known);
    let connections = known.map(|known| Arc::clone(&known.connections));
    let limiter = |settings| limiter(settings, known.and_then(|known| known.limiter.as_ref()), workers);
    Listener {
        name: Arc::clone(&listener.name),
        protocol: listener.protocol.clone(),
        tcp: listener.tcp,
        proxy_protocol: listener.proxy_protocol.clone(),
        pool: listener.pool.as_deref().and_then(number),
        access: listener.access.clone(),
        trusted_proxies: listener.trusted_proxies.clone(),
        forwarded: listener.forwarded,
        limits: listener.limits.clone(),
        traffic,
        carried,
        connections: connections.unwrap_or_else(|| Arc::new(PerWorker::new(workers))),
        open: known.map(|known| Arc::clone(&known.open)).unwrap_or_default(),
        max_connections: listener.max_connections,
        shed: known.map_or_else(|| Arc::new(PerWorker::new(workers)), |known| Arc::clone(&known.shed)),
        limiter: listener.rate_limit.as_ref().map(limiter),
        paths: listener.paths,
        request_headers: listener.request_headers.clone(),
        response_headers: listener.response_headers.clone(),
        pages: error_pages,
        intercept_errors: listener.intercept_errors,
        tls,
        handshakes: known.map_or_else(|| Arc::new(PerWorker::new(workers)), |known| Arc::clone(&known.handshakes)),
        redirect_to_https: listener.redirect_to_https,
        http2: listener.http2.clone(),
    }
}

/// Counters for each pool, and then for none: those that there are, where a pool was there before.
fn each_pool<T: Default>(
    pools: &[Arc<str>],
    workers: usize,
    before: Option<(&Arc<Listener>, &Snapshot)>,
    cells: impl Fn(&Listener) -> &Vec<Arc<PerWorker<T>>>,
) -> Vec<Arc<PerWorker<T>>> {
    let each = pools.iter().map(Some).chain([None]).map(|name| {
        let known = before.and_then(|(known, snapshot)| {
            let last = snapshot.pools.len();
            let position = |name: &Arc<str>| snapshot.pools.iter().position(|pool| pool.name == *name);
            cells(known).get(name.map_or(Some(last), position)?)
        });
        known.map_or_else(|| Arc::new(PerWorker::new(workers)), Arc::clone)
    });
    each.collect()
}

/// The limit of these settings: the one that there is, if it is of the same.
fn limiter(settings: &RateLimit, known: Option<&Arc<Limiter>>, workers: usize) -> Arc<Limiter> {
    known.filter(|known| known.is_of(settings)).map_or_else(|| Limiter::new(settings, workers), Arc::clone)
}

/// The limit of a route.
pub(super) fn route_limit(route: &config::Route, workers: usize, before: Option<&Snapshot>) -> Option<RouteLimit> {
    let mut known = before.into_iter().flat_map(|before| before.limiters.iter().flatten());
    let known = known.find(|known| known.name == route.name).map(|known| &known.limiter);
    let limiter = limiter(route.rate_limit.as_ref()?, known, workers);
    Some(RouteLimit { name: Arc::clone(&route.name), limiter })
}

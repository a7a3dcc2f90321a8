//! From a configuration to a snapshot and the instances that it needs: all or nothing.
//!
//! With a snapshot to begin from, what the configuration leaves as it is stays what it is: backends and their numbers,
//! elements and their tables, counters, and the instances of whoever is used as before.

mod listeners;
mod pages;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::join_all;

use super::StartError;
use super::elements::Elements;
use super::health::{self, CheckedPools};
use super::membership::members;
use super::preparation::{self, Experience, Shapers, Start};
use super::secret::Secret;
use super::tls;
use super::watch::Digest;
use crate::config::{self, Config};
use crate::decide::PoolLoad;
use crate::plugin::{Definition, Registry, Source};
use crate::pool::Capacity;
use crate::pool::connect::transparent;
use crate::route;
use crate::snapshot::{Chain, Crew, Crossing, Element, Listener, Policy, Pool, PoolMember, Snapshot, Told};
use crate::telemetry::counters::PerWorker;
use crate::tls::Connector;

/// What control and the workers start with, or go on with.
pub(super) struct Assembly {
    /// The snapshot.
    pub snapshot: Arc<Snapshot>,
    /// For each worker, the instances that it does not have yet.
    pub crews: Vec<Crew>,
    /// What each pool starts with, but for those that are as they were.
    pub starts: BTreeMap<Arc<str>, Start>,
    /// How pools are checked.
    pub checked: CheckedPools,
    /// Files of certificates and keys, as they were when they were read.
    pub certificates: BTreeMap<PathBuf, Digest>,
}

/// Plugins by name.
pub(super) type Definitions = BTreeMap<Arc<str>, Arc<Definition>>;

/// What is running, and is to be changed.
pub(super) struct Before<'a> {
    /// What it was made from.
    pub config: &'a Config,
    /// As it is now.
    pub snapshot: &'a Snapshot,
    /// What plugins of each pool were told, and how that went.
    pub told: BTreeMap<Arc<str>, (Arc<Told>, Experience)>,
}

/// What assembling works with.
pub(super) struct Means<'a> {
    /// Builds instances.
    pub registry: &'a Registry,
    /// Derives secrets.
    pub secret: &'a Secret,
    /// Number of workers.
    pub workers: usize,
    /// The plugins.
    pub definitions: &'a Definitions,
}

/// Configures an instance for every place where one is needed, and builds the snapshot.
///
/// # Errors
/// Everything that is wrong with the plugins.
pub(super) async fn assemble(
    config: &Config,
    means: &Means<'_>,
    before: Option<&Before<'_>>,
) -> Result<Assembly, Vec<StartError>> {
    let snapshot = before.map(|before| before.snapshot);
    let mut elements = Elements::new(config, means.definitions, means.secret, means.workers, snapshot);
    let mut errors = Vec::new();
    let mut secured =
        tls::load(config, means.registry, before).await.map_err(|more| errors.extend(more)).unwrap_or_default();
    for (name, _) in config.pools.iter().filter(|(_, pool)| pool.transparent) {
        if let Err(error) = transparent(true) {
            errors.push(StartError::Transparent { pool: Arc::clone(name), error });
        }
    }
    let mut pools = Vec::new();
    for (name, pool) in &config.pools {
        match elements.chain(name, pool) {
            Ok(chain) => {
                let tls = secured.pools.remove(name);
                pools.push(build_pool(name, pool, chain, tls, means.workers, before));
            }
            Err(error) => errors.push(error),
        }
    }
    let number = |name: &str| pools.iter().position(|(pool, _)| *pool.name == *name);
    let crossing = |route| crossing(route, &mut elements, &pools, means.workers, snapshot);
    let crossings: Vec<_> = config.routes.iter().map(crossing).collect();
    let limiters = config.routes.iter().map(|route| listeners::route_limit(route, means.workers, snapshot)).collect();
    let listener = |name: &str| config.listeners.iter().position(|listener| *listener.name == *name);
    let names: Vec<_> = pools.iter().map(|(pool, _)| Arc::clone(&pool.name)).collect();
    let said = pages::load(config, means.registry).await.map_err(|more| errors.extend(more)).unwrap_or_default();
    let build = |(listener, pages): (&config::Listener, pages::Pages)| {
        let known = before.and_then(|before| before.listener(listener));
        let tls = secured.listeners.remove(&listener.name);
        Arc::new(listeners::build(listener, number, &names, means.workers, known.zip(snapshot), pages, tls))
    };
    let listeners: Vec<_> = config.listeners.iter().zip(said.listeners).map(build).collect();
    let routes = Arc::new(route::Table::new(&config.routes, listener, number));
    let checked = health::load(config, means.registry).await.map_err(|more| errors.extend(more)).unwrap_or_default();
    if !errors.is_empty() {
        return Err(errors);
    }
    let mut crews: Vec<Crew> = (0..means.workers).map(|_| Crew::default()).collect();
    let mut starts = BTreeMap::new();
    for (pool, _) in pools.iter_mut().filter(|(_, is_new)| *is_new) {
        match seat_pool(Arc::make_mut(pool), &mut crews, means, before).await {
            Ok(start) => drop(starts.insert(Arc::clone(&pool.name), start)),
            Err(error) => errors.push(error),
        }
    }
    for crossing in crossings.iter().flatten() {
        if let Err(error) = seat_router(crossing, &mut crews, means, snapshot).await {
            errors.push(error);
        }
    }
    if !errors.is_empty() {
        means.registry.dispose(crews);
        return Err(errors);
    }
    let pools = pools.into_iter().map(|(pool, _)| pool).collect();
    let hash_seed = config.server.hash_seed;
    let (crossings, said) = (crossings.into(), said.routes.into());
    let snapshot = Arc::new(Snapshot { listeners, routes, crossings, limiters, said, pools, hash_seed });
    Ok(Assembly { snapshot, crews, starts, checked, certificates: secured.files })
}

/// The names of all plugins that are used.
pub(super) fn used(config: &Config) -> impl Iterator<Item = &Arc<str>> {
    let pools = config.pools.values().flat_map(|pool| pool.affinity.iter().chain(&pool.balancer));
    let routers = config.routes.iter().filter_map(|route| route.router.as_ref().map(|router| &router.used));
    let names: BTreeSet<_> = pools.chain(routers).map(|used| &used.plugin).collect();
    names.into_iter()
}

/// Whether a plugin is used in the same places with the same settings.
pub(super) fn is_used_alike(before: &Config, next: &Config, plugin: &str) -> bool {
    let uses = |config: &Config| -> Vec<_> {
        let pools = config.pools.iter().flat_map(|(name, pool)| {
            let chain = pool.affinity.iter().chain(&pool.balancer);
            chain.map(|used| (Arc::clone(name), used.clone())).collect::<Vec<_>>()
        });
        let routes = config
            .routes
            .iter()
            .filter_map(|route| Some((Arc::clone(&route.name), route.router.as_ref()?.used.clone())));
        pools.chain(routes).filter(|(_, used)| *used.plugin == *plugin).collect()
    };
    let headers = |config: &Config| config.plugins.get(plugin).map(|plugin| plugin.response_headers.clone());
    uses(before) == uses(next) && headers(before) == headers(next)
}

/// Where the configuration has a plugin from.
pub(super) fn source(config: &Config, plugin: &str) -> Source {
    match config.plugins.get(plugin).and_then(|plugin| plugin.component.clone()) {
        Some(path) => Source::File(path),
        None => Source::BuiltIn,
    }
}

/// Loads every plugin that is used and not among the `known`, once.
///
/// # Errors
/// Everything that is wrong with them.
pub(super) async fn load(
    config: &Config,
    registry: &Registry,
    known: Definitions,
) -> Result<Definitions, Vec<StartError>> {
    let mut definitions = known;
    let mut errors = Vec::new();
    let missing: Vec<_> = used(config).filter(|name| !definitions.contains_key(*name)).collect();
    let loads = missing.into_iter().map(|name| {
        let limits = config.plugins.get(name).map(|plugin| plugin.limits).unwrap_or_default();
        registry.load(Arc::clone(name), source(config, name), limits)
    });
    for loaded in join_all(loads).await {
        match loaded {
            Ok(definition) => drop(definitions.insert(Arc::clone(definition.name()), definition)),
            Err(error) => errors.push(error.into()),
        }
    }
    if errors.is_empty() { Ok(definitions) } else { Err(errors) }
}

/// Has a pool weighed and the instances built that it does not have.
async fn seat_pool(
    pool: &mut Pool,
    crews: &mut [Crew],
    means: &Means<'_>,
    before: Option<&Before<'_>>,
) -> Result<Start, StartError> {
    let mut shapers = Shapers::new(&pool.chain);
    let (registry, workers) = (means.registry, means.workers);
    let known = before.and_then(|before| before.told.get(&pool.name));
    let is_told = |told: &Told| {
        let rows = Arc::ptr_eq(&told.rows, &pool.rows) && pool.chain.shapers.is_empty();
        rows && told.shaped.iter().all(|rows| Arc::ptr_eq(rows, &told.rows))
            && told.shaped.len() == pool.chain.balancers.len()
    };
    let told = match known {
        // Nobody is told what everybody knows.
        Some((known, _)) if is_told(known) => Arc::clone(known),
        _ => {
            let (told, problems) = preparation::shape(registry, pool, &mut shapers, workers).await;
            if let Some(problem) = problems.into_iter().next() {
                return Err(problem.into_build_error(pool).into());
            }
            Arc::new(told)
        }
    };
    let chain = before.and_then(|before| before.pool(&pool.name)).map(|pool| &pool.chain);
    // Where telling would hold up requests, all are built anew.
    let all = known.is_none_or(|(known, experience)| experience.apart(&told, known));
    let needed = |element: &Arc<Element>| {
        let kept = |chain: &Arc<Chain>| chain.elements().any(|(_, known)| Arc::ptr_eq(known, element));
        all || !chain.is_some_and(kept)
    };
    let seats = preparation::crews(registry, pool, &told, workers, needed).await?;
    let experience = match known {
        Some((_, experience)) if !all => *experience,
        _ => Experience::of_all(&seats, told.rows.len()),
    };
    for (crew, seats) in crews.iter_mut().zip(seats) {
        crew.pools.insert(Arc::clone(&pool.name), seats);
    }
    pool.told = Some(Arc::clone(&told));
    pool.count();
    Ok(Start { shapers, told, experience })
}

async fn seat_router(
    crossing: &Crossing,
    crews: &mut [Crew],
    means: &Means<'_>,
    before: Option<&Snapshot>,
) -> Result<(), StartError> {
    let mut known = before.into_iter().flat_map(|before| before.crossings.iter().flatten());
    if known.any(|known| Arc::ptr_eq(&known.element, &crossing.element)) {
        return Ok(());
    }
    let instances = preparation::routers(means.registry, crossing, means.workers).await?;
    for (crew, instance) in crews.iter_mut().zip(instances) {
        crew.routers.insert(Arc::clone(&crossing.name), instance);
    }
    Ok(())
}

impl Before<'_> {
    pub(super) fn pool(&self, name: &str) -> Option<&Arc<Pool>> {
        self.snapshot.pools.iter().find(|pool| *pool.name == *name)
    }

    /// The listener that goes on as this one: of the same name, or else on the same address.
    pub(super) fn listener(&self, listener: &config::Listener) -> Option<&Arc<Listener>> {
        let known = self.config.listeners.iter().position(|known| continues(known, listener))?;
        self.snapshot.listeners.get(known)
    }
}

/// Whether `next` is to have the sockets of `before`.
pub(super) fn continues(before: &config::Listener, next: &config::Listener) -> bool {
    before.address == next.address
        && before.ipv6_only == next.ipv6_only
        && before.protocol.is_udp() == next.protocol.is_udp()
        && (before.name == next.name || !before.address.is_any())
}

/// The pool, and whether it is another one than before.
fn build_pool(
    name: &Arc<str>,
    pool: &config::Pool,
    chain: Chain,
    tls: Option<Arc<Connector>>,
    workers: usize,
    before: Option<&Before<'_>>,
) -> (Arc<Pool>, bool) {
    let known = before.and_then(|before| before.pool(name));
    let known_config = before.and_then(|before| before.config.pools.get(name));
    let (mut members, unchanged) = members(pool, workers, known_config.zip(known.map(|known| &**known)));
    let policy = Policy {
        connect_timeout: pool.connect_timeout,
        response_timeout: pool.response_timeout,
        idle_timeout: pool.idle_timeout,
        max_idle: pool.max_idle,
        request_timeout: pool.request_timeout,
        retry: pool.retry.clone(),
        outlier: pool.outlier,
        recovery: pool.recovery,
        feedback: pool.feedback.clone().map(Arc::new),
        limits: pool.limits,
        tls,
        tcp: pool.tcp,
        proxy_protocol: pool.proxy_protocol,
        transparent: pool.transparent,
        tunnel_timeout: pool.tunnel_timeout,
        protocol: pool.protocol,
    };
    // What nobody looks for any more is not held against anybody.
    members.iter_mut().for_each(|member| member.condition.keep_to(&policy));
    let Some(known) = known else {
        let rows = Pool::rows(&members, &policy.recovery);
        let (version, limits) = (1, &policy.limits);
        let capacity = Capacity::new(limits.at_pool(), Pool::spots(&members, &rows, limits), version, workers);
        let pool = Pool {
            name: Arc::clone(name),
            rows,
            members,
            membership: 1,
            adjustment: version,
            told: None,
            chain: Arc::new(chain),
            load: Arc::new(PoolLoad::new(workers)),
            capacity,
            verdicts: Arc::new(PerWorker::new(workers)),
            policy,
        };
        return (Arc::new(pool), true);
    };
    let chain = if known.chain.is_same(&chain) { Arc::clone(&known.chain) } else { Arc::new(chain) };
    if unchanged && known.policy == policy && Arc::ptr_eq(&known.chain, &chain) {
        return (Arc::clone(known), false);
    }
    let are_alike = |(now, known): (&PoolMember, &PoolMember)| now.condition == known.condition;
    let is_seen_alike =
        unchanged && known.policy.recovery == policy.recovery && members.iter().zip(&known.members).all(are_alike);
    let rows = if is_seen_alike { Arc::clone(&known.rows) } else { Pool::rows(&members, &policy.recovery) };
    let grown = u64::from(!unchanged);
    let (membership, adjustment) = (known.membership + grown, known.adjustment + 1);
    let (load, capacity) = (Arc::clone(&known.load), Arc::clone(&known.capacity));
    let verdicts = Arc::clone(&known.verdicts);
    let name = Arc::clone(name);
    let told = None;
    let next = Pool { name, rows, members, membership, adjustment, told, chain, load, capacity, verdicts, policy };
    (Arc::new(next), true)
}

fn crossing(
    route: &config::Route,
    elements: &mut Elements<'_>,
    pools: &[(Arc<Pool>, bool)],
    workers: usize,
    before: Option<&Snapshot>,
) -> Option<Arc<Crossing>> {
    let router = route.router.as_ref()?;
    let position = |name: &Arc<str>| pools.iter().position(|(pool, _)| pool.name == *name);
    let positions: Vec<_> = router.pools.iter().filter_map(position).collect();
    let numbers = positions.iter().map(|position| &pools[*position].0);
    let numbers: Arc<[_]> = numbers.map(|pool| (Arc::clone(&pool.name), Arc::clone(&pool.load))).collect();
    let mut element = elements.router(&route.name, &router.used)?;
    let mut known = before.into_iter().flat_map(|before| before.crossings.iter().flatten());
    let known = known.find(|known| known.name == route.name);
    let is_of_same_pools = known.is_some_and(|known| {
        let pairs = || known.numbers.iter().zip(&*numbers);
        known.numbers.len() == numbers.len() && pairs().all(|(a, b)| a.0 == b.0 && Arc::ptr_eq(&a.1, &b.1))
    });
    if let Some(known) = known
        && Arc::ptr_eq(&known.element, &element)
    {
        if is_of_same_pools && known.pools == positions {
            return Some(Arc::clone(known));
        }
        if !is_of_same_pools {
            // An instance is told its pools once.
            element = element.with(&element.definition);
        }
    }
    let verdicts = known.map_or_else(|| Arc::new(PerWorker::new(workers)), |known| Arc::clone(&known.verdicts));
    Some(Arc::new(Crossing { name: Arc::clone(&route.name), element, numbers, pools: positions, verdicts }))
}

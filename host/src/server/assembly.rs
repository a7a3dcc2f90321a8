//! From a configuration to a first snapshot and the instances of every worker: all or nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::StartError;
use super::elements::Elements;
use super::preparation::{self, Experience, Shapers, Start};
use super::secret::Secret;
use crate::config::{self, Config};
use crate::decide::{PoolLoad, Readiness};
use crate::plugin::{Definition, Registry, Source};
use crate::pool::Backend;
use crate::route;
use crate::snapshot::{Crew, Crossing, Listener, Policy, Pool, PoolMember, Snapshot, pool::labels};
use crate::telemetry::counters::PerWorker;

/// What control and the workers start with.
pub struct Assembly {
    /// The first snapshot.
    pub snapshot: Arc<Snapshot>,
    /// For each worker, its instances.
    pub crews: Vec<Crew>,
    /// What each pool starts with.
    pub starts: BTreeMap<Arc<str>, Start>,
}

/// Loads the plugins, configures an instance for every place where one is needed, and builds the snapshot.
///
/// # Errors
/// Everything that is wrong with the plugins.
pub async fn assemble(
    config: &Config,
    registry: &Registry,
    secret: &Secret,
    workers: usize,
) -> Result<Assembly, Vec<StartError>> {
    let definitions = load(config, registry).await?;
    let mut elements = Elements::new(config, &definitions, secret, workers);
    let mut errors = Vec::new();
    let mut pools = Vec::new();
    for (name, pool) in &config.pools {
        match elements.chain(name, pool) {
            Ok(chain) => pools.push(build_pool(name, pool, chain, workers)),
            Err(error) => errors.push(error),
        }
    }
    let number = |name: &str| pools.iter().position(|pool| *pool.name == *name);
    let crossings: Vec<_> = config.routes.iter().map(|route| crossing(route, &mut elements, &pools, workers)).collect();
    let listener = |name: &str| config.listeners.iter().position(|listener| *listener.name == *name);
    let listeners: Vec<_> = config
        .listeners
        .iter()
        .map(|listener| Arc::new(build_listener(listener, number, pools.len(), workers)))
        .collect();
    let routes = Arc::new(route::Table::new(&config.routes, listener, number));
    if !errors.is_empty() {
        return Err(errors);
    }
    let mut crews: Vec<Crew> = (0..workers).map(|_| Crew::default()).collect();
    let mut starts = BTreeMap::new();
    for pool in &mut pools {
        match seat_pool(pool, &mut crews, registry).await {
            Ok(start) => drop(starts.insert(Arc::clone(&pool.name), start)),
            Err(error) => errors.push(error),
        }
    }
    for crossing in &crossings {
        if let Err(error) = seat_router(crossing.as_deref(), &mut crews, registry).await {
            errors.push(error);
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let pools = pools.into_iter().map(Arc::new).collect();
    let hash_seed = config.server.hash_seed;
    let snapshot = Arc::new(Snapshot { listeners, routes, crossings: crossings.into(), pools, hash_seed });
    Ok(Assembly { snapshot, crews, starts })
}

/// Every plugin that is used, once.
async fn load(config: &Config, registry: &Registry) -> Result<BTreeMap<Arc<str>, Arc<Definition>>, Vec<StartError>> {
    let mut definitions = BTreeMap::new();
    let mut errors = Vec::new();
    let pools = config.pools.values().flat_map(|pool| pool.affinity.iter().chain(&pool.balancer));
    let routers = config.routes.iter().filter_map(|route| route.router.as_ref().map(|router| &router.used));
    for name in pools.chain(routers).map(|used| &used.plugin) {
        if definitions.contains_key(name) {
            continue;
        }
        let plugin = config.plugins.get(name);
        let source = match plugin.and_then(|plugin| plugin.component.clone()) {
            Some(path) => Source::File(path),
            None => Source::BuiltIn,
        };
        let limits = plugin.map(|plugin| plugin.limits).unwrap_or_default();
        match registry.load(Arc::clone(name), source, limits).await {
            Ok(definition) => drop(definitions.insert(Arc::clone(name), definition)),
            Err(error) => errors.push(error.into()),
        }
    }
    if errors.is_empty() { Ok(definitions) } else { Err(errors) }
}

/// Has a pool weighed and all its instances built.
async fn seat_pool(pool: &mut Pool, crews: &mut [Crew], registry: &Registry) -> Result<Start, StartError> {
    let mut shapers = Shapers::new(&pool.chain);
    let workers = crews.len();
    let (told, problems) = preparation::shape(registry, pool, &mut shapers, workers).await;
    if let Some(problem) = problems.into_iter().next() {
        return Err(problem.into_start_error(pool));
    }
    let told = Arc::new(told);
    let seats = preparation::crews(registry, pool, &told, workers).await?;
    let experience = Experience::of_all(&seats, told.rows.len());
    for (crew, seats) in crews.iter_mut().zip(seats) {
        crew.pools.insert(Arc::clone(&pool.name), seats);
    }
    pool.told = Some(Arc::clone(&told));
    pool.count();
    Ok(Start { shapers, told, experience })
}

async fn seat_router(crossing: Option<&Crossing>, crews: &mut [Crew], registry: &Registry) -> Result<(), StartError> {
    let workers = crews.len();
    for (worker, crew) in crews.iter_mut().enumerate() {
        let instance = match crossing {
            Some(crossing) => Some(Box::new(registry.build(crossing.seat(worker, workers)).await?)),
            None => None,
        };
        crew.routers.push(instance);
    }
    Ok(())
}

fn build_pool(name: &Arc<str>, pool: &config::Pool, chain: crate::snapshot::Chain, workers: usize) -> Pool {
    let members: Vec<_> = pool
        .backends
        .iter()
        .map(|backend| {
            let text = backend.address.to_string().into();
            PoolMember {
                backend: Arc::new(Backend::new(Arc::clone(&backend.id), text, backend.address.clone(), workers)),
                weight: backend.weight,
                state: if backend.draining { Readiness::Draining } else { Readiness::Ready },
                backup: backend.backup,
                labels: labels(&backend.labels),
            }
        })
        .collect();
    Pool {
        name: Arc::clone(name),
        rows: Pool::rows(&members),
        members,
        membership: 1,
        adjustment: 1,
        told: None,
        chain: Arc::new(chain),
        load: Arc::new(PoolLoad::new(workers)),
        verdicts: Arc::new(PerWorker::new(workers)),
        policy: Policy {
            connect_timeout: pool.connect_timeout,
            response_timeout: pool.response_timeout,
            idle_timeout: pool.idle_timeout,
            max_idle: pool.max_idle,
            retries: pool.retries,
        },
    }
}

fn crossing(
    route: &config::Route,
    elements: &mut Elements<'_>,
    pools: &[Pool],
    workers: usize,
) -> Option<Arc<Crossing>> {
    let router = route.router.as_ref()?;
    let position = |name: &Arc<str>| pools.iter().position(|pool| pool.name == *name);
    let positions: Vec<_> = router.pools.iter().filter_map(position).collect();
    let numbers = positions.iter().map(|position| &pools[*position]);
    Some(Arc::new(Crossing {
        name: Arc::clone(&route.name),
        element: elements.router(&route.name, &router.used)?,
        numbers: numbers.map(|pool| (Arc::clone(&pool.name), Arc::clone(&pool.load))).collect(),
        pools: positions,
        verdicts: Arc::new(PerWorker::new(workers)),
    }))
}

fn build_listener(
    listener: &config::Listener,
    number: impl Fn(&str) -> Option<usize>,
    pools: usize,
    workers: usize,
) -> Listener {
    Listener {
        name: Arc::clone(&listener.name),
        pool: listener.pool.as_deref().and_then(number),
        access: listener.access.clone(),
        trusted_proxies: listener.trusted_proxies.clone(),
        forwarded: listener.forwarded,
        limits: listener.limits.clone(),
        traffic: (0..=pools).map(|_| Arc::new(PerWorker::new(workers))).collect(),
        connections: Arc::new(PerWorker::new(workers)),
    }
}

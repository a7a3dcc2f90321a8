//! From a configuration to a first snapshot and the instances of every worker: all or nothing.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::StartError;
use crate::config::{self, Config, PluginUse};
use crate::decide::Readiness;
use crate::plugin::{Definition, Registry, Seat, Source};
use crate::pool::Backend;
use crate::route;
use crate::snapshot::{Listener, Policy, Pool, PoolMember, Seated, Snapshot};
use crate::telemetry::counters::PerWorker;

/// What workers start with.
pub struct Assembly {
    /// The first snapshot.
    pub snapshot: Arc<Snapshot>,
    /// For each worker, its instances by pool.
    pub instances: Vec<HashMap<Arc<str>, Seated>>,
    /// How to build an instance of a pool again, by pool.
    pub uses: BTreeMap<Arc<str>, PluginUse>,
}

/// Loads the plugins, configures an instance for every worker and pool, and builds the snapshot.
///
/// # Errors
/// Everything that is wrong with the plugins.
pub async fn assemble(config: &Config, registry: &Registry, workers: usize) -> Result<Assembly, Vec<StartError>> {
    let definitions = load(config, registry).await?;
    let mut pools = Vec::new();
    let mut uses = BTreeMap::new();
    for (name, pool) in &config.pools {
        let Some(definition) = definitions.get(&pool.balancer.plugin) else { continue };
        pools.push(Arc::new(build_pool(name, pool, definition, workers)));
        uses.insert(Arc::clone(name), pool.balancer.clone());
    }
    let instances = configure(&pools, &uses, registry, workers).await?;
    let number = |name: &str| pools.iter().position(|pool| *pool.name == *name);
    let listeners: Vec<_> = config
        .listeners
        .iter()
        .map(|listener| Arc::new(build_listener(listener, number, pools.len(), workers)))
        .collect();
    let listener = |name: &str| config.listeners.iter().position(|listener| *listener.name == *name);
    let routes = Arc::new(route::Table::new(&config.routes, listener, number));
    let snapshot = Arc::new(Snapshot { listeners, routes, pools, hash_seed: config.server.hash_seed });
    Ok(Assembly { snapshot, instances, uses })
}

/// Where a worker's instance of a pool sits.
pub fn seat(pool: &Pool, used: &PluginUse, worker: usize, workers: usize) -> Seat {
    Seat {
        definition: Arc::clone(&pool.balancer),
        pool: Arc::clone(&pool.name),
        worker: u32::try_from(worker).unwrap_or(u32::MAX),
        workers: u32::try_from(workers).unwrap_or(u32::MAX),
        settings: serde_json::Value::Object(used.settings.clone()).to_string().into(),
        keys: used.keys.clone(),
        load: Arc::clone(&pool.load),
        rows: pool.rows.clone().into(),
    }
}

/// Every plugin that a pool uses, once.
async fn load(config: &Config, registry: &Registry) -> Result<BTreeMap<Arc<str>, Arc<Definition>>, Vec<StartError>> {
    let mut definitions = BTreeMap::new();
    let mut errors = Vec::new();
    for name in config.pools.values().map(|pool| &pool.balancer.plugin) {
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

async fn configure(
    pools: &[Arc<Pool>],
    uses: &BTreeMap<Arc<str>, PluginUse>,
    registry: &Registry,
    workers: usize,
) -> Result<Vec<HashMap<Arc<str>, Seated>>, Vec<StartError>> {
    let mut errors = Vec::new();
    let mut instances: Vec<HashMap<_, _>> = (0..workers).map(|_| HashMap::new()).collect();
    for pool in pools {
        let Some(used) = uses.get(&pool.name) else { continue };
        for (worker, instances) in instances.iter_mut().enumerate() {
            match registry.build(seat(pool, used, worker, workers)).await {
                Ok(instance) => drop(instances.insert(Arc::clone(&pool.name), Seated::new(instance, pool))),
                Err(error) => {
                    // The other workers would only say the same.
                    errors.push(error.into());
                    break;
                }
            }
        }
    }
    if errors.is_empty() { Ok(instances) } else { Err(errors) }
}

fn build_pool(name: &Arc<str>, pool: &config::Pool, definition: &Arc<Definition>, workers: usize) -> Pool {
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
                labels: backend.labels.clone(),
            }
        })
        .collect();
    Pool {
        name: Arc::clone(name),
        rows: Pool::rows(&members),
        members,
        membership: 1,
        adjustment: 1,
        balancer: Arc::clone(definition),
        load: Arc::default(),
        decisions: Arc::new(PerWorker::new(workers)),
        policy: Policy {
            connect_timeout: pool.connect_timeout,
            response_timeout: pool.response_timeout,
            idle_timeout: pool.idle_timeout,
            max_idle: pool.max_idle,
            retries: pool.retries,
        },
    }
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

//! What a request sees: listeners, routes and pools at one moment, immutable.
//!
//! Control builds a snapshot and publishes it whole; each worker turns it into its own [`View`], which adds
//! what workers do not share: plugin instances and idle connections. The only module that sees both plugins
//! and pools.

mod binding;
pub mod change;
pub mod condition;
pub mod decision;
pub mod discovered;
pub mod element;
pub mod event;
mod ledger;
mod listener;
mod members;
mod observation;
mod pages;
pub mod pool;
mod post;
pub mod routing;
pub mod shadow;
mod standing;
pub mod steering;
pub mod view;

use std::collections::HashMap;
use std::sync::Arc;

use crate::decide::PoolLoad;
use crate::plugin::{AffinityInstance, BalancerInstance, Cost, RouterInstance};
use crate::rate::Limiter;
use crate::route;
use crate::telemetry::counters::{PerWorker, Verdicts};

pub use condition::{Condition, Ejection};
pub use element::{BreakerState, Element, Place};
pub use event::{Event, Fresh, Replacement, Slot, Wreck};
pub use ledger::Ledger;
pub use listener::Listener;
pub use pages::{Page, Pages, Said};
pub use pool::{Chain, Origin, Policy, Pool, PoolMember, Told};
pub use routing::Routing;
pub use shadow::Comparison;
pub use steering::Steering;
pub use view::View;

/// Everything that a request is judged by.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// In the order of the configuration; a listener's position is its number.
    pub listeners: Vec<Arc<Listener>>,
    /// Maps requests to positions in `pools`.
    pub routes: Arc<route::Table>,
    /// For each route, in the order of the configuration, its router if it has one.
    pub crossings: Arc<[Option<Arc<Crossing>>]>,
    /// For each route, in the same order, its rate limit if it has one.
    pub limiters: Arc<[Option<RouteLimit>]>,
    /// For each route, in the same order, what it says itself.
    pub said: Arc<[Said]>,
    /// By name; a pool's position is its number.
    pub pools: Vec<Arc<Pool>>,
    /// Seed of the key hash.
    pub hash_seed: u64,
}

/// A plugin at work: what it is used as, and where.
pub struct Used<'a> {
    /// `affinity`, `shaper`, `balancer` or `router`.
    pub role: &'static str,
    /// The pool that it decides for; empty for a router.
    pub pool: &'a str,
    /// The route that it decides for; empty but for a router.
    pub route: &'a str,
    /// The plugin there.
    pub element: &'a Arc<Element>,
}

/// Chains of pools and crossings of routes, by name, that take the place of others.
#[derive(Debug, Default)]
pub struct Replaced {
    /// By pool.
    pub chains: HashMap<Arc<str>, Arc<Chain>>,
    /// By route.
    pub crossings: HashMap<Arc<str>, Arc<Crossing>>,
}

impl Snapshot {
    /// Every use of a plugin, by pool and then by route.
    pub fn uses(&self) -> impl Iterator<Item = Used<'_>> {
        let pools = self.pools.iter().flat_map(|pool| {
            pool.chain.elements().map(|(role, element)| Used { role, pool: &pool.name, route: "", element })
        });
        let routers = self.crossings.iter().flatten().map(|crossing| {
            let (pool, route) = ("", &*crossing.name);
            Used { role: "router", pool, route, element: &crossing.element }
        });
        pools.chain(routers)
    }

    /// Every place of a plugin.
    pub fn slots(&self) -> impl Iterator<Item = (Slot, &Arc<Element>)> {
        let pools = self.pools.iter().flat_map(|pool| {
            let chain = &pool.chain;
            let name = || Arc::clone(&pool.name);
            let affinity = chain.affinity.iter().map(move |element| (Slot::Affinity(name()), element));
            let balancers = chain.balancers.iter().enumerate();
            let balancers = balancers.map(move |(number, element)| (Slot::Balancer(name(), number), element));
            let shapers = chain.shapers.iter().enumerate();
            let shapers = shapers.map(move |(number, (_, element))| (Slot::Shaper(name(), number), element));
            affinity.chain(balancers).chain(shapers)
        });
        let routers = self.crossings.iter().flatten();
        pools.chain(routers.map(|crossing| (Slot::Router(Arc::clone(&crossing.name)), &crossing.element)))
    }

    /// The plugin in this place.
    pub fn at(&self, slot: &Slot) -> Option<&Arc<Element>> {
        match slot {
            Slot::Router(route) => {
                let mut crossings = self.crossings.iter().flatten();
                crossings.find(|crossing| crossing.name == *route).map(|crossing| &crossing.element)
            }
            slot => self.pools.iter().find(|pool| pool.name == *slot.name())?.chain.at(slot),
        }
    }

    /// Chains and crossings that use a plugin, with the elements that `element` answers for each place.
    pub fn replaced(&self, plugin: &str, element: impl Fn(&Slot, &Arc<Element>) -> Arc<Element>) -> Replaced {
        let uses = |chain: &Chain| chain.elements().any(|(_, element)| element.is_of(plugin));
        let pools = self.pools.iter().filter(|pool| uses(&pool.chain));
        let chains = pools.map(|pool| (Arc::clone(&pool.name), Arc::new(pool.chain.replaced(&pool.name, &element))));
        let crossings = self.crossings.iter().flatten().filter(|crossing| crossing.element.is_of(plugin));
        let crossings = crossings.map(|crossing| {
            let name = &crossing.name;
            let element = element(&Slot::Router(Arc::clone(name)), &crossing.element);
            (Arc::clone(name), Arc::new(Crossing { element, ..Crossing::clone(crossing) }))
        });
        Replaced { chains: chains.collect(), crossings: crossings.collect() }
    }

    /// The same with these chains and crossings.
    #[must_use]
    pub fn with(&self, replaced: &Replaced) -> Self {
        let Replaced { chains, crossings } = replaced;
        let mut next = self.clone();
        for pool in &mut next.pools {
            if let Some(chain) = chains.get(&pool.name) {
                // Plugins are told nothing new.
                *pool = Arc::new(Pool { chain: Arc::clone(chain), told: None, ..Pool::clone(pool) });
            }
        }
        if !crossings.is_empty() {
            let with = |crossing: &Option<Arc<Crossing>>| {
                let crossing = crossing.as_ref()?;
                Some(Arc::clone(crossings.get(&crossing.name).unwrap_or(crossing)))
            };
            next.crossings = self.crossings.iter().map(with).collect();
        }
        next
    }
}

/// The rate limit of a route.
#[derive(Debug, Clone)]
pub struct RouteLimit {
    /// The route's name.
    pub name: Arc<str>,
    /// The limit.
    pub limiter: Arc<Limiter>,
}

/// A route's router, and what it chooses between.
#[derive(Debug, Clone)]
pub struct Crossing {
    /// The route's name.
    pub name: Arc<str>,
    /// The plugin.
    pub element: Arc<Element>,
    /// Positions of the pools.
    pub pools: Vec<usize>,
    /// Their names and numbers.
    pub numbers: Arc<[(Arc<str>, Arc<PoolLoad>)]>,
    /// What came of its decisions.
    pub verdicts: Arc<PerWorker<Verdicts>>,
}

/// The instances of one worker for one pool, which have been told `told`.
pub struct Seats {
    /// What they know.
    pub told: Arc<Told>,
    /// Of the affinity.
    pub affinity: Option<Box<AffinityInstance>>,
    /// Of each balancer.
    pub balancers: Vec<Option<Box<BalancerInstance>>>,
}

impl Seats {
    /// What the costliest instance took for its table.
    pub fn cost(&self) -> Cost {
        let balancers = self.balancers.iter().flatten().map(|instance| instance.cost());
        self.affinity.iter().map(|instance| instance.cost()).chain(balancers).fold(Cost::default(), Cost::max)
    }
}

/// Instances for one worker.
#[derive(Default)]
pub struct Crew {
    /// By pool.
    pub pools: HashMap<Arc<str>, Seats>,
    /// By route.
    pub routers: HashMap<Arc<str>, Box<RouterInstance>>,
}

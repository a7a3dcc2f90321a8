//! What a request sees: listeners, routes and pools at one moment, immutable.
//!
//! Control builds a snapshot and publishes it whole; each worker turns it into its own [`View`], which adds
//! what workers do not share: plugin instances and idle connections. The only module that sees both plugins
//! and pools.

pub mod change;
pub mod steering;
pub mod view;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use crate::config::{Access, Limits};
use crate::decide::{Fault, PoolLoad, Readiness, Row};
use crate::plugin::{Definition, Instance};
use crate::pool::Backend;
use crate::route;
use crate::telemetry::counters::{Decisions, PerWorker, Traffic};

pub use steering::Steering;
pub use view::View;

/// Everything that a request is judged by.
#[derive(Debug)]
pub struct Snapshot {
    /// In the order of the configuration; a listener's position is its number.
    pub listeners: Vec<Arc<Listener>>,
    /// Maps requests to positions in `pools`.
    pub routes: Arc<route::Table>,
    /// By name; a pool's position is its number.
    pub pools: Vec<Arc<Pool>>,
    /// Seed of the key hash.
    pub hash_seed: u64,
}

/// An address that we accept on.
#[derive(Debug)]
pub struct Listener {
    /// Unique.
    pub name: Arc<str>,
    /// Position of the pool for what no route matches.
    pub pool: Option<usize>,
    /// Who may connect.
    pub access: Access,
    /// Whose forwarding headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether `Forwarded` is sent.
    pub forwarded: bool,
    /// Limits and timeouts.
    pub limits: Limits,
    /// Counts for each pool, and behind them for requests that reached no pool.
    pub traffic: Vec<Arc<PerWorker<Traffic>>>,
    /// Client connections that are open.
    pub connections: Arc<PerWorker<crate::telemetry::counters::Counter>>,
}

/// A set of interchangeable backends, and how to pick among them.
#[derive(Debug)]
pub struct Pool {
    /// Unique.
    pub name: Arc<str>,
    /// In the order of the table that plugins get.
    pub members: Vec<PoolMember>,
    /// The same, as plugins see it.
    pub rows: Vec<Row>,
    /// Grows when `rows` need an `update`: membership, addresses, labels, configured weights.
    pub membership: u64,
    /// Grows when `rows` need an `adjust`: weights and readiness.
    pub adjustment: u64,
    /// The plugin that picks.
    pub balancer: Arc<Definition>,
    /// Numbers of the pool.
    pub load: Arc<PoolLoad>,
    /// Counts of its decisions.
    pub decisions: Arc<PerWorker<Decisions>>,
    /// How its backends are used.
    pub policy: Policy,
}

/// How a pool's backends are used.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// For a connection.
    pub connect_timeout: Duration,
    /// For a response head, and between two parts of a body.
    pub response_timeout: Duration,
    /// For kept connections.
    pub idle_timeout: Duration,
    /// Kept connections per backend and worker.
    pub max_idle: usize,
    /// Further backends tried.
    pub retries: u32,
}

/// A backend in its pool.
#[derive(Debug, Clone)]
pub struct PoolMember {
    /// The backend itself.
    pub backend: Arc<Backend>,
    /// Set by the configuration, or at run time.
    pub weight: u32,
    /// Set by the configuration, or at run time.
    pub state: Readiness,
    /// Only while no other backend is ready.
    pub backup: bool,
    /// For plugins.
    pub labels: BTreeMap<String, String>,
}

impl Pool {
    /// The table as plugins see it: backups are down while another backend is ready.
    pub fn rows(members: &[PoolMember]) -> Vec<Row> {
        let primary = members.iter().any(|member| !member.backup && member.state == Readiness::Ready);
        members
            .iter()
            .map(|member| Row {
                id: Arc::clone(&member.backend.id),
                address: Arc::clone(&member.backend.address_text),
                weight: member.weight,
                readiness: if member.backup && primary { Readiness::Down } else { member.state },
                labels: member.labels.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
                load: Arc::clone(&member.backend.load),
            })
            .collect()
    }

    /// Backends that a new client may be given now.
    pub fn ready(&self) -> usize {
        self.rows.iter().filter(|row| row.readiness == Readiness::Ready).count()
    }
}

impl Access {
    /// Whether this address may pass: not denied, and allowed where there is a list.
    pub fn permits(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let within = |nets: &[IpNet]| nets.iter().any(|net| net.contains(&address));
        !within(&self.deny) && (self.allow.is_empty() || within(&self.allow))
    }

    /// Whether everybody may pass.
    pub fn is_open(&self) -> bool {
        self.deny.is_empty() && self.allow.is_empty()
    }
}

/// An instance, and the table that it was last given.
pub struct Seated {
    instance: Box<Instance>,
    membership: u64,
    adjustment: u64,
}

impl Seated {
    /// An instance that was built with the rows of `pool`.
    pub fn new(instance: Instance, pool: &Pool) -> Self {
        Self { instance: Box::new(instance), membership: pool.membership, adjustment: pool.adjustment }
    }
}

/// What a worker tells control.
pub enum Event {
    /// A plugin failed at a decision.
    Faulted {
        /// Where.
        worker: usize,
        /// Which pool's.
        pool: Arc<str>,
        /// What happened.
        fault: Fault,
        /// The instance, when it must not be entered again: to be disposed of, and replaced.
        instance: Option<Box<Instance>>,
    },
    /// A worker serves its first snapshot, or could not.
    Started {
        /// Which.
        worker: usize,
    },
    /// A worker has nothing left to do and ends.
    Stopped {
        /// Which.
        worker: usize,
        /// Connections that were cut off.
        cut: usize,
    },
}

//! A pool at one moment: its backends, the plugins that steer it, and what those are told.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::condition::{self, Condition, Ejection};
use super::{Element, Slot};
use crate::config::{self, Feedback, OutlierPolicy, Protocol, ProxyVersion, Recovery, Retry, TcpOptions};
use crate::decide::{PoolLoad, Readiness, Row, weighed};
use crate::pool::queue::Same;
use crate::pool::queue::order::Spot;
use crate::pool::{Backend, Capacity};
use crate::telemetry::counters::{PerWorker, Verdicts};
use crate::tls::Connector;

/// A set of interchangeable backends, and how to pick among them.
#[derive(Debug, Clone)]
pub struct Pool {
    /// Unique.
    pub name: Arc<str>,
    /// In the order of the table that plugins get.
    pub members: Vec<PoolMember>,
    /// The same, as plugins are to see it.
    pub rows: Arc<[Row]>,
    /// Grows when `rows` need an `update`: membership, addresses, labels, configured weights.
    pub membership: u64,
    /// Grows when `rows` need an `adjust`: weights and readiness.
    pub adjustment: u64,
    /// What plugins are to be told at once; none: they will be told when it has been prepared.
    pub told: Option<Arc<Told>>,
    /// The plugins.
    pub chain: Arc<Chain>,
    /// Numbers of the pool.
    pub load: Arc<PoolLoad>,
    /// Its room, and who waits for it.
    pub capacity: Arc<Capacity>,
    /// What came of its decisions.
    pub verdicts: Arc<PerWorker<Verdicts>>,
    /// How its backends are used.
    pub policy: Policy,
}

/// The plugins that steer a pool, in the order in which they are asked.
#[derive(Debug)]
pub struct Chain {
    /// Asked first, if there is one.
    pub affinity: Option<Arc<Element>>,
    /// Asked one after the other, until one has an opinion.
    pub balancers: Vec<Arc<Element>>,
    /// Weigh for the balancers from this position on, in this order.
    pub shapers: Vec<(usize, Arc<Element>)>,
}

/// What the plugins of a pool are told: rows, and the same with the weights that shapers gave them.
#[derive(Debug, Default)]
pub struct Told {
    /// The pool's when this was made.
    pub membership: u64,
    /// The pool's when this was made.
    pub adjustment: u64,
    /// Behind the rows.
    pub backends: Vec<Arc<Backend>>,
    /// For the affinity.
    pub rows: Arc<[Row]>,
    /// For each balancer.
    pub shaped: Vec<Arc<[Row]>>,
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
    /// From a request's head to the head of its response.
    pub request_timeout: Option<Duration>,
    /// When a request goes to another backend.
    pub retry: Retry,
    /// When outcomes take a backend out.
    pub outlier: Option<OutlierPolicy>,
    /// How backends come and go.
    pub recovery: Recovery,
    /// What backends may say of themselves.
    pub feedback: Option<Arc<Feedback>>,
    /// What it takes at a time.
    pub limits: config::Capacity,
    /// TLS towards them.
    pub tls: Option<Arc<Connector>>,
    /// Options of connections to them.
    pub tcp: TcpOptions,
    /// How they are told whom a connection is from.
    pub proxy_protocol: Option<ProxyVersion>,
    /// Whether connections to them come from the client's address.
    pub transparent: bool,
    /// For upgraded connections on which nothing moves.
    pub tunnel_timeout: Option<Duration>,
    /// What they are spoken to with.
    pub protocol: Protocol,
}

impl Policy {
    /// Whether a connection to a backend is of one client's connection, and of use to no other.
    pub fn is_personal(&self) -> bool {
        self.proxy_protocol.is_some() || self.transparent
    }
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
    /// For plugins, sorted by key.
    pub labels: Arc<[(String, String)]>,
    /// Where it comes from.
    pub origin: Origin,
    /// What is known of it beside.
    pub condition: Condition,
    /// Requests that it takes at a time, where it says so itself.
    pub max_requests: Option<u32>,
}

/// Where a backend of a pool comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The configuration names it.
    Configured,
    /// It was put there by the admin API.
    Added,
    /// The pool's source named it last. What was set by the admin API since then is not taken from the source.
    Discovered {
        /// The weight was set.
        weight: bool,
        /// The state was set.
        state: bool,
    },
}

impl Origin {
    /// The word of the admin API and of metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Configured => "configured",
            Self::Added => "added",
            Self::Discovered { .. } => "discovered",
        }
    }

    /// Whether it is the pool's source that named it.
    pub fn is_discovered(self) -> bool {
        matches!(self, Self::Discovered { .. })
    }
}

impl Pool {
    /// The table as plugins see it.
    pub fn rows(members: &[PoolMember], recovery: &Recovery) -> Arc<[Row]> {
        let seen = condition::readiness(members, recovery.panic).into_iter().zip(condition::weights(members));
        let row = |(member, (readiness, weight)): (&PoolMember, (Readiness, u32))| Row {
            id: Arc::clone(&member.backend.id),
            address: Arc::clone(&member.backend.address_text),
            weight,
            readiness,
            labels: Arc::clone(&member.labels),
            load: Arc::clone(&member.backend.load),
        };
        members.iter().zip(seen).map(row).collect()
    }

    /// Backends that a new client may be given now.
    pub fn ready(&self) -> usize {
        self.rows.iter().filter(|row| row.readiness == Readiness::Ready).count()
    }

    /// Of this pool's rows, with the weights that shapers gave; `weights` has one list for each shaper that answered,
    /// with the number of the balancer that it comes before.
    pub fn told(&self, weights: &[(usize, Vec<u32>)]) -> Told {
        let (mut rows, mut next) = (Arc::clone(&self.rows), weights.iter().peekable());
        let balancers = 0..self.chain.balancers.len();
        let shaped = balancers.map(|balancer| {
            while let Some((_, weights)) = next.next_if(|(before, _)| *before <= balancer) {
                rows = weighed(&rows, weights);
            }
            Arc::clone(&rows)
        });
        Told {
            membership: self.membership,
            adjustment: self.adjustment,
            shaped: shaped.collect(),
            backends: self.members.iter().map(|member| Arc::clone(&member.backend)).collect(),
            rows: Arc::clone(&self.rows),
        }
    }

    /// Of this pool's rows, with the weights of `before` where shapers gave any: those that they do not know yet wait
    /// with a weight of 0.
    pub fn told_as(&self, before: &Told) -> Told {
        let mut told = self.told(&[]);
        for (now, known) in told.shaped.iter_mut().zip(&before.shaped) {
            if !Arc::ptr_eq(known, &before.rows) {
                let weights: HashMap<_, _> =
                    before.backends.iter().map(Arc::as_ptr).zip(known.iter().map(|row| row.weight)).collect();
                let weight = |backend| weights.get(&Arc::as_ptr(backend)).copied().unwrap_or(0);
                *now = weighed(&self.rows, &told.backends.iter().map(weight).collect::<Vec<_>>());
            }
        }
        told
    }

    /// Whether it takes any number of requests, at any of its backends.
    pub fn is_unlimited(&self) -> bool {
        let limits = &self.policy.limits;
        limits.at_pool().is_none() && self.members.iter().all(|member| limits.at_backend(member.max_requests).is_none())
    }

    /// Where requests may wait for room: at backends that are not down.
    pub fn spots(members: &[PoolMember], rows: &[Row], limits: &config::Capacity) -> Vec<Spot<Same>> {
        let is_tried = |member: &PoolMember| member.condition.ejection == Ejection::Trial;
        let is_ready = |row: &Row| row.readiness == Readiness::Ready && row.weight > 0;
        let others = members.iter().zip(rows).any(|(member, row)| is_ready(row) && !is_tried(member));
        let in_use = members.iter().zip(rows).filter(|(_, row)| row.readiness != Readiness::Down);
        let spot = |(member, row): (&PoolMember, &Row)| Spot {
            backend: Same(Arc::clone(&member.backend)),
            limit: limits.at_backend(member.max_requests),
            // Who is on trial takes whom a plugin sends, and nobody else waits for it.
            open: is_ready(row) && !(others && is_tried(member)),
        };
        in_use.map(spot).collect()
    }

    /// What is counted for plugins changes with the rows.
    pub fn count(&self) {
        self.load.set_ready(self.ready());
    }
}

impl Told {
    /// Whether any backend has another weight than in `before`, a table of the same backends.
    pub fn is_reweighted(&self, before: &Self) -> bool {
        let differ = |now: &Arc<[Row]>, before: &Arc<[Row]>| {
            !Arc::ptr_eq(now, before) && !now.iter().map(|row| row.weight).eq(before.iter().map(|row| row.weight))
        };
        differ(&self.rows, &before.rows)
            || self.shaped.iter().zip(&before.shaped).any(|(now, before)| differ(now, before))
    }
}

impl Chain {
    /// Balancers and shapers in the order of the configuration.
    pub fn written(&self) -> impl Iterator<Item = &Arc<Element>> {
        (0..=self.balancers.len()).flat_map(|number| {
            let before = self.shapers.iter().filter(move |(before, _)| *before == number);
            before.map(|(_, element)| element).chain(self.balancers.get(number))
        })
    }

    /// Whether it has the same elements in the same places.
    pub fn is_same(&self, other: &Self) -> bool {
        let same = |a: &Arc<Element>, b: &Arc<Element>| Arc::ptr_eq(a, b);
        let affinity = match (&self.affinity, &other.affinity) {
            (Some(a), Some(b)) => same(a, b),
            (None, None) => true,
            _ => false,
        };
        let lengths = |chain: &Self| (chain.balancers.len(), chain.shapers.len());
        affinity
            && lengths(self) == lengths(other)
            && self.balancers.iter().zip(&other.balancers).all(|(a, b)| same(a, b))
            && self.shapers.iter().zip(&other.shapers).all(|(a, b)| a.0 == b.0 && same(&a.1, &b.1))
    }

    /// The same with the elements that `element` answers for each place; `pool` is its pool.
    pub(super) fn replaced(&self, pool: &Arc<str>, element: impl Fn(&Slot, &Arc<Element>) -> Arc<Element>) -> Self {
        let name = || Arc::clone(pool);
        let balancers = self.balancers.iter().enumerate();
        let shapers = self.shapers.iter().enumerate();
        Self {
            affinity: self.affinity.as_ref().map(|known| element(&Slot::Affinity(name()), known)),
            balancers: balancers.map(|(number, known)| element(&Slot::Balancer(name(), number), known)).collect(),
            shapers: shapers
                .map(|(number, (before, known))| (*before, element(&Slot::Shaper(name(), number), known)))
                .collect(),
        }
    }

    /// The element of this place.
    pub fn at(&self, slot: &Slot) -> Option<&Arc<Element>> {
        match slot {
            Slot::Affinity(_) => self.affinity.as_ref(),
            Slot::Balancer(_, number) => self.balancers.get(*number),
            Slot::Shaper(_, number) => self.shapers.get(*number).map(|(_, element)| element),
            Slot::Router(_) => None,
        }
    }

    /// All elements, each with the role it has here.
    pub fn elements(&self) -> impl Iterator<Item = (&'static str, &Arc<Element>)> {
        let affinity = self.affinity.iter().map(|element| ("affinity", element));
        let shapers = self.shapers.iter().map(|(_, element)| ("shaper", element));
        affinity.chain(shapers).chain(self.balancers.iter().map(|element| ("balancer", element)))
    }
}

/// Labels as plugins get them.
pub fn labels(labels: &BTreeMap<String, String>) -> Arc<[(String, String)]> {
    labels.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
}

//! Instances: one sandbox of a plugin each, in its seat, behind the trait of the decision that it makes there.
//!
//! Whether an answer may be acted on is judged by [`decide`](crate::decide), what to do instead by the owner.

mod affinity;
mod balancer;
mod handoff;
mod observer;
mod router;
mod shaper;
mod tabled;

use std::sync::Arc;
use std::time::Duration;

use super::definition::Definition;
use super::fault;
use super::guarded::Guarded;
use super::v0_1::{ExportError, Plan};
use crate::decide::table::Table;
use crate::decide::{Fault, Key, PoolLoad, Row, key::BadKey};

pub use affinity::AffinityInstance;
pub use balancer::BalancerInstance;
pub use router::RouterInstance;
pub use shaper::ShaperInstance;

/// Key sources of a plan. Each is looked for in every request.
const MOST_KEYS: usize = 16;
/// Options of a plan that are said to be unknown.
const MOST_OPTIONS: usize = 8;

/// Where an instance will sit, and with what. Its settings may hold a secret, so it is not shown.
#[derive(Clone)]
pub struct Seat {
    /// The plugin.
    pub definition: Arc<Definition>,
    /// The pool that it decides for; for a router, the route.
    pub pool: Arc<str>,
    /// The worker, 0 to `workers` - 1.
    pub worker: u32,
    /// Number of workers of the process.
    pub workers: u32,
    /// The plugin's settings, a JSON object.
    pub settings: Arc<str>,
    /// `key` of the configuration; where empty, the plan's keys hold.
    pub keys: Vec<Key>,
    /// The pool's numbers, shared by all workers.
    pub load: Arc<PoolLoad>,
    /// The table that it starts with.
    pub rows: Arc<[Row]>,
    /// For a router: the pools that it chooses between, and their numbers.
    pub pools: Arc<[(Arc<str>, Arc<PoolLoad>)]>,
    /// What the instances of this plugin and pool share.
    pub table: Arc<dyn Table>,
}

/// What can be built for a seat by the [`Registry`](super::Registry), and is disposed of by it.
///
/// Whoever calls an instance holds a busy [`Activity`](super::Activity) for that time.
pub trait Built: Sized + Send + 'static {
    /// Instantiates, configures and, where there is a table, gives the first one. Runs guest code: for builder
    /// threads.
    ///
    /// # Errors
    /// What went wrong. There is no instance then.
    fn seat(seat: Seat) -> Result<Self, BuildReason>;

    /// What its memories have come to, in bytes.
    fn memory(&self) -> usize;
}

/// Processor time that an instance last took for its table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    /// For an `update`.
    pub update: Duration,
    /// For an `adjust`; none: not tried yet, as it is not worth a try.
    pub adjust: Option<Duration>,
}

impl Cost {
    /// The higher of each.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self { update: self.update.max(other.update), adjust: self.adjust.max(other.adjust) }
    }
}

/// An instance could not be had.
#[derive(Debug, thiserror::Error)]
#[error("plugin `{plugin}` ({source_name}) for {place}: {reason}")]
pub struct BuildError {
    /// The plugin's name.
    pub plugin: Arc<str>,
    /// The file, or what stands for it.
    pub source_name: String,
    /// The pool, or the route.
    pub place: String,
    /// What went wrong.
    pub reason: BuildReason,
}

/// Why an instance could not be had.
#[derive(Debug, thiserror::Error)]
pub enum BuildReason {
    /// The plugin does not accept its settings; this is its own text.
    #[error("`configure` does not accept its settings: {0}")]
    Configure(String),
    /// The plugin's plan has a key source that does not exist.
    #[error("wants a key that does not exist: {0}")]
    Key(#[from] BadKey),
    /// The plugin's plan has more key sources than anybody can mean.
    #[error("wants {0} keys; at most {MOST_KEYS} are allowed")]
    Keys(usize),
    /// A shaper was given a key.
    #[error("is a shaper, which sees no request, so it cannot have a `key`")]
    NoKey,
    /// It trapped, looped or took too much memory while it started or in `configure`.
    #[error("failed while it started, or in `configure`: {0}")]
    Fault(Fault),
    /// It did so when it was given its first table.
    #[error("failed in its first `update`: {0}")]
    Update(Fault),
    /// It did something wrong when it was tried, in this function.
    #[error("failed at its trial, in `{0}`: {1}")]
    Trial(&'static str, Fault),
    /// It does not pass the test that the configuration asks for: the property, and what was seen.
    #[error("is not admitted (`conformance = \"strict\"`): {0}")]
    Conformance(String),
    /// As many instances exist as may.
    #[error("no room for another instance: {0}; `[server] max_instances` makes more")]
    Full(String),
    /// The component's exports are not those that are needed here.
    #[error("{0}")]
    Exports(String),
    /// The builder threads are gone, or the job panicked.
    #[error("the builder gave no answer")]
    NoAnswer,
}

impl From<ExportError> for BuildReason {
    fn from(error: ExportError) -> Self {
        Self::Exports(error.to_string())
    }
}

impl BuildError {
    /// About the instance that was to take this seat.
    pub(super) fn of(seat: &Seat, reason: BuildReason) -> Self {
        let kind = if seat.pools.is_empty() { "pool" } else { "route" };
        Self::new(&seat.definition, format!("{kind} `{}`", seat.pool), reason)
    }

    /// About a plugin in this place.
    pub fn new(definition: &Definition, place: String, reason: BuildReason) -> Self {
        let (plugin, source_name) = (Arc::clone(definition.name()), definition.source().to_string());
        Self { plugin, source_name, place, reason }
    }
}

/// What `configure` answered, or what it failed with.
pub(super) fn accepted<T>(answer: Result<Result<T, String>, Fault>) -> Result<T, BuildReason> {
    answer.map_err(BuildReason::Fault)?.map_err(|text| BuildReason::Configure(fault::one_line(&text, 4096)))
}

/// Gives the plugin the keys of its plan, or those of the configuration.
fn follow(guest: &mut Guarded, seat: &Seat, plan: &Plan) -> Result<(), BuildReason> {
    if plan.keys.len() > MOST_KEYS {
        return Err(BuildReason::Keys(plan.keys.len()));
    }
    let parsed = |key: &String| key.parse().map_err(|BadKey(text)| BadKey(fault::one_line(&text, 256)));
    let planned = plan.keys.iter().map(parsed).collect::<Result<Vec<Key>, _>>()?;
    for (name, _) in plan.options.iter().take(MOST_OPTIONS) {
        let (plugin, name) = (seat.definition.name(), fault::one_line(name, 256));
        tracing::warn!(%plugin, pool = %seat.pool, "asks for `{name}`, which this host does not know");
    }
    guest.sandbox_mut().keys = if seat.keys.is_empty() { planned } else { seat.keys.clone() };
    Ok(())
}

#[cfg(test)]
mod tests;

//! One sandbox of a plugin, and the calls into it.
//!
//! A call sets the deadline, lends the facts, guards against panics and turns whatever goes wrong into a
//! [`Fault`]; after one the guest is never entered again. Whether an answer may be acted on is
//! judged by [`decide::check`](crate::decide::check), what to do instead by the owner.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use wasmtime::{PoolConcurrencyLimitError, Store};

use super::budget::{self, Budget};
use super::definition::Definition;
use super::fault;
use super::sandbox::{MemoryLimit, Sandbox};
use super::v0_1::{ExportError, Exports};
use super::voice::Voice;
use crate::decide::{Balancer, Facts, Fault, FaultKind, Key, Moment, PoolLoad, Readiness, Row, Verdict, key::BadKey};

/// Bytes that a guest may hand to the host in one call. The largest thing it may say is a saved state of 1 MiB.
const HOSTCALL_FUEL: usize = 2 << 20;

/// Where an instance will sit, and with what.
#[derive(Debug, Clone)]
pub struct Seat {
    /// The plugin.
    pub definition: Arc<Definition>,
    /// The pool that it decides for.
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
}

/// A plugin's sandbox in its seat. Built and disposed of by the [`Registry`](super::Registry).
///
/// Whoever calls it holds a busy [`Activity`](super::Activity) for that time.
pub struct Instance {
    store: Store<Sandbox>,
    exports: Exports,
    definition: Arc<Definition>,
    poisoned: bool,
}

/// An instance could not be had.
#[derive(Debug, thiserror::Error)]
#[error("plugin `{plugin}` ({source_name}) for pool `{pool}`: {reason}")]
pub struct BuildError {
    /// The plugin's name.
    pub plugin: Arc<str>,
    /// The file, or what stands for it.
    pub source_name: String,
    /// The pool's name.
    pub pool: Arc<str>,
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
    /// It trapped, looped or took too much memory while it started or in `configure`.
    #[error("failed while it started, or in `configure`: {0}")]
    Fault(Fault),
    /// It did so when it was given its first table.
    #[error("failed in its first `update`: {0}")]
    Update(Fault),
    /// As many instances exist as may.
    #[error("no room for another instance: {0}")]
    Full(String),
    /// The component's exports are not those of a balancer.
    #[error("{0}")]
    Exports(String),
    /// The builder threads are gone, or the job panicked.
    #[error("the builder gave no answer")]
    NoAnswer,
}

impl BuildError {
    /// About the instance that was to take this seat.
    pub(super) fn of(seat: &Seat, reason: BuildReason) -> Self {
        let definition = &seat.definition;
        Self {
            plugin: Arc::clone(definition.name()),
            source_name: definition.source().to_string(),
            pool: Arc::clone(&seat.pool),
            reason,
        }
    }
}

impl Instance {
    /// Instantiates, configures and gives the first table. Runs guest code: for builder threads.
    pub(super) fn build(seat: Seat) -> Result<Self, BuildError> {
        let lost = BuildError::of(&seat, BuildReason::NoAnswer);
        Self::seat(seat).map_err(|reason| BuildError { reason, ..lost })
    }

    fn seat(seat: Seat) -> Result<Self, BuildReason> {
        let Seat { definition, pool, worker, workers, settings, keys, load, rows } = seat;
        let mut instance = Self::instantiate(Arc::clone(&definition), Arc::clone(&pool), load)?;
        let place = (&*pool, worker, workers, definition.generation());
        // Still within the deadline of the instantiation.
        let plan = guarded(&mut instance.store, |store| instance.exports.configure(store, &settings, place))
            .map_err(BuildReason::Fault)?
            .map_err(|text| BuildReason::Configure(fault::one_line(&text, 4096)))?;
        let planned = plan.keys.iter().map(|key| key.parse()).collect::<Result<Vec<Key>, _>>()?;
        if plan.observe || plan.tick_ms > 0 {
            tracing::warn!(plugin = %definition.name(), %pool, "asks for outcomes or ticks, which do not come yet");
        }
        for (name, _) in &plan.options {
            let name = fault::one_line(name, 256);
            tracing::warn!(plugin = %definition.name(), %pool, "asks for `{name}`, which this host does not know");
        }
        instance.store.data_mut().keys = if keys.is_empty() { planned } else { keys };
        instance.update(&rows).map_err(BuildReason::Update)?;
        Ok(instance)
    }

    /// Instantiates alone, and begins the deadline of `configure`.
    pub(super) fn instantiate(
        definition: Arc<Definition>,
        pool: Arc<str>,
        load: Arc<PoolLoad>,
    ) -> Result<Self, BuildReason> {
        let limits = *definition.limits();
        let sandbox = Sandbox {
            facts: None,
            keys: Vec::new(),
            loads: Vec::new(),
            pool: load,
            budget: Budget::default(),
            memory: MemoryLimit::new(limits.memory),
            voice: Voice::new(Arc::clone(definition.name()), pool, definition.generation()),
        };
        let mut store = Store::new(definition.pre().engine(), sandbox);
        store.limiter(|sandbox| &mut sandbox.memory);
        store.set_hostcall_fuel(HOSTCALL_FUEL);
        store.epoch_deadline_callback(|mut guest| Ok(guest.data_mut().budget.look(budget::thread_time())));
        begin(&mut store, limits.configure_deadline);
        let mut full = None;
        let instance = guarded(&mut store, |store| {
            definition.pre().instantiate(store).inspect_err(|error| {
                full = error.downcast_ref::<PoolConcurrencyLimitError>().map(ToString::to_string);
            })
        });
        let instance = instance.map_err(|fault| full.take().map_or(BuildReason::Fault(fault), BuildReason::Full))?;
        let exports = Exports::find(&mut store, &instance)
            .map_err(|error: ExportError| BuildReason::Exports(error.to_string()))?;
        Ok(Self { store, exports, definition, poisoned: false })
    }

    /// What it is an instance of.
    pub fn definition(&self) -> &Arc<Definition> {
        &self.definition
    }

    /// Whether a fault happened: it answers nothing any more and waits to be disposed of.
    pub fn is_poisoned(&self) -> bool {
        self.poisoned
    }

    fn call<T>(
        &mut self,
        deadline: Duration,
        call: impl FnOnce(&Exports, &mut Store<Sandbox>) -> wasmtime::Result<T>,
    ) -> Result<T, Fault> {
        if self.poisoned {
            let message = "not entered again after an earlier fault".to_owned();
            return Err(Fault { kind: FaultKind::Trap, message });
        }
        begin(&mut self.store, deadline);
        let exports = &self.exports;
        let answer = guarded(&mut self.store, |store| call(exports, store));
        self.poisoned = answer.is_err();
        answer
    }
}

impl Balancer for Instance {
    fn update(&mut self, rows: &[Row]) -> Result<(), Fault> {
        self.store.data_mut().loads = rows.iter().map(|row| Arc::clone(&row.load)).collect();
        self.call(self.definition.limits().update_deadline, |exports, store| exports.update(store, rows))
    }

    fn adjust(&mut self, weights: &[u32], readiness: &[Readiness]) -> Result<(), Fault> {
        self.call(self.definition.limits().update_deadline, |exports, store| exports.adjust(store, weights, readiness))
    }

    fn pick(&mut self, moment: Moment, facts: Box<Facts>) -> (Box<Facts>, Result<Verdict, Fault>) {
        self.store.data_mut().facts = Some(facts);
        let deadline = self.definition.limits().deadline;
        let answer = self.call(deadline, |exports, store| exports.pick.call(store, (moment.into(),)));
        // No host function takes them, so they are always there.
        let facts = self.store.data_mut().facts.take().unwrap_or_default();
        (facts, answer.map(|(verdict,)| verdict.into()))
    }

    fn keys(&self) -> &[Key] {
        &self.store.data().keys
    }
}

impl fmt::Debug for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { definition, poisoned, .. } = self;
        f.debug_struct("Instance").field("definition", definition).field("poisoned", poisoned).finish_non_exhaustive()
    }
}

fn begin(store: &mut Store<Sandbox>, deadline: Duration) {
    store.set_epoch_deadline(budget::LOOK_EVERY);
    let sandbox = store.data_mut();
    sandbox.budget.begin(deadline);
    sandbox.memory.begin();
}

/// Runs guest code so that errors and panics become faults. The store must not be entered after one.
fn guarded<T>(
    store: &mut Store<Sandbox>,
    call: impl FnOnce(&mut Store<Sandbox>) -> wasmtime::Result<T>,
) -> Result<T, Fault> {
    match catch_unwind(AssertUnwindSafe(|| call(store))) {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(fault::of_error(&error, store.data())),
        Err(panic) => Err(fault::of_panic(&*panic)),
    }
}

#[cfg(test)]
mod tests;

//! A sandbox that is entered under guard: with a deadline, and so that whatever goes wrong becomes a [`Fault`].
//!
//! After a fault the guest is never entered again. Which functions it has, and what its answers mean, is known to
//! the instances that are built on this.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use wasmtime::component::Instance;
use wasmtime::{PoolConcurrencyLimitError, Store};

use super::budget::{self, Budget};
use super::definition::Definition;
use super::fault;
use super::instance::{BuildReason, Seat};
use super::sandbox::{MemoryLimit, Sandbox};
use super::voice::Voice;
use super::wasi::Wasi;
use crate::decide::{Facts, Fault, FaultKind, Moment};

/// Bytes that a guest may hand to the host in one call. The largest thing it may say is a saved state of 1 MiB.
const HOSTCALL_FUEL: usize = 2 << 20;
/// Handles that a guest may hold, its own resources and streams, pollables and the like of the host: each is memory
/// of the host. One more is a trap.
const MOST_HANDLES: usize = 1024;

/// The sandbox of one instance.
pub(super) struct Guarded {
    store: Store<Sandbox>,
    definition: Arc<Definition>,
    poisoned: bool,
}

impl Guarded {
    /// Instantiates alone, and begins the deadline of `configure`. Runs guest code.
    pub(super) fn instantiate(seat: &Seat) -> Result<(Self, Instance), BuildReason> {
        let definition = Arc::clone(&seat.definition);
        let limits = *definition.limits();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let sandbox = Sandbox {
            facts: None,
            head: None,
            keys: Vec::new(),
            loads: Vec::new(),
            pool: Arc::clone(&seat.load),
            pools: seat.pools.iter().map(|(_, load)| Arc::clone(load)).collect(),
            table: Arc::clone(&seat.table),
            now_us: u64::try_from(now.as_micros()).unwrap_or(u64::MAX),
            budget: Budget::default(),
            memory: MemoryLimit::new(limits.memory),
            voice: Voice::new(Arc::clone(definition.name()), Arc::clone(&seat.pool), definition.generation()),
            wasi: Wasi::new(seat),
        };
        let mut store = Store::new(definition.pre().engine(), sandbox);
        store.limiter(|sandbox| &mut sandbox.memory);
        store.set_hostcall_fuel(HOSTCALL_FUEL);
        store.set_max_component_handles(MOST_HANDLES);
        store.epoch_deadline_callback(|mut guest| Ok(guest.data_mut().budget.look(budget::thread_time())));
        begin(&mut store, limits.configure_deadline);
        let mut full = None;
        let instance = guarded(&mut store, |store| {
            definition.pre().instantiate(store).inspect_err(|error| {
                full = error.downcast_ref::<PoolConcurrencyLimitError>().map(ToString::to_string);
            })
        });
        let instance = instance.map_err(|fault| full.take().map_or(BuildReason::Fault(fault), BuildReason::Full))?;
        Ok((Self { store, definition, poisoned: false }, instance))
    }

    /// What it runs.
    pub(super) fn definition(&self) -> &Arc<Definition> {
        &self.definition
    }

    /// What its memories have come to, in bytes.
    pub(super) fn memory(&self) -> usize {
        self.store.data().memory.used()
    }

    /// Whether a fault happened.
    pub(super) fn is_poisoned(&self) -> bool {
        self.poisoned
    }

    /// The store, to look for exports.
    pub(super) fn store(&mut self) -> &mut Store<Sandbox> {
        &mut self.store
    }

    /// What the host knows of it.
    pub(super) fn sandbox(&self) -> &Sandbox {
        self.store.data()
    }

    /// The same, to be changed between calls.
    pub(super) fn sandbox_mut(&mut self) -> &mut Sandbox {
        self.store.data_mut()
    }

    /// Goes on within the deadline that runs.
    pub(super) fn go_on<T>(
        &mut self,
        call: impl FnOnce(&mut Store<Sandbox>) -> wasmtime::Result<T>,
    ) -> Result<T, Fault> {
        let answer = guarded(&mut self.store, call);
        self.poisoned = answer.is_err();
        answer
    }

    /// Enters the guest for at most `deadline` of processor time.
    pub(super) fn call<T>(
        &mut self,
        deadline: Duration,
        call: impl FnOnce(&mut Store<Sandbox>) -> wasmtime::Result<T>,
    ) -> Result<T, Fault> {
        if self.poisoned {
            let message = "not entered again after an earlier fault".to_owned();
            return Err(Fault { kind: FaultKind::Trap, message });
        }
        begin(&mut self.store, deadline);
        self.go_on(call)
    }

    /// Enters it for a decision about `facts`, which come back.
    pub(super) fn decide<T>(
        &mut self,
        moment: &Moment,
        facts: Box<Facts>,
        call: impl FnOnce(&mut Store<Sandbox>) -> wasmtime::Result<T>,
    ) -> (Box<Facts>, Result<T, Fault>) {
        let sandbox = self.store.data_mut();
        sandbox.facts = Some(facts);
        sandbox.now_us = moment.now_us;
        sandbox.wasi.begin(moment.random);
        let answer = self.call(self.definition.limits().deadline, call);
        // No host function takes them, so they are always there.
        let facts = self.store.data_mut().facts.take().unwrap_or_default();
        (facts, answer)
    }
}

fn begin(store: &mut Store<Sandbox>, deadline: Duration) {
    store.set_epoch_deadline(budget::LOOK_EVERY);
    let sandbox = store.data_mut();
    sandbox.budget.begin(deadline);
    sandbox.memory.begin();
    sandbox.voice.forget();
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

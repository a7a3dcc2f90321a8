//! The instances of a plugin and the table they share: what is alike for all that drive one.

use super::{backends, clock, facts, handoff, instance, moments};
use crate::slot::Slot;
use crate::{Backend, Handoff, Instance, Moment, Plan, Readiness};

/// One instance per worker. Decisions go to the workers in turn.
pub(super) struct Workers<T> {
    slots: Vec<Slot<T>>,
    /// The functions of the plugin's trait.
    calls: Calls<T>,
    settings: String,
    plan: Plan,
    pub(super) table: Vec<Backend>,
    random: Box<dyn Iterator<Item = u64>>,
    turn: usize,
}

type Configure<T> = fn(&str, &Instance) -> Result<(T, Plan), String>;

/// What every decision about backends has.
pub(super) struct Calls<T> {
    pub(super) configure: Configure<T>,
    pub(super) update: fn(&mut T, &[Backend]),
    pub(super) adjust: fn(&mut T, &[Backend]),
}

impl<T> Workers<T> {
    /// A fresh host with this table.
    pub(super) fn start(workers: u32, settings: &str, rows: &[(&str, u32)], calls: Calls<T>) -> Self {
        facts::reset();
        let mut started = Self {
            slots: (0..workers).map(|_| Slot::new()).collect(),
            calls,
            settings: settings.to_owned(),
            plan: Plan::default(),
            table: Vec::new(),
            random: chances(1),
            turn: 0,
        };
        started.configure();
        started.replace(backends(rows));
        started
    }

    /// Fresh instances with the same table, as after a reload. What the host keeps stays.
    pub(super) fn restart(&mut self) {
        self.slots = self.slots.iter().map(|_| Slot::new()).collect();
        self.configure();
        self.replace(self.table.clone());
    }

    /// The next generation on every worker, with this table. Each instance takes up what the one before it saves.
    pub(super) fn hand_over(&mut self, table: Vec<Backend>)
    where
        T: Handoff,
    {
        let fresh = self.slots.iter().map(|_| Slot::new()).collect();
        let before = std::mem::replace(&mut self.slots, fresh);
        self.configure();
        self.replace(table);
        for (old, new) in before.iter().zip(&self.slots) {
            let state = old.call(handoff::saved);
            new.call(|plugin| handoff::restore(plugin, &state));
        }
    }

    fn configure(&mut self) {
        let workers = self.slots.len() as u32;
        for (worker, slot) in (0..).zip(&self.slots) {
            match slot.start((self.calls.configure)(&self.settings, &instance(worker, workers))) {
                Ok(plan) => self.plan = plan,
                Err(reason) => panic!("`configure` refused {}: {reason}", self.settings),
            }
        }
    }

    pub(super) fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Gives all workers a new table.
    pub(super) fn replace(&mut self, table: Vec<Backend>) {
        self.table = table;
        self.slots.iter().for_each(|slot| slot.update(self.table.clone(), self.calls.update));
    }

    /// Changes a backend in a way that is an `update`.
    pub(super) fn change(&mut self, id: &str, change: impl FnOnce(&mut Backend)) {
        let position = self.position(id);
        change(&mut self.table[position]);
        self.replace(self.table.clone());
    }

    /// Changes weight or readiness of a backend: an `adjust`.
    pub(super) fn adjust(&mut self, id: &str, change: impl FnOnce(&mut Backend)) {
        let position = self.position(id);
        change(&mut self.table[position]);
        let weights: Vec<u32> = self.table.iter().map(|b| b.weight).collect();
        let readiness: Vec<Readiness> = self.table.iter().map(|b| b.readiness).collect();
        self.slots.iter().for_each(|slot| slot.adjust(&weights, &readiness, self.calls.adjust));
    }

    /// The worker whose turn it is.
    pub(super) fn next_worker(&mut self) -> usize {
        let turn = self.turn;
        self.turn = (turn + 1) % self.slots.len();
        turn
    }

    /// The instance of this worker.
    pub(super) fn of(&self, worker: usize) -> &Slot<T> {
        match self.slots.get(worker) {
            Some(slot) => slot,
            None => panic!("no worker {worker}"),
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Slot<T>> {
        self.slots.iter()
    }

    /// A moment of its own chance and time.
    pub(super) fn moment(&mut self, key: Option<u64>, attempt: u32) -> Moment {
        let random = self.random.next().unwrap_or_default();
        Moment { key, attempt, now_us: clock::step(), random }
    }

    /// Other chances from now on.
    pub(super) fn seed(&mut self, seed: u64) {
        self.random = chances(seed);
    }

    pub(super) fn position(&self, id: &str) -> usize {
        match self.table.iter().position(|backend| backend.id == id) {
            Some(position) => position,
            None => panic!("no backend `{id}`"),
        }
    }

    pub(super) fn id(&self, index: u32) -> String {
        self.table[index as usize].id.clone()
    }
}

fn chances(seed: u64) -> Box<dyn Iterator<Item = u64>> {
    Box::new(moments(seed).map(|moment| moment.random))
}

//! What a request is booked on when it ends, which may be days after its view has gone: names and counters, and none
//! of the tables that change all the time.

use std::rc::Rc;
use std::sync::Arc;

use super::{Listener, Snapshot};
use crate::telemetry::carried::Carried;
use crate::telemetry::counters::Traffic;

/// The listeners and the names of the pools of a snapshot, each at its position.
pub struct Ledger {
    listeners: Vec<Arc<Listener>>,
    pools: Vec<Arc<str>>,
}

impl Ledger {
    /// The ledger of `snapshot`: this one, if it says the same.
    pub fn next(self: &Rc<Self>, snapshot: &Snapshot) -> Rc<Self> {
        let names = snapshot.pools.iter().map(|pool| &pool.name);
        let is_same = self.listeners.len() == snapshot.listeners.len()
            && self.pools.len() == snapshot.pools.len()
            && self.listeners.iter().zip(&snapshot.listeners).all(|(mine, next)| Arc::ptr_eq(mine, next))
            && self.pools.iter().zip(names).all(|(mine, next)| Arc::ptr_eq(mine, next));
        if is_same { Rc::clone(self) } else { Self::of(snapshot) }
    }

    /// The ledger of `snapshot`.
    pub fn of(snapshot: &Snapshot) -> Rc<Self> {
        let pools = snapshot.pools.iter().map(|pool| Arc::clone(&pool.name));
        Rc::new(Self { listeners: snapshot.listeners.clone(), pools: pools.collect() })
    }

    /// The position for what reaches no pool: one behind the last.
    pub fn no_pool(&self) -> usize {
        self.pools.len()
    }

    /// What `worker` counts of requests by this listener to this pool.
    pub fn traffic(&self, listener: usize, pool: usize, worker: usize) -> Option<&Traffic> {
        Some(self.listeners.get(listener)?.traffic.get(pool)?.of(worker))
    }

    /// The same of connections that are carried as they are.
    pub fn carried(&self, listener: usize, pool: usize, worker: usize) -> Option<&Carried> {
        Some(self.listeners.get(listener)?.carried.get(pool)?.of(worker))
    }

    /// What is spoken on the listener.
    pub fn protocol(&self, number: usize) -> Option<&'static str> {
        self.listeners.get(number).map(|listener| listener.protocol.word())
    }

    /// The listener's name.
    pub fn listener(&self, number: usize) -> Option<&str> {
        self.listeners.get(number).map(|listener| &*listener.name)
    }

    /// The pool's name.
    pub fn pool(&self, number: usize) -> Option<&str> {
        self.pools.get(number).map(|name| &**name)
    }
}

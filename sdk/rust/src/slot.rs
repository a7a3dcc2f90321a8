//! The cell that holds an instance's state between the host's calls, and the table it was last given.
//!
//! It knows no decision: the export macros and the test kit hand in what is to be called. A call out
//! of order panics, which is a trap.

use std::cell::RefCell;

use crate::{Backend, Readiness};

/// Empty until `configure` succeeded.
pub struct Slot<T>(RefCell<Option<Active<T>>>);

struct Active<T> {
    state: T,
    /// Kept so that `adjust` can show whole backends; the host sends weights and readiness alone.
    table: Vec<Backend>,
}

impl<T> Slot<T> {
    #[allow(clippy::new_without_default)] // `new` is const, for statics
    pub const fn new() -> Self {
        Self(RefCell::new(None))
    }

    /// Puts in what `configure` made, and hands on the plan that came with it.
    pub fn start<P>(&self, configured: Result<(T, P), String>) -> Result<P, String> {
        let (state, plan) = configured?;
        self.0.replace(Some(Active { state, table: Vec::new() }));
        Ok(plan)
    }

    /// A new table. `update` is that of the trait.
    pub fn update(&self, backends: Vec<Backend>, update: impl FnOnce(&mut T, &[Backend])) {
        self.with(|active| {
            active.table = backends;
            update(&mut active.state, &active.table);
        });
    }

    /// New values in the same table. `adjust` is that of the trait.
    pub fn adjust(&self, weights: &[u32], readiness: &[Readiness], adjust: impl FnOnce(&mut T, &[Backend])) {
        self.with(|active| {
            for ((backend, weight), readiness) in active.table.iter_mut().zip(weights).zip(readiness) {
                backend.weight = *weight;
                backend.readiness = *readiness;
            }
            adjust(&mut active.state, &active.table);
        });
    }

    /// Any other call.
    #[inline]
    pub fn call<A>(&self, call: impl FnOnce(&mut T) -> A) -> A {
        self.with(|active| call(&mut active.state))
    }

    #[inline]
    fn with<A>(&self, call: impl FnOnce(&mut Active<T>) -> A) -> A {
        match &mut *self.0.borrow_mut() {
            Some(active) => call(active),
            None => panic!("called before `configure` succeeded"),
        }
    }
}

//! A backend as one worker knows it: its idle connections, and what is in flight from here.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::backend::Backend;
use super::upstream::Upstream;
use crate::decide::OutcomeKind;

/// A backend on one worker. Lives as long as the backend is in the pool.
pub struct Member {
    /// What all workers share.
    pub backend: Arc<Backend>,
    worker: usize,
    idle: RefCell<Vec<Waiting>>,
    /// The backend left the pool: connections that come back are closed.
    retired: Cell<bool>,
}

struct Waiting {
    upstream: Box<Upstream>,
    since: Instant,
}

impl Member {
    /// Without connections yet.
    pub fn new(backend: Arc<Backend>, worker: usize) -> Self {
        Self { backend, worker, idle: RefCell::default(), retired: Cell::new(false) }
    }

    /// Takes the idle connection that was used last: the least likely to be closed by the backend.
    pub fn take_idle(&self) -> Option<Box<Upstream>> {
        self.idle.borrow_mut().pop().map(|waiting| waiting.upstream)
    }

    /// Takes back a connection whose response was read to its end; keeps it if another request may follow on
    /// it and there are fewer than `max` idle ones.
    pub fn give_back(&self, mut upstream: Box<Upstream>, now: Instant, max: usize) {
        let mut idle = self.idle.borrow_mut();
        if idle.len() < max && !self.retired.get() && upstream.settle() {
            idle.push(Waiting { upstream, since: now });
        }
    }

    /// Closes what has been idle for `timeout`, and what the backend has closed. Answers how many are left.
    pub fn sweep(&self, now: Instant, timeout: Duration) -> usize {
        let mut idle = self.idle.borrow_mut();
        idle.retain_mut(|waiting| {
            now.saturating_duration_since(waiting.since) < timeout && !waiting.upstream.is_stale()
        });
        idle.len()
    }

    /// The backend left the pool: what is idle is closed, what is in flight ends by itself.
    pub fn retire(&self) {
        self.retired.set(true);
        self.idle.borrow_mut().clear();
    }
}

/// An attempt in flight at a backend; ends when dropped.
pub struct InFlight {
    member: Rc<Member>,
    outcome: OutcomeKind,
}

impl InFlight {
    /// Begins. Unless something else is said, the attempt ends as cancelled.
    pub fn begin(member: Rc<Member>) -> Self {
        member.backend.load.begin();
        Self { member, outcome: OutcomeKind::Cancelled }
    }

    /// How it will have ended.
    pub fn set_outcome(&mut self, outcome: OutcomeKind) {
        self.outcome = outcome;
    }

    /// Where it is in flight.
    pub fn member(&self) -> &Rc<Member> {
        &self.member
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.member.backend.load.end();
        self.member.backend.ended(self.member.worker, self.outcome);
    }
}

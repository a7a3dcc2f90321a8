//! A worker's idle connections to one backend.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use super::Upstream;

/// Connections that wait for their next request, the most recently used on top.
#[derive(Default)]
pub struct Idle {
    waiting: RefCell<Vec<Waiting>>,
}

struct Waiting {
    upstream: Box<Upstream>,
    since: Instant,
}

impl Idle {
    /// Takes the one used last: the least likely to be closed by the backend.
    pub fn take(&self) -> Option<Box<Upstream>> {
        self.waiting.borrow_mut().pop().map(|waiting| waiting.upstream)
    }

    /// Keeps a connection for later, unless there are `max` already.
    pub fn keep(&self, upstream: Box<Upstream>, now: Instant, max: usize) {
        let mut waiting = self.waiting.borrow_mut();
        if waiting.len() < max {
            waiting.push(Waiting { upstream, since: now });
        }
    }

    /// Closes what has been idle for longer than `timeout`, and what the backend has closed. Answers how many are left.
    pub fn sweep(&self, now: Instant, timeout: Duration) -> usize {
        let mut waiting = self.waiting.borrow_mut();
        waiting.retain_mut(|waiting| {
            now.saturating_duration_since(waiting.since) < timeout && !waiting.upstream.is_stale()
        });
        waiting.len()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.waiting.borrow().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

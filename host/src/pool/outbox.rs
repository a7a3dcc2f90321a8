//! Attempts that ended on one worker, for plugins that want to learn from them.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Instant;

use smallvec::SmallVec;

use super::Member;
use crate::decide::OutcomeKind;

/// Attempts that are kept while nobody collects them; beyond it the oldest are forgotten.
const MOST: usize = 4096;

/// What a decision leaves for the outcome of its attempt.
#[derive(Debug, Clone, Default)]
pub struct Note {
    /// 0 for the first try.
    pub attempt: u32,
    /// The key of each observer, by its place in the chain.
    pub keys: SmallVec<[Option<u64>; 2]>,
}

impl Note {
    /// Keeps the key of the observer at this place.
    pub fn set_key(&mut self, place: usize, key: Option<u64>) {
        self.keys.resize(place, None);
        self.keys.push(key);
    }
}

/// An attempt that ended.
pub struct Ended {
    /// Where.
    pub member: Rc<Member>,
    /// How.
    pub kind: OutcomeKind,
    /// HTTP status, 0 where there was none.
    pub status: u16,
    /// From its start to the response head, or to its end without one, in microseconds.
    pub latency_us: u32,
    /// When it ended.
    pub at: Instant,
    /// What the decision left.
    pub note: Note,
}

/// Where they wait. Costs nothing while nobody wants them.
#[derive(Default)]
pub struct Outbox {
    wanted: Cell<bool>,
    ended: RefCell<Vec<Ended>>,
}

impl Outbox {
    /// Whether anybody wants them.
    pub fn is_wanted(&self) -> bool {
        self.wanted.get()
    }

    /// Says so. What waits is forgotten when nobody does.
    pub fn want(&self, wanted: bool) {
        self.wanted.set(wanted);
        if !wanted {
            self.ended.take();
        }
    }

    /// Adds one, if anybody wants it.
    pub fn push(&self, ended: Ended) {
        if self.wanted.get() {
            let mut all = self.ended.borrow_mut();
            if all.len() >= MOST {
                all.drain(..MOST / 2);
            }
            all.push(ended);
        }
    }

    /// Takes all, oldest first.
    pub fn take(&self) -> Vec<Ended> {
        self.ended.take()
    }
}

//! One change at a time: swaps and reloads wait for each other, so that each begins from what the one before left.
//!
//! What takes long (compiling) is done before; here it is about milliseconds.

use std::collections::VecDeque;

use tokio::task::spawn_local;

use super::reload::Reload;
use super::swap::{Place, Swap};
use super::{Control, Done};
use crate::decide::Fault;
use crate::snapshot::Snapshot;
use crate::worker::{Changeover, Command};

/// A change that waits for its turn.
pub(super) enum Operation {
    /// Another generation of a plugin.
    Swap(Swap),
    /// Another configuration.
    Reload(Box<Reload>),
}

/// Changes that wait, and whether one is under way.
#[derive(Default)]
pub(super) struct Turn {
    waiting: VecDeque<Operation>,
    under_way: bool,
}

/// What is to be done when the workers serve another snapshot.
pub(super) enum Then {
    /// This swap is done.
    Swapped(Box<Place>),
    /// The generation before is back, since this swap failed.
    Reverted(Box<Place>, Fault),
    /// The configuration is another one.
    Reloaded(Box<Reload>),
}

impl Control {
    /// Has it done when its turn comes.
    pub(super) fn enqueue(&mut self, operation: Operation) {
        self.turn.waiting.push_back(operation);
        self.begin();
    }

    /// Begins it again: it is the one that is under way.
    pub(super) fn begin_again(&mut self, operation: Operation) {
        match operation {
            Operation::Swap(swap) => self.begin_swap(swap),
            Operation::Reload(reload) => self.begin_reload(reload),
        }
    }

    /// What was under way is done.
    pub(super) fn end(&mut self) {
        self.turn.under_way = false;
        self.begin();
    }

    fn begin(&mut self) {
        while !self.turn.under_way {
            let Some(operation) = self.turn.waiting.pop_front() else { return };
            self.turn.under_way = true;
            self.begin_again(operation);
        }
    }

    /// Publishes a snapshot, and goes on when all workers serve it.
    pub(super) fn change_over(&mut self, next: Snapshot, changeovers: Vec<Changeover>, then: Then) {
        self.install(next);
        let mut answers = Vec::new();
        for (worker, mut changeover) in self.workers.iter().zip(changeovers) {
            let (done, answer) = tokio::sync::oneshot::channel();
            changeover.done = Some(done);
            answers.push(answer);
            worker.tell(Command::Apply(std::sync::Arc::clone(&self.snapshot), Some(Box::new(changeover))));
        }
        let done = self.done.0.clone();
        spawn_local(async move {
            let mut refused = Vec::new();
            for answer in answers {
                // A worker that has ended refuses nothing.
                refused.extend(answer.await.unwrap_or_default());
            }
            // Nobody listens any more only when the process ends.
            let _ = done.send(Done::ChangedOver(refused, then));
        });
    }

    pub(super) fn on_changed_over(&mut self, refused: Vec<Fault>, then: Then) {
        match then {
            Then::Swapped(place) => self.on_swapped(*place, refused.into_iter().next()),
            Then::Reverted(place, fault) => self.on_reverted(*place, fault),
            Then::Reloaded(reload) => self.on_reloaded(*reload, refused),
        }
    }
}

//! How a worker that runs out of something asks all workers to close idle connections to backends.
//!
//! Each worker has a bell, and one task that waits for it. Ringing is rare: a backend may have no further connection, or
//! the process no further descriptor.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use tokio::sync::Notify;

use super::Proxy;

/// The bells of all workers.
#[derive(Debug, Clone)]
pub struct Bells(Arc<[Bell]>);

#[derive(Debug, Default)]
struct Bell {
    rung: Notify,
    /// All idle connections are to go, not only those to backends where another is wanted.
    all: AtomicBool,
}

impl Bells {
    /// One for each worker.
    pub fn new(workers: usize) -> Self {
        Self((0..workers).map(|_| Bell::default()).collect())
    }

    /// Asks for room at backends where a connection is wanted.
    pub fn ring(&self) {
        self.0.iter().for_each(|bell| bell.rung.notify_one());
    }

    /// Asks for descriptors.
    pub fn ring_for_descriptors(&self) {
        self.0.iter().for_each(|bell| bell.all.store(true, Relaxed));
        self.ring();
    }
}

impl Proxy {
    /// Follows this worker's bell for ever.
    pub async fn follow_bell(self: Rc<Self>) {
        let Some(bell) = self.bells.0.get(self.worker) else { return };
        loop {
            bell.rung.notified().await;
            self.give_up_idle(!bell.all.swap(false, Relaxed));
        }
    }

    /// There is no descriptor left: all idle connections to backends are closed for one.
    pub fn relieve(&self) {
        self.give_up_idle(false);
        self.bells.ring_for_descriptors();
    }

    /// Closes idle connections to backends: all, or only where others are `wanted`.
    pub fn give_up_idle(&self, wanted: bool) {
        let view = Rc::clone(&self.view.borrow());
        for steering in view.steering.iter().filter(|steering| !wanted || steering.site().is_limited.get()) {
            let mut in_pool = steering.site().capacity.connections.wanted() as usize;
            for member in &*steering.members() {
                let most = match wanted {
                    true => in_pool.max(member.backend.connections.wanted() as usize),
                    false => usize::MAX,
                };
                let given_up = member.give_up(most);
                if wanted {
                    member.sharing().cede(most - given_up);
                }
                in_pool = in_pool.saturating_sub(given_up);
            }
        }
    }
}

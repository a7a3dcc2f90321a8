//! One server of a pool, as all workers share it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_utils::CachePadded;

use crate::config::Address;
use crate::decide::{BackendLoad, OutcomeKind};

/// A backend. Lives as long as the pool keeps an id at an address, over snapshots.
#[derive(Debug)]
pub struct Backend {
    /// Unique in the pool.
    pub id: Arc<str>,
    /// As written in the configuration.
    pub address_text: Arc<str>,
    /// Where to connect.
    pub address: Address,
    /// The numbers that plugins see.
    pub load: Arc<BackendLoad>,
    /// What happened, counted by each worker apart.
    tallies: Box<[CachePadded<Tally>]>,
}

/// One worker's counts. Only that worker writes.
#[derive(Debug, Default)]
struct Tally {
    outcomes: [AtomicU64; OutcomeKind::ALL.len()],
}

impl Backend {
    /// A backend nobody has used yet.
    pub fn new(id: Arc<str>, address_text: Arc<str>, address: Address, workers: usize) -> Self {
        let tallies = (0..workers).map(|_| CachePadded::default()).collect();
        Self { id, address_text, address, load: Arc::default(), tallies }
    }

    /// Counts the end of an attempt, and tells the numbers that plugins see.
    pub fn ended(&self, worker: usize, kind: OutcomeKind) {
        match kind {
            OutcomeKind::Success | OutcomeKind::ClientError => self.load.succeeded(),
            OutcomeKind::Cancelled => {}
            _ => self.load.failed(),
        }
        if let Some(tally) = self.tallies.get(worker) {
            // The only writer of this cell: no read-modify-write is needed.
            let cell = &tally.outcomes[kind as usize];
            cell.store(cell.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        }
    }

    /// Attempts that ended this way, over all workers.
    pub fn outcomes(&self, kind: OutcomeKind) -> u64 {
        self.tallies.iter().map(|tally| tally.outcomes[kind as usize].load(Ordering::Relaxed)).sum()
    }

    /// Attempts that ended, over all workers.
    pub fn attempts(&self) -> u64 {
        OutcomeKind::ALL.into_iter().map(|kind| self.outcomes(kind)).sum()
    }
}

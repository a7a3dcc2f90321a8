//! One server of a pool, as all workers share it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use arc_swap::ArcSwapOption;
use crossbeam_utils::CachePadded;

use super::connections::Connections;
use super::feedback::Statements;
use super::health::Checkup;
use super::report::Streak;
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
    /// What it says of itself.
    pub said: Statements,
    /// What is known by active checks; none: there are none. No request looks at it.
    pub checkup: ArcSwapOption<Checkup>,
    /// Connections to it, over all workers.
    pub connections: Arc<Connections>,
    /// What happened, counted by each worker apart.
    tallies: Box<[CachePadded<Tally>]>,
    /// Failures in a row, by [`Streak`].
    streaks: CachePadded<[AtomicU32; Streak::ALL.len()]>,
    /// The one request that an ejected backend is given has been sent.
    trial: AtomicBool,
}

/// One worker's counts. Only that worker writes.
#[derive(Debug, Default)]
struct Tally {
    outcomes: [AtomicU64; OutcomeKind::ALL.len()],
    /// Headers of feedback that made no sense.
    garbled: AtomicU64,
}

impl Backend {
    /// A backend nobody has used yet.
    pub fn new(id: Arc<str>, address_text: Arc<str>, address: Address, workers: usize) -> Self {
        let tallies = (0..workers).map(|_| CachePadded::default()).collect();
        let (load, said, connections, checkup, streaks, trial) = Default::default();
        Self { id, address_text, address, load, said, connections, checkup, tallies, streaks, trial }
    }

    /// Counts the end of an attempt, and tells the numbers that plugins see. Answers a failure's kind, and how many of
    /// it there have been in a row.
    pub fn ended(&self, worker: usize, kind: OutcomeKind) -> Option<(Streak, u32)> {
        let streak = match kind {
            OutcomeKind::Success | OutcomeKind::ClientError => {
                self.load.succeeded();
                self.end_streaks();
                None
            }
            OutcomeKind::Cancelled => None,
            OutcomeKind::ServerError => Some(Streak::Errors),
            OutcomeKind::ConnectError | OutcomeKind::Reset => Some(Streak::ConnectErrors),
            OutcomeKind::Timeout => Some(Streak::Timeouts),
        };
        let streak = streak.map(|streak| {
            self.load.failed();
            (streak, self.streaks[streak as usize].fetch_add(1, Ordering::Relaxed).saturating_add(1))
        });
        if let Some(tally) = self.tallies.get(worker) {
            // The only writer of this cell: no read-modify-write is needed.
            let cell = &tally.outcomes[kind as usize];
            cell.store(cell.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        }
        streak
    }

    /// Failures in a row begin anew. Writes only where there were any.
    pub fn end_streaks(&self) {
        for streak in &*self.streaks {
            if streak.load(Ordering::Relaxed) != 0 {
                streak.store(0, Ordering::Relaxed);
            }
        }
    }

    /// One request may be sent there, on whichever worker comes first.
    pub fn offer_trial(&self) {
        self.trial.store(false, Ordering::Relaxed);
    }

    /// Whether this is the request that may.
    pub fn take_trial(&self) -> bool {
        !self.trial.swap(true, Ordering::Relaxed)
    }

    /// Attempts that ended this way, over all workers.
    pub fn outcomes(&self, kind: OutcomeKind) -> u64 {
        self.tallies.iter().map(|tally| tally.outcomes[kind as usize].load(Ordering::Relaxed)).sum()
    }

    /// Counts what it said of itself and made no sense.
    pub fn garbled(&self, worker: usize) {
        if let Some(tally) = self.tallies.get(worker) {
            // As above.
            tally.garbled.store(tally.garbled.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        }
    }

    /// How often what it said of itself made no sense, over all workers.
    pub fn nonsense(&self) -> u64 {
        self.tallies.iter().map(|tally| tally.garbled.load(Ordering::Relaxed)).sum()
    }

    /// Attempts that ended, over all workers.
    pub fn attempts(&self) -> u64 {
        OutcomeKind::ALL.into_iter().map(|kind| self.outcomes(kind)).sum()
    }
}

//! Counters that cost a request nothing but plain stores: each worker has its own, on its own cache lines,
//! and is their only writer.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_utils::CachePadded;

use crate::decide::FaultKind;

/// A number with one writer.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds. Only its own worker may call it.
    pub fn add(&self, by: u64) {
        // One writer: no read-modify-write is needed.
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(by), Ordering::Relaxed);
    }

    /// Subtracts. Only its own worker may call it.
    pub fn subtract(&self, by: u64) {
        self.add(by.wrapping_neg());
    }

    /// The value, as anybody may see it.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// One `T` for each worker.
#[derive(Debug)]
pub struct PerWorker<T>(Box<[CachePadded<T>]>);

impl<T: Default> PerWorker<T> {
    /// For this many workers.
    pub fn new(workers: usize) -> Self {
        Self((0..workers).map(|_| CachePadded::default()).collect())
    }

    /// That of one worker.
    pub fn of(&self, worker: usize) -> &T {
        &self.0[worker]
    }

    /// The sum of what `read` finds in each.
    pub fn sum(&self, read: impl Fn(&T) -> u64) -> u64 {
        self.0.iter().map(|cell| read(cell)).fold(0, u64::wrapping_add)
    }
}

/// A histogram with upper bounds in nanoseconds.
#[derive(Debug)]
pub struct Histogram<const N: usize> {
    bounds: &'static [u64; N],
    buckets: [Counter; N],
    over: Counter,
    sum_ns: Counter,
}

impl<const N: usize> Histogram<N> {
    /// With these bounds, in nanoseconds, growing.
    pub fn new(bounds: &'static [u64; N]) -> Self {
        Self {
            bounds,
            buckets: [const { Counter(AtomicU64::new(0)) }; N],
            over: Counter::default(),
            sum_ns: Counter::default(),
        }
    }

    /// Counts one duration.
    pub fn observe(&self, duration: Duration) {
        let ns = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        match self.bounds.iter().position(|bound| ns <= *bound) {
            Some(bucket) => self.buckets[bucket].add(1),
            None => self.over.add(1),
        }
        self.sum_ns.add(ns);
    }

    /// Count of the bucket at this position; the one after the last bound takes the rest.
    pub fn bucket(&self, position: usize) -> u64 {
        self.buckets.get(position).unwrap_or(&self.over).get()
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(Counter::get).fold(self.over.get(), u64::wrapping_add)
    }

    /// Sum of all durations in nanoseconds.
    pub fn sum_ns(&self) -> u64 {
        self.sum_ns.get()
    }
}

const MS: u64 = 1_000_000;

/// Bounds of request durations, in nanoseconds.
pub const REQUEST_BOUNDS: [u64; 14] = [
    MS / 2,
    MS,
    5 * MS / 2,
    5 * MS,
    10 * MS,
    25 * MS,
    50 * MS,
    100 * MS,
    250 * MS,
    500 * MS,
    1000 * MS,
    2500 * MS,
    5000 * MS,
    10_000 * MS,
];

/// Bounds of decision times, in nanoseconds.
pub const DECISION_BOUNDS: [u64; 9] = [250, 500, 1_000, 2_500, 5_000, 10_000, 100_000, MS, 5 * MS];

/// What one worker saw of one listener and pool.
#[derive(Debug)]
pub struct Traffic {
    /// Responses by the first digit of their status, 0 for none sent.
    pub classes: [Counter; 6],
    /// Requests that are being answered.
    pub in_flight: Counter,
    /// Upgraded connections that are open.
    pub tunnels: Counter,
    /// From the request's head to the end of the response.
    pub durations: Histogram<14>,
}

impl Default for Traffic {
    fn default() -> Self {
        let (classes, in_flight, tunnels) = Default::default();
        Self { classes, in_flight, tunnels, durations: Histogram::new(&REQUEST_BOUNDS) }
    }
}

/// What one worker saw of the decisions of one plugin in one place.
#[derive(Debug)]
pub struct Decisions {
    /// Time of each decision, from setting the deadline to the checked answer.
    pub times: Histogram<9>,
    /// By [`FaultKind`].
    pub faults: [Counter; FaultKind::ALL.len()],
}

impl Default for Decisions {
    fn default() -> Self {
        Self { times: Histogram::new(&DECISION_BOUNDS), faults: Default::default() }
    }
}

/// What one worker saw come of the decisions for one pool or route.
#[derive(Debug, Default)]
pub struct Verdicts {
    /// Answered by the fallback: all plugins passed, faulted or were not there.
    pub fallbacks: Counter,
    /// Refusals that were honoured.
    pub refusals: Counter,
    /// Clients that were bound, and got their backend.
    pub found: Counter,
    /// Requests that went to another backend.
    pub retries: Counter,
    /// Requests that would have, but for the budget.
    pub unaffordable: Counter,
}

/// Connections that one worker accepted only to close them, by reason.
#[derive(Debug, Default)]
pub struct Shed {
    /// Beyond `max_connections`.
    pub connections: Counter,
    /// There was no descriptor for them.
    pub descriptors: Counter,
    /// Without the PROXY header that there must be.
    pub introductions: Counter,
    /// HTTP/2 connections with too many frames that do nothing.
    pub floods: Counter,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histograms_count_at_their_bounds() {
        let histogram = Histogram::new(&DECISION_BOUNDS);
        for ns in [0, 250, 251, 5 * MS, 5 * MS + 1] {
            histogram.observe(Duration::from_nanos(ns));
        }
        let counts: Vec<_> = (0..=DECISION_BOUNDS.len()).map(|i| histogram.bucket(i)).collect();
        assert_eq!(counts, [2, 1, 0, 0, 0, 0, 0, 0, 1, 1]);
        assert_eq!(histogram.sum_ns(), 10 * MS + 502);
    }
}

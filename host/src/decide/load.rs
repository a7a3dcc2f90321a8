//! The numbers of a pool and its backends that all workers share.
//!
//! Written with single atomic operations on the request path, each backend on cache lines of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crossbeam_utils::CachePadded;

use super::metrics::Metrics;

/// Time constant of the latency average, in milliseconds.
const DECAY_MS: f64 = 10_000.0;

/// What the workers know together about one backend. Lives as long as the backend, over snapshots.
#[derive(Debug, Default)]
pub struct BackendLoad {
    numbers: CachePadded<Numbers>,
    /// What it reports of itself.
    pub metrics: CachePadded<Metrics>,
}

#[derive(Debug, Default)]
struct Numbers {
    in_flight: AtomicU32,
    failures: AtomicU32,
    /// Average in microseconds in the high half, time of the last sample in milliseconds in the low. 0: none.
    latency: AtomicU64,
}

impl BackendLoad {
    /// A request (connection, flow) begins.
    pub fn begin(&self) {
        self.numbers.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    /// The same, if fewer than `limit` are in flight. Answers whether it does.
    pub fn try_begin(&self, limit: u32) -> bool {
        let more = |in_flight| (in_flight < limit).then(|| in_flight + 1);
        self.numbers.in_flight.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more).is_ok()
    }

    /// It ended. Of one order with [`try_begin`](Self::try_begin), so that who waits for room does not miss it.
    pub fn end(&self) {
        self.numbers.in_flight.fetch_sub(1, Ordering::SeqCst);
    }

    /// Begun and not ended, over all workers.
    pub fn in_flight(&self) -> u32 {
        self.numbers.in_flight.load(Ordering::Relaxed)
    }

    /// An attempt failed (server-error, connect-error, reset, timeout).
    pub fn failed(&self) {
        self.numbers.failures.fetch_add(1, Ordering::Relaxed);
    }

    /// An attempt succeeded. Writes only where there is something to forget.
    pub fn succeeded(&self) {
        if self.numbers.failures.load(Ordering::Relaxed) != 0 {
            self.numbers.failures.store(0, Ordering::Relaxed);
        }
    }

    /// Failures in a row.
    pub fn failures(&self) -> u32 {
        self.numbers.failures.load(Ordering::Relaxed)
    }

    /// Takes a latency sample into the average: a higher one replaces it, a lower one pulls it down
    /// with a time constant of 10 s (Peak EWMA, as in Finagle's `p2c` balancer). Two workers that
    /// sample at once may lose one sample, which an average can bear.
    pub fn sample(&self, latency_us: u32, now_us: u64) {
        let now_ms = (now_us / 1000) as u32;
        let old = self.numbers.latency.load(Ordering::Relaxed);
        let (average, at) = unpack(old);
        let sample = latency_us.max(1);
        let new = if old == 0 || sample >= average {
            sample
        } else {
            // A sample in the same millisecond has no time to weigh by; it counts as half of one.
            let elapsed = f64::from(now_ms.wrapping_sub(at)).max(0.5);
            let keep = (-elapsed / DECAY_MS).exp();
            (f64::from(average) * keep + f64::from(sample) * (1.0 - keep)) as u32
        };
        self.numbers.latency.store(pack(new.max(1), now_ms), Ordering::Relaxed);
    }

    /// The average in microseconds; none until the first sample.
    pub fn latency_us(&self) -> Option<u32> {
        let packed = self.numbers.latency.load(Ordering::Relaxed);
        (packed != 0).then(|| unpack(packed).0)
    }
}

fn pack(average: u32, at: u32) -> u64 {
    u64::from(average) << 32 | u64::from(at)
}

fn unpack(packed: u64) -> (u32, u32) {
    ((packed >> 32) as u32, packed as u32)
}

/// What the workers know together about one pool. Lives as long as the pool's name, over snapshots and swaps.
#[derive(Debug)]
pub struct PoolLoad {
    turn: CachePadded<AtomicU64>,
    numbers: Arc<PoolNumbers>,
}

#[derive(Debug)]
struct PoolNumbers {
    ready: AtomicU32,
    /// By worker. Each is written by its own worker alone.
    in_flight: Box<[CachePadded<AtomicU32>]>,
}

impl PoolLoad {
    /// For this many workers.
    pub fn new(workers: usize) -> Self {
        let in_flight = (0..workers).map(|_| CachePadded::default()).collect();
        let numbers = PoolNumbers { ready: AtomicU32::new(0), in_flight };
        Self { turn: CachePadded::default(), numbers: Arc::new(numbers) }
    }

    /// The same numbers with turns of its own, which go on from the next: for plugins that are only compared.
    #[must_use]
    pub fn shadow(&self) -> Self {
        let turn = AtomicU64::new(self.turn.load(Ordering::Relaxed));
        Self { turn: CachePadded::new(turn), numbers: Arc::clone(&self.numbers) }
    }

    /// Takes the next turn, from 0.
    pub fn turn(&self) -> u64 {
        self.turn.fetch_add(1, Ordering::Relaxed)
    }

    /// A request (connection, flow) begins at one of the pool's backends. Only `worker` itself may say so.
    pub fn begin(&self, worker: usize) {
        self.add(worker, 1);
    }

    /// It ended.
    pub fn end(&self, worker: usize) {
        self.add(worker, 1u32.wrapping_neg());
    }

    fn add(&self, worker: usize, by: u32) {
        if let Some(cell) = self.numbers.in_flight.get(worker) {
            // One writer: no read-modify-write is needed.
            cell.store(cell.load(Ordering::Relaxed).wrapping_add(by), Ordering::Relaxed);
        }
    }

    /// Begun and not ended, over all workers. Costs the same for any number of backends.
    pub fn in_flight(&self) -> u32 {
        self.numbers.in_flight.iter().map(|cell| cell.load(Ordering::Relaxed)).fold(0, u32::saturating_add)
    }

    /// Says how many backends are ready.
    pub fn set_ready(&self, ready: usize) {
        self.numbers.ready.store(u32::try_from(ready).unwrap_or(u32::MAX), Ordering::Relaxed);
    }

    /// Backends that are ready.
    pub fn ready(&self) -> u32 {
        self.numbers.ready.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latency_jumps_up_and_decays() {
        let load = BackendLoad::default();
        assert_eq!(load.latency_us(), None);
        let start = 1_700_000_000_000_000;
        load.sample(1_000, start);
        assert_eq!(load.latency_us(), Some(1_000));
        load.sample(50_000, start + 1_000);
        assert_eq!(load.latency_us(), Some(50_000), "a peak counts at once");
        load.sample(1_000, start + 10_001_000);
        let after = load.latency_us().expect("measured");
        let expected = 1_000.0 + 49_000.0 * (-1.0f64).exp();
        assert!((f64::from(after) - expected).abs() < 20.0, "{after} after one time constant, not {expected}");
    }

    #[test]
    fn a_pool_counts_over_workers() {
        let pool = PoolLoad::new(2);
        pool.begin(0);
        pool.begin(1);
        pool.begin(1);
        pool.end(0);
        assert_eq!(pool.in_flight(), 2);
        pool.begin(7);
        assert_eq!(pool.in_flight(), 2, "there is no such worker");
    }

    #[test]
    fn a_shadow_takes_no_turns() {
        let pool = PoolLoad::new(1);
        pool.turn();
        let shadow = pool.shadow();
        assert_eq!((shadow.turn(), shadow.turn(), pool.turn()), (1, 2, 1));
        pool.begin(0);
        assert_eq!(shadow.in_flight(), 1);
    }

    #[test]
    fn failures_are_in_a_row() {
        let load = BackendLoad::default();
        load.failed();
        load.failed();
        assert_eq!(load.failures(), 2);
        load.succeeded();
        assert_eq!(load.failures(), 0);
    }
}

//! Rate limits: so many requests in a time for each key, over all workers.
//!
//! The limit is the generic cell rate algorithm of the crate governor (GCRA, ITU-T I.371): a key costs one number. Those
//! numbers are in a table of fixed size, so that neither a lock nor a flood of keys slows a request down. What is
//! said to a client is not decided here.

mod cells;

use std::sync::Arc;
use std::time::Duration;

use governor::clock::{Clock, MonotonicClock};
use governor::{Quota, RateLimiter};

use self::cells::Cells;
use crate::config::RateLimit;
use crate::decide::{Facts, key};
use crate::telemetry::counters::{Counter, PerWorker};

/// A limit at work. Lives as long as the configuration leaves it as it is.
pub struct Limiter {
    settings: RateLimit,
    /// Of the hash of keys: nobody is to know who shares with whom.
    seed: u64,
    cells: RateLimiter<u64, Cells, MonotonicClock>,
    /// Requests that were beyond it.
    pub limited: PerWorker<Counter>,
}

/// The key of those that have none.
const EVERYBODY: u64 = 0;

impl Limiter {
    /// Nobody has asked for anything yet.
    pub fn new(settings: &RateLimit, workers: usize) -> Arc<Self> {
        // At least a nanosecond, as a rate is a million per millisecond at most.
        let period = (settings.per / settings.requests.get()).max(Duration::from_nanos(1));
        let quota = Quota::with_period(period).map_or(Quota::per_second(settings.requests), |quota| quota);
        let quota = quota.allow_burst(settings.burst);
        let cells = RateLimiter::new(quota, Cells::new(settings.max_keys, period), MonotonicClock);
        Arc::new(Self { settings: settings.clone(), seed: fastrand::u64(..), cells, limited: PerWorker::new(workers) })
    }

    /// Whether it is a limit of these settings.
    pub fn is_of(&self, settings: &RateLimit) -> bool {
        self.settings == *settings
    }

    /// Counts a request.
    ///
    /// # Errors
    /// It is beyond the limit; the seconds after which one of its key will not be, rounded up.
    pub fn check(&self, facts: &Facts, worker: usize) -> Result<(), u32> {
        let key = key::hash(&self.settings.keys, facts, self.seed).unwrap_or(EVERYBODY);
        self.cells.check_key(&key).map_err(|until| {
            self.limited.of(worker).add(1);
            let wait = until.wait_time_from(self.cells.clock().now());
            u32::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u32::MAX).max(1)
        })
    }
}

impl std::fmt::Debug for Limiter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Limiter").field("settings", &self.settings).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::Key;

    fn limiter(requests: u32, per: Duration, burst: u32, keys: Vec<Key>) -> Arc<Limiter> {
        let number = |number| std::num::NonZeroU32::new(number).expect("not 0");
        Limiter::new(&RateLimit { requests: number(requests), per, burst: number(burst), keys, max_keys: 64 }, 1)
    }

    fn of_client(address: &str) -> Facts {
        Facts { client: Some(address.parse().expect("address")), ..Facts::default() }
    }

    #[test]
    fn each_key_has_its_burst_and_learns_how_long_to_wait() {
        let limiter = limiter(1, Duration::from_secs(90), 3, vec![Key::ClientAddress]);
        let (one, other) = (of_client("192.0.2.1:1"), of_client("192.0.2.2:1"));
        assert!((0..3).all(|_| limiter.check(&one, 0).is_ok()));
        let wait = limiter.check(&one, 0).expect_err("beyond the burst");
        assert!((85..=90).contains(&wait), "{wait}");
        assert!(limiter.check(&other, 0).is_ok());
        assert_eq!(limiter.limited.sum(Counter::get), 1);
    }

    #[test]
    fn without_a_key_everybody_counts_together() {
        let limiter = limiter(1, Duration::from_secs(3600), 1, vec![]);
        assert!(limiter.check(&of_client("192.0.2.1:1"), 0).is_ok());
        assert!(limiter.check(&of_client("192.0.2.2:1"), 0).is_err());
    }

    #[test]
    fn threads_together_get_no_more_than_the_burst() {
        let limiter = limiter(1, Duration::from_secs(3600), 100, vec![Key::ClientAddress]);
        let granted: usize = std::thread::scope(|scope| {
            let count = || (0..1000).filter(|_| limiter.check(&of_client("192.0.2.1:1"), 0).is_ok()).count();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(count)).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
        });
        assert_eq!(granted, 100);
    }
}

//! The numbers of a rate limit by key, in a table of a fixed size.
//!
//! A key has a few cells where it may be. It takes one whose key has been quiet for so long that nothing is remembered of
//! it; where there is none, it shares one that is another's. So a flood of keys takes no memory and no time, and what it
//! can do is to be limited together with others: nobody gets more than a limit, and some may get less.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use governor::nanos::Nanos;
use governor::state::StateStore;

/// Cells in which a key may be.
const WAYS: usize = 8;

/// The table.
pub(super) struct Cells {
    /// In groups of [`WAYS`].
    cells: Box<[Cell]>,
    /// What one request takes of a limit, in nanoseconds.
    period: u64,
}

/// One number. Time is in nanoseconds since the limit began.
#[derive(Default)]
struct Cell {
    /// Whose it is; 0: nobody's yet.
    key: AtomicU64,
    /// When all of the key's requests would have come, had they come evenly (the theoretical arrival time of GCRA). When
    /// that has passed, nothing is remembered of it.
    arrival: AtomicU64,
}

impl Cells {
    /// For so many keys at a time, rounded up.
    pub(super) fn new(keys: usize, period: Duration) -> Self {
        let groups = keys.div_ceil(WAYS).max(1);
        let cells = (0..groups * WAYS).map(|_| Cell::default()).collect();
        Self { cells, period: u64::try_from(period.as_nanos()).unwrap_or(u64::MAX) }
    }

    /// The cell of a key at the time `now`.
    fn of(&self, key: u64, now: impl Fn() -> u64) -> &Cell {
        let groups = self.cells.len() / WAYS;
        let group = usize::try_from(key % groups as u64).unwrap_or_default();
        let cells = &self.cells[group * WAYS..(group + 1) * WAYS];
        // A key's number is not told apart from 0.
        let key = key.max(1);
        loop {
            if let Some(known) = cells.iter().find(|cell| cell.key.load(Relaxed) == key) {
                return known;
            }
            let now = now();
            let Some(quiet) = cells.iter().find(|cell| cell.arrival.load(Relaxed) <= now) else {
                // Neighbours in a group differ in other bits than those that chose it.
                return &cells[usize::try_from(key >> 60).unwrap_or_default() % WAYS];
            };
            let before = quiet.key.load(Relaxed);
            if quiet.key.compare_exchange(before, key, Relaxed, Relaxed).is_ok() {
                return quiet;
            }
            // Another key was faster, or the same on another worker.
        }
    }
}

impl StateStore for Cells {
    type Key = u64;

    fn measure_and_replace<T, F, E>(&self, key: &u64, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        // For a key of which nothing is remembered, it is one period from now.
        let now = || match measure(None) {
            Ok((_, next)) => next.as_u64().saturating_sub(self.period),
            Err(_) => 0,
        };
        let cell = self.of(*key, now);
        let mut arrival = cell.arrival.load(Relaxed);
        loop {
            let (answer, next) = measure(Some(Nanos::new(arrival)))?;
            match cell.arrival.compare_exchange_weak(arrival, next.as_u64(), Relaxed, Relaxed) {
                Ok(_) => return Ok(answer),
                Err(other) => arrival = other,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One request each `PERIOD`, without a burst.
    const PERIOD: u64 = 100;

    /// Whether a request of `key` may come at `now`.
    fn ask(cells: &Cells, key: u64, now: u64) -> bool {
        let measure = |arrival: Option<Nanos>| {
            let arrival = arrival.map_or(now, Nanos::as_u64);
            if now < arrival { Err(()) } else { Ok(((), Nanos::new(arrival.max(now) + PERIOD))) }
        };
        cells.measure_and_replace(&key, measure).is_ok()
    }

    #[test]
    fn keys_are_told_apart_as_long_as_there_are_cells() {
        let cells = Cells::new(WAYS, Duration::from_nanos(PERIOD));
        let keys: Vec<u64> = (1..=WAYS as u64).collect();
        assert!(keys.iter().all(|key| ask(&cells, *key, 1)));
        assert!(keys.iter().all(|key| !ask(&cells, *key, 50)));
        assert!(!ask(&cells, 1000, 50), "beyond that, a key shares with others");
        assert!(ask(&cells, 1000, 150), "quiet keys are forgotten");
        assert_eq!(keys.iter().filter(|key| ask(&cells, **key, 151)).count(), WAYS - 1);
    }

    #[test]
    fn a_flood_of_keys_gets_no_more_than_there_are_cells() {
        let cells = Cells::new(1024, Duration::from_nanos(PERIOD));
        let granted = (0..100_000u64).filter(|key| ask(&cells, key.wrapping_mul(0x9e37_79b9_7f4a_7c15), 1)).count();
        assert!((900..=1024).contains(&granted), "{granted}");
    }
}

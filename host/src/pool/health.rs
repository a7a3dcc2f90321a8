//! Whether a backend is healthy, by the results of its checks: counting, and no more.
//!
//! HAProxy's `rise` and `fall`. Who checks, when, and what follows is not known here; there is no clock.

use std::sync::Arc;
use std::time::Instant;

/// How many results change a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thresholds {
    /// Successes in a row that make healthy, at least 1.
    pub rise: u32,
    /// Failures in a row that make unhealthy, at least 1.
    pub fall: u32,
}

/// What the results so far make of a backend.
///
/// One number, as in HAProxy: 0 to `rise - 1` is unhealthy, `rise` to `rise + fall - 1` healthy. A success adds one, or
/// goes to the top once healthy; a failure takes one away, or goes to the bottom once unhealthy. A backend begins next
/// to the border: one failure from unhealthy, or one success from healthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    score: u32,
    thresholds: Thresholds,
}

/// What a result has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transition {
    /// It is healthy from now on.
    Rose,
    /// It is unhealthy from now on.
    Fell,
}

impl Health {
    /// Before the first result.
    pub fn new(thresholds: Thresholds, healthy: bool) -> Self {
        Self { score: if healthy { thresholds.rise } else { thresholds.rise - 1 }, thresholds }
    }

    /// Whether it is.
    pub fn is_healthy(&self) -> bool {
        self.score >= self.thresholds.rise
    }

    /// Whether it is on its way from one state to the other.
    pub fn is_changing(&self) -> bool {
        self.score != 0 && self.score != self.top()
    }

    /// Takes a result, and says what that changes.
    pub fn take(&mut self, success: bool) -> Option<Transition> {
        let before = self.is_healthy();
        self.score = match success {
            true if self.score + 1 >= self.thresholds.rise => self.top(),
            true => self.score + 1,
            false if self.score > self.thresholds.rise => self.score - 1,
            false => 0,
        };
        match (before, self.is_healthy()) {
            (false, true) => Some(Transition::Rose),
            (true, false) => Some(Transition::Fell),
            _ => None,
        }
    }

    /// Goes on with other thresholds, in the same state.
    pub fn set_thresholds(&mut self, thresholds: Thresholds) {
        if thresholds != self.thresholds {
            let healthy = self.is_healthy();
            self.thresholds = thresholds;
            self.score = if healthy { self.top() } else { 0 };
        }
    }

    fn top(&self) -> u32 {
        self.thresholds.rise + self.thresholds.fall - 1
    }
}

/// What is shown of a backend's checks.
#[derive(Debug, Clone)]
pub struct Checkup {
    /// None before the first result.
    pub healthy: Option<bool>,
    /// Why the last check failed; none if it did not.
    pub failure: Option<Arc<str>>,
    /// Since when it is what it is.
    pub since: Instant,
    /// Checks that succeeded.
    pub passed: u64,
    /// Checks that failed.
    pub failed: u64,
}

impl Checkup {
    /// Before the first result.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Self { healthy: None, failure: None, since: Instant::now(), passed: 0, failed: 0 }
    }

    /// After a result, with the reason if it was a failure, that made or left it healthy or not.
    pub fn note(&mut self, healthy: bool, failure: Option<Arc<str>>) {
        if self.healthy != Some(healthy) {
            (self.healthy, self.since) = (Some(healthy), Instant::now());
        }
        *(if failure.is_none() { &mut self.passed } else { &mut self.failed }) += 1;
        self.failure = failure;
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// The same from the whole history: who has had as many results of one kind in a row as it takes, or whose first
    /// result it was, is of that kind.
    fn model(thresholds: Thresholds, healthy: bool, results: &[bool]) -> bool {
        let mut state = healthy;
        for end in 1..=results.len() {
            let last = results[end - 1];
            let row = results[..end].iter().rev().take_while(|result| **result == last).count();
            // A success that finds it healthy settles the matter, so failures count anew; so does the other way round.
            let needed = if last { thresholds.rise } else { thresholds.fall };
            if end == 1 || row >= needed as usize {
                state = last;
            }
        }
        state
    }

    fn take_all(health: &mut Health, results: &[bool]) {
        for result in results {
            health.take(*result);
        }
    }

    fn thresholds() -> impl Strategy<Value = Thresholds> {
        (1..6_u32, 1..6_u32).prop_map(|(rise, fall)| Thresholds { rise, fall })
    }

    proptest! {
        #[test]
        fn it_is_what_its_results_make_it(
            thresholds in thresholds(), healthy: bool, results in vec(any::<bool>(), 0..40)
        ) {
            let mut health = Health::new(thresholds, healthy);
            for end in 0..results.len() {
                let before = health.is_healthy();
                let transition = health.take(results[end]);
                let after = model(thresholds, healthy, &results[..=end]);
                prop_assert_eq!(health.is_healthy(), after);
                let expected = match (before, after) {
                    (false, true) => Some(Transition::Rose),
                    (true, false) => Some(Transition::Fell),
                    _ => None,
                };
                prop_assert_eq!(transition, expected);
                prop_assert!(health.score <= health.top());
            }
        }

        /// With a check at each interval, a change is seen within so many of them: virtual time is their number.
        #[test]
        fn a_change_is_seen_in_time(thresholds in thresholds(), before in vec(any::<bool>(), 1..40), healthy: bool) {
            let mut health = Health::new(thresholds, true);
            take_all(&mut health, &before);
            let needed = if healthy { thresholds.rise } else { thresholds.fall };
            take_all(&mut health, &vec![healthy; needed as usize]);
            prop_assert_eq!(health.is_healthy(), healthy);
            prop_assert!(!health.is_changing());
        }

        #[test]
        fn other_thresholds_change_no_state(
            first in thresholds(), second in thresholds(), results in vec(any::<bool>(), 0..20)
        ) {
            let mut health = Health::new(first, true);
            take_all(&mut health, &results);
            let before = health;
            health.set_thresholds(second);
            prop_assert_eq!(health.is_healthy(), before.is_healthy());
            prop_assert!(first != second || health == before);
        }
    }

    #[test]
    fn the_first_result_decides() {
        let thresholds = Thresholds { rise: 2, fall: 3 };
        let mut health = Health::new(thresholds, true);
        assert!(health.is_healthy() && health.is_changing());
        assert_eq!(health.take(false), Some(Transition::Fell));
        let mut health = Health::new(thresholds, false);
        assert_eq!(health.take(true), Some(Transition::Rose));
        assert_eq!([false, false, false].map(|result| health.take(result)), [None, None, Some(Transition::Fell)]);
        assert_eq!(
            [true, false, true, true].map(|result| health.take(result)),
            [None, None, None, Some(Transition::Rose)]
        );
    }
}

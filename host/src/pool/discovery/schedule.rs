//! When a source is asked again. Plain functions; `chance`, from 0 to 1, is drawn by whoever calls.

use std::time::Duration;

use crate::config::Holds;

/// The first wait after a failure, unless answers hold for longer anyhow…
const FIRST: Duration = Duration::from_secs(1);
/// …and what it grows to, twice as long each time.
const LONGEST: Duration = Duration::from_secs(30);

/// After an answer that holds for `ttl` by its own account. A little more, so that balancers that began together do not
/// ask together for ever.
pub fn after_answer(holds: Holds, ttl: Duration, chance: f64) -> Duration {
    let held = match holds {
        Holds::Always(time) => time,
        Holds::ItsTtl { min, max } => ttl.max(min).min(max),
    };
    held.mul_f64(1.0 + chance.clamp(0.0, 1.0) / 20.0)
}

/// After so many failures in a row, a quarter more or less.
pub fn after_failure(holds: Holds, failures: u32, chance: f64) -> Duration {
    let first = match holds {
        Holds::Always(time) => time.min(FIRST),
        // Who says how often the source may be asked at most means this, too.
        Holds::ItsTtl { min, .. } => min,
    };
    let doubled = 1u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX).max(1);
    let wait = first.saturating_mul(doubled).min(LONGEST.max(first));
    wait.mul_f64(0.75 + chance.clamp(0.0, 1.0) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const HOLDS: Holds = Holds::ItsTtl { min: SECOND, max: Duration::from_secs(300) };

    #[test]
    fn an_answer_holds_as_long_as_it_says_within_bounds() {
        let after = |ttl| after_answer(HOLDS, Duration::from_secs(ttl), 0.0).as_secs();
        assert_eq!((after(0), after(1), after(60), after(300), after(86_400)), (1, 1, 60, 300, 300));
        assert_eq!(after_answer(Holds::Always(SECOND), Duration::from_secs(60), 0.0), SECOND);
        assert_eq!(after_answer(HOLDS, Duration::from_secs(100), 1.0), Duration::from_secs(105));
        assert_eq!(after_answer(HOLDS, Duration::from_secs(100), 7.0), Duration::from_secs(105));
    }

    #[test]
    fn failures_are_asked_after_less_and_less_often() {
        let after = |failures| after_failure(HOLDS, failures, 0.5).as_secs();
        let waits: Vec<_> = (0..9).map(after).collect();
        assert_eq!(waits, [1, 1, 2, 4, 8, 16, 30, 30, 30]);
        assert_eq!(after(u32::MAX), 30);
        assert_eq!((after_failure(HOLDS, 3, 0.0), after_failure(HOLDS, 3, 1.0)), (3 * SECOND, 5 * SECOND));
        let seldom = Holds::ItsTtl { min: 60 * SECOND, max: 300 * SECOND };
        assert_eq!((after_failure(seldom, 1, 0.5), after_failure(seldom, 9, 0.5)), (60 * SECOND, 60 * SECOND));
        assert_eq!(after_failure(Holds::Always(600 * SECOND), 1, 0.5), SECOND);
    }
}

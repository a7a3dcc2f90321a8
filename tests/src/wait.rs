//! Waits for a condition, with an end, and for a time. The only place of the tests and benchmarks that sleeps.

use std::time::{Duration, Instant};

/// How long anything in a test may take before the test fails.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Polls until `met`, and panics with `what` when it is not within [`PATIENCE`].
pub fn eventually(what: &str, mut met: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !met() {
        assert!(Instant::now() < end, "waited {PATIENCE:?} in vain: {what}");
        until(Instant::now() + Duration::from_millis(5));
    }
}

/// Waits until then, or not at all where that is past: for a load that is paced, not for a condition.
pub fn until(then: Instant) {
    std::thread::sleep(then.saturating_duration_since(Instant::now()));
}

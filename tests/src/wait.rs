//! Waits for a condition, with an end. The only place of the tests that sleeps.

use std::time::{Duration, Instant};

/// How long anything in a test may take before the test fails.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Polls until `met`, and panics with `what` when it is not within [`PATIENCE`].
pub fn eventually(what: &str, mut met: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !met() {
        assert!(Instant::now() < end, "waited {PATIENCE:?} in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

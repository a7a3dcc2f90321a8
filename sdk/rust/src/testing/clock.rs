//! The clock of the test kit: Unix time that goes on when a test says so.

use std::cell::Cell;
use std::time::Duration;

/// Some moment in November 2023.
const START_US: u64 = 1_700_000_000_000_000;
/// From one decision to the next.
const STEP_US: u64 = 1_000;

thread_local! {
    static NOW_US: Cell<u64> = const { Cell::new(START_US) };
}

/// Unix time of this thread's tests in microseconds: what `moment.now-us` is next, and what entries
/// of [`table`](crate::table) expire by.
pub fn now_us() -> u64 {
    NOW_US.get()
}

/// Lets this much time pass.
pub fn pass(time: Duration) {
    let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    NOW_US.set(NOW_US.get().saturating_add(us));
}

/// The time of a decision; the next one is a millisecond later.
pub(super) fn step() -> u64 {
    NOW_US.replace(NOW_US.get().saturating_add(STEP_US))
}

pub(super) fn reset() {
    NOW_US.set(START_US);
}

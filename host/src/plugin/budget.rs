//! How long a guest may run: a deadline in the thread's own processor time.
//!
//! Ticks of the epoch only say when to look. The first look of a call takes the baseline and later ones
//! compare, so that a call which ends within a tick reads no clock, a guest that merely waited for a core
//! is let go on, and one that loops is stopped one or two ticks after its deadline.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use wasmtime::UpdateDeadline;

/// Ticks from the start of a call, and from one look to the next.
pub(super) const LOOK_EVERY: u64 = 1;

/// The budget of the call that runs.
#[derive(Debug, Default)]
pub(super) struct Budget {
    deadline: Duration,
    since: Option<Duration>,
}

impl Budget {
    /// A call begins that may use `deadline` of processor time.
    pub(super) fn begin(&mut self, deadline: Duration) {
        self.deadline = deadline;
        self.since = None;
    }

    /// The deadline of the call that runs or ran last.
    pub(super) fn deadline(&self) -> Duration {
        self.deadline
    }

    /// A look at `now`, the processor time of the thread: go on or stop.
    pub(super) fn look(&mut self, now: Duration) -> UpdateDeadline {
        let since = *self.since.get_or_insert(now);
        if now.saturating_sub(since) >= self.deadline && now != since {
            UpdateDeadline::Interrupt
        } else {
            UpdateDeadline::Continue(LOOK_EVERY)
        }
    }
}

/// Processor time that the calling thread has used.
pub fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    // Neither field is ever negative; zero would merely stop nobody.
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_is_free_and_running_is_not() {
        let ms = Duration::from_millis;
        let goes_on = |update| matches!(update, UpdateDeadline::Continue(LOOK_EVERY));
        let mut budget = Budget::default();
        budget.begin(ms(5));
        for _ in 0..1000 {
            assert!(goes_on(budget.look(ms(70))), "a thread that waits for a core uses no processor time");
        }
        assert!(goes_on(budget.look(ms(74))));
        assert!(matches!(budget.look(ms(75)), UpdateDeadline::Interrupt));
        budget.begin(ms(5));
        assert!(goes_on(budget.look(ms(90))), "each call has a baseline of its own");
    }

    #[test]
    fn the_clock_is_the_threads() {
        let before = thread_time();
        std::thread::spawn(|| {
            let start = thread_time();
            while thread_time() - start < Duration::from_millis(20) {}
        })
        .join()
        .unwrap();
        assert!(thread_time() - before < Duration::from_millis(20));
    }
}

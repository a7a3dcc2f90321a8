//! When a check is asked next. Pure: time and chance are arguments.

use std::time::Duration;

use tokio::time::Instant;

/// Longest time over which checks that begin together are spread, so that what is dead is known soon.
const SPREAD: Duration = Duration::from_secs(1);

/// The times of one check.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schedule {
    due: Instant,
    /// When the last check began, if there was one.
    began: Option<Instant>,
    /// Where in an interval it belongs, 0 (not included) to 1, until it is there.
    phase: Option<f64>,
}

impl Schedule {
    /// Of the check in `place`, of `count` that begin now: the first ones are spread over the interval or a second, the
    /// next ones over the whole interval.
    pub(super) fn new(now: Instant, interval: Duration, place: usize, count: usize) -> Self {
        let share = |place: usize| place as f64 / count.max(1) as f64;
        let due = now + interval.min(SPREAD).mul_f64(share(place));
        Self { due, began: None, phase: Some(share(place + 1)) }
    }

    /// When it is asked next.
    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// A check began at `began` and has its answer; the next is to begin after `delay`, by a share of `sooner` earlier.
    /// `settled`: the delay is an interval as usual.
    pub(super) fn next(&mut self, began: Instant, delay: Duration, settled: bool, sooner: f64) -> Instant {
        let share = match self.phase {
            Some(phase) if settled => {
                self.phase = None;
                phase
            }
            _ => 1.0 - sooner.clamp(0.0, 1.0),
        };
        self.began = Some(began);
        self.due = began + delay.mul_f64(share);
        self.due
    }

    /// The delay is another now. Whether the next check is sooner because of that.
    pub(super) fn hasten(&mut self, delay: Duration) -> bool {
        let due = self.began.map(|began| began + delay).filter(|due| *due < self.due);
        self.due = due.unwrap_or(self.due);
        due.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(10);

    #[test]
    fn a_thousand_are_spread_evenly() {
        let now = Instant::now();
        let (mut first, mut second) = ([0; 10], [0; 100]);
        for place in 0..1000 {
            let mut schedule = Schedule::new(now, INTERVAL, place, 1000);
            let due = schedule.due();
            first[((due - now).as_millis() / 100) as usize] += 1;
            let next = schedule.next(due, INTERVAL, true, 0.05);
            assert!(next - due <= INTERVAL, "{place}: {:?}", next - due);
            second[((next - now).as_millis().saturating_sub(1) / 110) as usize] += 1;
            assert_eq!(schedule.next(next, INTERVAL, true, 0.05), next + INTERVAL.mul_f64(0.95));
        }
        assert!(first.iter().all(|count| *count == 100), "{first:?}");
        assert!(second.iter().all(|count| (9..=11).contains(count)), "{second:?}");
    }

    #[test]
    fn who_is_changing_finds_its_phase_later() {
        let now = Instant::now();
        let mut schedule = Schedule::new(now, INTERVAL, 1, 2);
        assert_eq!(schedule.due(), now + Duration::from_millis(500));
        let second = Duration::from_secs(1);
        assert_eq!(schedule.next(now, second, false, 0.0), now + second);
        assert_eq!(schedule.next(now, INTERVAL, true, 0.5), now + INTERVAL);
        assert_eq!(schedule.next(now, INTERVAL, true, 0.5), now + INTERVAL / 2);
    }

    #[test]
    fn a_shorter_interval_holds_at_once() {
        let now = Instant::now();
        let mut schedule = Schedule::new(now, INTERVAL, 0, 1);
        assert!(!schedule.hasten(Duration::from_secs(1)), "nothing can be sooner than the first");
        schedule.next(now, INTERVAL, true, 0.0);
        assert!(schedule.hasten(Duration::from_secs(1)) && !schedule.hasten(INTERVAL));
        assert_eq!(schedule.due(), now + Duration::from_secs(1));
    }
}

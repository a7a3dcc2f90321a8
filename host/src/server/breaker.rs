//! When a failing plugin is not asked for a while: a circuit breaker (M. Nygard, *Release It!*), as pure state.
//!
//! Closed it counts faults; as many as the policy says within its window open it. After a delay one worker tries the
//! plugin again: half-open. A fault then opens it for twice as long, calm closes it. What that means for
//! instances is done elsewhere.

use std::time::Duration;

use tokio::time::Instant;

use crate::config::BreakerPolicy;

/// Time that a trial has to go well.
pub(super) const TRIAL: Duration = Duration::from_secs(1);

/// Of one plugin in one place.
#[derive(Debug)]
pub(super) struct Breaker {
    policy: BreakerPolicy,
    state: State,
    /// Openings in a row.
    row: u32,
}

#[derive(Debug)]
enum State {
    Closed { since: Instant, faults: u32 },
    Open,
    HalfOpen { since: Instant },
}

impl Breaker {
    /// A closed one.
    pub(super) fn new(policy: BreakerPolicy, now: Instant) -> Self {
        Self { policy, state: State::Closed { since: now, faults: 0 }, row: 0 }
    }

    /// A fault. When it opens: for how long.
    pub(super) fn fault(&mut self, now: Instant) -> Option<Duration> {
        match &mut self.state {
            State::Closed { since, faults } => {
                if now - *since > self.policy.window {
                    (*since, *faults) = (now, 0);
                }
                *faults += 1;
                if *faults < self.policy.faults {
                    return None;
                }
            }
            State::HalfOpen { .. } => {}
            State::Open => return None,
        }
        self.state = State::Open;
        let delay = self.policy.delay.saturating_mul(1 << self.row.min(31)).min(self.policy.max_delay);
        self.row = self.row.saturating_add(1);
        Some(delay)
    }

    /// The delay is over.
    pub(super) fn half_open(&mut self, now: Instant) {
        if matches!(self.state, State::Open) {
            self.state = State::HalfOpen { since: now };
        }
    }

    /// How a trial stands, `decided` with or without a decision so far. Whether it closes.
    pub(super) fn calm(&mut self, decided: bool, now: Instant) -> bool {
        match self.state {
            State::HalfOpen { since } if decided && now - since >= TRIAL => {
                self.state = State::Closed { since: now, faults: 0 };
                self.row = 0;
                true
            }
            _ => false,
        }
    }

    /// Whether everybody may ask.
    pub(super) fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed { .. })
    }

    /// Whether nobody may.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, State::Open)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: BreakerPolicy = BreakerPolicy {
        faults: 3,
        window: Duration::from_secs(10),
        delay: Duration::from_secs(1),
        max_delay: Duration::from_secs(5),
    };

    #[test]
    fn it_opens_by_faults_within_the_window() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut breaker = Breaker::new(POLICY, start);
        assert_eq!(breaker.fault(at(0)), None);
        assert_eq!(breaker.fault(at(1)), None);
        assert_eq!(breaker.fault(at(11)), None, "another window");
        assert_eq!(breaker.fault(at(12)), None);
        assert_eq!(breaker.fault(at(13)), Some(POLICY.delay));
        assert!(breaker.is_open());
        assert_eq!(breaker.fault(at(13)), None, "what was under way");
    }

    #[test]
    fn a_failed_trial_doubles_the_delay_and_calm_ends_the_row() {
        let start = Instant::now();
        let mut breaker = Breaker::new(POLICY, start);
        let open = |breaker: &mut Breaker| (0..3).find_map(|_| breaker.fault(start)).map(|delay| delay.as_secs());
        assert_eq!(open(&mut breaker), Some(1));
        for expected in [2, 4, 5, 5] {
            breaker.half_open(start);
            assert!(!breaker.is_open() && !breaker.is_closed());
            assert_eq!(breaker.fault(start).map(|delay| delay.as_secs()), Some(expected));
        }
        breaker.half_open(start);
        assert!(!breaker.calm(true, start), "too early");
        assert!(!breaker.calm(false, start + TRIAL), "nothing was decided");
        assert!(breaker.calm(true, start + TRIAL) && breaker.is_closed());
        assert_eq!(open(&mut breaker), Some(1));
    }
}

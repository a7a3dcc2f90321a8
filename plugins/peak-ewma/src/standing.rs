//! What one worker remembers of one backend: how often it failed of late, and when it was last picked.
//!
//! All of it fades with time, as the latency average does. Nothing here asks the host.

/// Time constant of all that fades, in microseconds: that of the host's latency average.
const DECAY_US: f64 = 10_000_000.0;
/// How far one attempt moves the share of slow ones.
const STEP: f64 = 0.25;
/// A share below this is none, which saves an exponential.
const NOTHING: f64 = 1e-3;
/// Time in which nothing has faded to speak of (1 %), which saves another.
const FRESH_US: u64 = 100_000;

/// The standing of a backend with one worker.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Standing {
    /// Share of attempts that count as slow, 0 to 1, as of `slow_at_us`.
    slow: f64,
    slow_at_us: u64,
    /// Failures in a row, over all workers, when last looked.
    failures: u32,
    /// When this worker last picked it or, before that, first looked at it; 0 for never.
    picked_at_us: u64,
}

impl Standing {
    /// Bytes of one, for the next generation.
    pub const BYTES: usize = 28;

    /// Those: share (a float), its time, failures and the time of the last pick, in little-endian.
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..8].copy_from_slice(&self.slow.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.slow_at_us.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.failures.to_le_bytes());
        bytes[20..].copy_from_slice(&self.picked_at_us.to_le_bytes());
        bytes
    }

    /// From bytes of the generation before; none where they hold no share.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (slow, rest) = bytes.split_first_chunk()?;
        let (slow_at_us, rest) = rest.split_first_chunk()?;
        let (failures, rest) = rest.split_first_chunk()?;
        let slow = f64::from_le_bytes(*slow);
        (0.0..=1.0).contains(&slow).then_some(Self {
            slow,
            slow_at_us: u64::from_le_bytes(*slow_at_us),
            failures: u32::from_le_bytes(*failures),
            picked_at_us: u64::from_le_bytes(rest.try_into().ok()?),
        })
    }

    /// This worker picks it.
    pub fn picked(&mut self, now_us: u64) {
        self.picked_at_us = now_us;
    }

    /// An attempt of this worker ended.
    pub fn ended(&mut self, is_slow: bool, at_us: u64) {
        let share = self.slow_share(at_us);
        if is_slow {
            self.set(share + (1.0 - share) * STEP, at_us);
        } else if share > 0.0 {
            self.set(share - share * STEP, at_us);
        }
    }

    /// The host counts so many failures in a row, of all workers. New ones count as if they were this worker's own.
    pub fn failed_in_a_row(&mut self, failures: u32, now_us: u64) {
        if failures > self.failures {
            let share = 1.0 - (1.0 - STEP).powi(failures.min(64) as i32);
            self.set(share.max(self.slow_share(now_us)), now_us);
        }
        self.failures = failures;
    }

    /// Share of attempts that count as slow, 0 to 1. It fades: nobody is banned for ever.
    pub fn slow_share(&self, now_us: u64) -> f64 {
        if self.slow < NOTHING { 0.0 } else { self.slow * fading(now_us.saturating_sub(self.slow_at_us)) }
    }

    /// What is left of a cost since this worker last picked the backend, 1 to 0. As in Finagle, so that whoever was slow
    /// once is tried again: without requests its latency would never be measured anew.
    pub fn freshness(&mut self, now_us: u64) -> f64 {
        if self.picked_at_us == 0 {
            self.picked_at_us = now_us;
        }
        let idle_us = now_us.saturating_sub(self.picked_at_us);
        if idle_us < FRESH_US { 1.0 } else { fading(idle_us) }
    }

    fn set(&mut self, share: f64, at_us: u64) {
        self.slow = share;
        // Outcomes come in batches, and may be older than the last look.
        self.slow_at_us = self.slow_at_us.max(at_us);
    }
}

fn fading(elapsed_us: u64) -> f64 {
    (-(elapsed_us as f64) / DECAY_US).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    fn assert_near(value: f64, expected: f64) {
        assert!((value - expected).abs() < 1e-6, "{value}, not {expected}");
    }

    #[test]
    fn slow_attempts_add_up_and_good_ones_take_away() {
        let mut standing = Standing::default();
        standing.ended(false, 1);
        assert_near(standing.slow_share(1), 0.0);
        standing.ended(true, 1);
        assert_near(standing.slow_share(1), 0.25);
        standing.ended(true, 1);
        assert_near(standing.slow_share(1), 0.4375);
        standing.ended(false, 1);
        assert_near(standing.slow_share(1), 0.328_125);
        (0..100).for_each(|_| standing.ended(true, 1));
        assert!(standing.slow_share(1) > 0.999 && standing.slow_share(1) <= 1.0);
    }

    #[test]
    fn it_fades() {
        let mut standing = Standing::default();
        (0..100).for_each(|_| standing.ended(true, SECOND));
        assert_near(standing.slow_share(11 * SECOND), (-1.0f64).exp());
        assert!(standing.slow_share(200 * SECOND) < 1e-6);
        standing.ended(true, 500 * SECOND);
        assert_near(standing.slow_share(500 * SECOND), 0.25);
        standing.ended(true, 0);
        assert!(standing.slow_share(500 * SECOND) <= 1.0, "an outcome from before does no harm");
    }

    #[test]
    fn failures_of_other_workers_count_once() {
        let mut standing = Standing::default();
        standing.failed_in_a_row(2, SECOND);
        assert_near(standing.slow_share(SECOND), 0.4375);
        standing.failed_in_a_row(2, 11 * SECOND);
        assert_near(standing.slow_share(11 * SECOND), 0.4375 * (-1.0f64).exp());
        standing.failed_in_a_row(u32::MAX, 11 * SECOND);
        assert!(standing.slow_share(11 * SECOND) > 0.999);
        standing.failed_in_a_row(0, 12 * SECOND);
        standing.failed_in_a_row(1, 1_000 * SECOND);
        assert_near(standing.slow_share(1_000 * SECOND), 0.25);
    }

    #[test]
    fn it_crosses_as_bytes() {
        let mut standing = Standing::default();
        standing.failed_in_a_row(3, SECOND);
        standing.picked(2 * SECOND);
        let bytes = standing.to_bytes();
        assert_eq!(Standing::from_bytes(&bytes), Some(standing));
        assert_eq!(Standing::from_bytes(&bytes[1..]), None);
        let mut broken = bytes;
        broken[..8].copy_from_slice(&f64::NAN.to_le_bytes());
        assert_eq!(Standing::from_bytes(&broken), None);
    }

    #[test]
    fn costs_fade_from_the_last_pick() {
        let mut standing = Standing::default();
        assert_near(standing.freshness(50 * SECOND), 1.0);
        assert_near(standing.freshness(60 * SECOND), (-1.0f64).exp());
        standing.picked(60 * SECOND);
        assert_near(standing.freshness(60 * SECOND + 99_000), 1.0);
        assert_near(standing.freshness(80 * SECOND), (-2.0f64).exp());
        assert_near(standing.freshness(0), 1.0);
    }
}

//! Keeps a failing plugin from flooding the log and the builder threads.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::decide::FaultKind;
use crate::snapshot::Slot;

/// At most one line per place and kind in this time.
const QUIET: Duration = Duration::from_secs(1);

/// Faults further apart than this are not in a row.
const CALM: Duration = Duration::from_secs(10);

/// The longest that a fresh instance is waited for.
const LONGEST: Duration = Duration::from_secs(1);

/// What has been failing lately.
#[derive(Debug, Default)]
pub(super) struct Faults {
    said: HashMap<(Slot, FaultKind), (Instant, u64)>,
    rows: HashMap<(usize, Slot), (Instant, u32)>,
}

impl Faults {
    /// Whether to log this fault, and how many like it were not logged since the last.
    pub(super) fn say(&mut self, slot: &Slot, kind: FaultKind, now: Instant) -> Option<u64> {
        let entry = self.said.entry((slot.clone(), kind));
        let (last, unsaid) = match entry {
            std::collections::hash_map::Entry::Vacant(first) => {
                first.insert((now, 0));
                return Some(0);
            }
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
        };
        if now - *last < QUIET {
            *unsaid += 1;
            return None;
        }
        *last = now;
        Some(std::mem::take(unsaid))
    }

    /// How long to wait with a fresh instance: not at all at first, then 1 ms, doubled with each fault in a row.
    pub(super) fn delay(&mut self, worker: usize, slot: &Slot, now: Instant) -> Duration {
        let (last, row) = self.rows.entry((worker, slot.clone())).or_insert((now, 0));
        *row = if now - *last < CALM { row.saturating_add(1) } else { 1 };
        *last = now;
        match *row {
            1 => Duration::ZERO,
            more => Duration::from_millis(1 << (more - 2).min(16)).min(LONGEST),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_faults_is_waited_out_and_summed_up() {
        let (mut faults, slot, start) = (Faults::default(), Slot::Affinity("web".into()), Instant::now());
        let delays: Vec<_> = (0..14).map(|_| faults.delay(0, &slot, start).as_millis()).collect();
        assert_eq!(delays, [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000, 1000, 1000]);
        assert_eq!(faults.delay(1, &slot, start), Duration::ZERO, "each worker for itself");
        assert_eq!(faults.delay(0, &slot, start + CALM), Duration::ZERO, "calm again");
        assert_eq!(faults.say(&slot, FaultKind::Trap, start), Some(0));
        assert_eq!(faults.say(&slot, FaultKind::Trap, start), None);
        assert_eq!(faults.say(&slot, FaultKind::Deadline, start), Some(0), "each kind for itself");
        assert_eq!(faults.say(&slot, FaultKind::Trap, start + QUIET), Some(1));
    }
}

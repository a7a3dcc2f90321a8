//! Keeps a failing plugin from flooding the log.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Duration;

use tokio::time::Instant;

use crate::decide::FaultKind;
use crate::snapshot::Slot;

/// At most one line per place and kind in this time.
const QUIET: Duration = Duration::from_secs(1);

/// What has been failing lately.
#[derive(Debug, Default)]
pub(super) struct Faults(HashMap<(Slot, FaultKind), (Instant, u64)>);

impl Faults {
    /// Whether to log this fault, and how many like it were not logged since the last.
    pub(super) fn say(&mut self, slot: &Slot, kind: FaultKind, now: Instant) -> Option<u64> {
        let (last, unsaid) = match self.0.entry((slot.clone(), kind)) {
            Entry::Vacant(first) => {
                first.insert((now, 0));
                return Some(0);
            }
            Entry::Occupied(known) => known.into_mut(),
        };
        if now - *last < QUIET {
            *unsaid += 1;
            return None;
        }
        *last = now;
        Some(std::mem::take(unsaid))
    }

    /// Forgets the places that are no more.
    pub(super) fn retain(&mut self, is_there: impl Fn(&Slot) -> bool) {
        self.0.retain(|(slot, _), _| is_there(slot));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_faults_is_summed_up() {
        let (mut faults, slot, start) = (Faults::default(), Slot::Affinity("web".into()), Instant::now());
        assert_eq!(faults.say(&slot, FaultKind::Trap, start), Some(0));
        assert_eq!(faults.say(&slot, FaultKind::Trap, start), None);
        assert_eq!(faults.say(&slot, FaultKind::Deadline, start), Some(0), "each kind for itself");
        assert_eq!(faults.say(&slot, FaultKind::Trap, start + QUIET), Some(1));
        faults.retain(|_| false);
        assert_eq!(faults.say(&slot, FaultKind::Trap, start + QUIET), Some(0));
    }
}

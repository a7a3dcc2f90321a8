//! Snapshots and tables that were in force, kept until nobody else has them and then dropped on a builder thread.
//!
//! Whoever lets go of a pool last frees its rows, which takes a millisecond for ten thousand backends. That must not be a
//! worker between two requests.

use std::sync::Arc;

use crate::plugin::Registry;
use crate::snapshot::{Snapshot, Told};

/// What waits for its last user.
#[derive(Default)]
pub(super) struct Superseded {
    snapshots: Vec<Arc<Snapshot>>,
    tables: Vec<Arc<Told>>,
}

impl Superseded {
    /// This snapshot is not the newest any more.
    pub(super) fn snapshot(&mut self, snapshot: Arc<Snapshot>) {
        self.snapshots.push(snapshot);
    }

    /// Nor is this table.
    pub(super) fn table(&mut self, told: Arc<Told>) {
        self.tables.push(told);
    }

    /// Disposes of what nobody else has: there are no weak references, so nobody will have it again.
    pub(super) fn sweep(&mut self, registry: &Registry) {
        let unused = (take_unused(&mut self.snapshots), take_unused(&mut self.tables));
        if !unused.0.is_empty() || !unused.1.is_empty() {
            registry.dispose(unused);
        }
    }
}

fn take_unused<T>(kept: &mut Vec<Arc<T>>) -> Vec<Arc<T>> {
    kept.extract_if(.., |one| Arc::strong_count(one) == 1).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_has_is_kept() {
        let (used, unused) = (Arc::new(1), Arc::new(2));
        let user = Arc::clone(&used);
        let mut kept = vec![used, unused];
        assert_eq!(take_unused(&mut kept), [Arc::new(2)]);
        drop(user);
        assert_eq!(take_unused(&mut kept), [Arc::new(1)]);
        assert!(kept.is_empty());
    }
}

//! The next generation of a plugin beside the one that decides: asked the same, obeyed never, and compared.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::Told;
use super::post::Held;
use crate::decide::{Destination, Verdict};
use crate::telemetry::counters::{Counter, DECISION_BOUNDS, Histogram, PerWorker};

/// One worker's instance of the next generation for one place.
pub(super) struct Shadow<I> {
    pub(super) held: Held<I>,
    comparison: Arc<Comparison>,
    worker: usize,
    /// From positions in the table last told to positions in the comparison.
    positions: Vec<u32>,
}

/// How two generations compare in one place, over all workers.
#[derive(Debug)]
pub struct Comparison {
    names: Vec<Arc<str>>,
    /// For each name, how often each of both answered it: the one that decides, and its shadow.
    answered: Vec<[AtomicU64; 2]>,
    counts: PerWorker<Compared>,
}

/// What one worker counts.
#[derive(Debug)]
pub struct Compared {
    /// Decisions in which both answered the same.
    pub agreed: Counter,
    /// Decisions in which they did not.
    pub differed: Counter,
    /// Of the generation that decides.
    pub deciding: Histogram<9>,
    /// Of its shadow.
    pub shadow: Histogram<9>,
}

impl Default for Compared {
    fn default() -> Self {
        let histogram = || Histogram::new(&DECISION_BOUNDS);
        let (agreed, differed) = (Counter::default(), Counter::default());
        Self { agreed, differed, deciding: histogram(), shadow: histogram() }
    }
}

/// An answer that can be compared. A place is a position in the table, or in the list of pools.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answered {
    Place(u32),
    Pass,
    Refuse(u16),
    Nothing,
}

impl From<Verdict> for Answered {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Backend(position) => Self::Place(position),
            Verdict::Pass => Self::Pass,
            Verdict::Refuse(status) => Self::Refuse(status),
        }
    }
}

impl From<Destination> for Answered {
    fn from(destination: Destination) -> Self {
        match destination {
            Destination::Pool(position) => Self::Place(position),
            Destination::Pass => Self::Pass,
            Destination::Refuse(status) => Self::Refuse(status),
        }
    }
}

impl<I> Shadow<I> {
    /// On a worker; what it answers are positions in the table that it was told, or in the comparison where there is no table.
    pub(super) fn new(held: Held<I>, comparison: Arc<Comparison>, worker: usize) -> Box<Self> {
        let positions = (0..).take(comparison.names.len()).collect();
        let mut shadow = Self { positions, held, comparison, worker };
        let told = Arc::clone(&shadow.held.told);
        if !told.rows.is_empty() {
            shadow.learn(&told);
        }
        Box::new(shadow)
    }

    /// Positions are those of `told` from now on.
    pub(super) fn learn(&mut self, told: &Told) {
        let known: HashMap<&str, u32> = self.comparison.names.iter().map(|name| &**name).zip(0..).collect();
        self.positions = told.rows.iter().map(|row| known.get(&*row.id).copied().unwrap_or(u32::MAX)).collect();
    }

    /// Counts two answers to the same question, the one that holds and that of the shadow, and the time of each.
    pub(super) fn count(&self, deciding: (Answered, Duration), shadow: (Answered, Duration)) {
        let counts = self.comparison.counts.of(self.worker);
        if deciding.0 == shadow.0 {
            counts.agreed.add(1)
        } else {
            counts.differed.add(1)
        }
        counts.deciding.observe(deciding.1);
        counts.shadow.observe(shadow.1);
        for (which, (answered, _)) in [deciding, shadow].into_iter().enumerate() {
            if let Answered::Place(position) = answered
                && let Some(known) = self.positions.get(position as usize)
                && let Some(cells) = self.comparison.answered.get(*known as usize)
            {
                cells[which].fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

impl Comparison {
    /// Of answers that are one of `names`: backends, or pools.
    pub fn new(names: Vec<Arc<str>>, workers: usize) -> Self {
        let answered = names.iter().map(|_| Default::default()).collect();
        Self { names, answered, counts: PerWorker::new(workers) }
    }

    /// The sum of what `read` finds on each worker.
    pub fn sum(&self, read: impl Fn(&Compared) -> u64) -> u64 {
        self.counts.sum(read)
    }

    /// For each name, how often the generation that decides answered it, and how often its shadow.
    pub fn answered(&self) -> impl Iterator<Item = (&Arc<str>, [u64; 2])> {
        let read = |cells: &[AtomicU64; 2]| cells.each_ref().map(|cell| cell.load(Ordering::Relaxed));
        self.names.iter().zip(self.answered.iter().map(read))
    }

    /// How far apart both spread their answers: the total variation distance, 0 (alike) to 1.
    pub fn distance(&self) -> f64 {
        let totals = self.answered().fold([0, 0], |[a, b], (_, [x, y])| [a + x, b + y]);
        if totals.contains(&0) {
            return if totals == [0, 0] { 0.0 } else { 1.0 };
        }
        let share = |count: u64, total: u64| count as f64 / total as f64;
        let apart = self.answered().map(|(_, [a, b])| (share(a, totals[0]) - share(b, totals[1])).abs());
        apart.sum::<f64>() / 2.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agreement_and_distance() {
        let comparison = Arc::new(Comparison::new(vec!["a".into(), "b".into()], 1));
        let shadow =
            Shadow::new(Held { instance: Box::new(()), told: Arc::default(), fresh: true }, Arc::clone(&comparison), 0);
        assert_eq!(comparison.distance(), 0.0);
        let time = Duration::from_nanos(300);
        for (one, other) in [(0, 0), (0, 1), (1, 1), (1, 1)] {
            shadow.count((Answered::Place(one), time), (Answered::Place(other), time));
        }
        shadow.count((Answered::Pass, time), (Answered::Nothing, time));
        assert_eq!((comparison.sum(|c| c.agreed.get()), comparison.sum(|c| c.differed.get())), (3, 2));
        let answered: Vec<_> = comparison.answered().map(|(_, counts)| counts).collect();
        assert_eq!(answered, [[2, 1], [2, 3]]);
        assert!((comparison.distance() - 0.25).abs() < 1e-9);
    }
}

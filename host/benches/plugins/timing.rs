//! What decisions cost, in nanoseconds of wall time, and changes of the table, in milliseconds of processor time.
//!
//! Cases take turns, round after round, so that what else the machine does hits all alike. Of each round the low
//! percentiles over short batches are taken, and of the rounds the best.

use std::time::{Duration, Instant};

use trimtab::decide::{Readiness, Row, Tabled};
use trimtab::plugin::Cost as TableCost;

/// Turns of each case.
pub(crate) const ROUNDS: usize = 7;
/// Length of a turn, and about that of a batch.
const TURN: Duration = Duration::from_millis(24);
const BATCH: Duration = Duration::from_micros(60);

/// Something that can be done so many times; answers how long that took.
pub(crate) type Work<'a> = Box<dyn FnMut(usize) -> Duration + 'a>;

/// Nanoseconds of one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    /// A tenth of the batches took less.
    pub(crate) p10: f64,
    pub(crate) median: f64,
}

/// A case, and the best of its rounds so far.
pub(crate) struct Case<'a> {
    work: Work<'a>,
    batch: usize,
    pub(crate) best: Cost,
}

impl<'a> Case<'a> {
    pub(crate) fn new(mut work: Work<'a>) -> Self {
        // Warm, then as many as fill a batch.
        work(3);
        let took = work(4).as_nanos().max(1) as f64 / 4.0;
        let batch = (BATCH.as_nanos() as f64 / took).ceil().clamp(1.0, 400.0) as usize;
        Self { work, batch, best: Cost { p10: f64::INFINITY, median: f64::INFINITY } }
    }

    fn turn(&mut self) {
        let (start, mut times) = (Instant::now(), Vec::new());
        (self.work)(self.batch);
        while start.elapsed() < TURN || times.len() < 5 {
            times.push((self.work)(self.batch).as_nanos() as f64 / self.batch as f64);
        }
        times.sort_unstable_by(f64::total_cmp);
        self.best.p10 = self.best.p10.min(times[times.len() / 10]);
        self.best.median = self.best.median.min(times[times.len() / 2]);
    }
}

/// All turns of all cases.
pub(crate) fn run(cases: &mut [Case<'_>]) {
    for round in 1..=ROUNDS {
        eprintln!("round {round}/{ROUNDS}: {} cases", cases.len());
        cases.iter_mut().for_each(Case::turn);
    }
}

/// The middle one.
pub(crate) fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// What telling a table costs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Telling {
    /// The first `update` of an instance.
    pub(crate) first: Duration,
    /// An `update` with one backend less or more.
    pub(crate) update: Duration,
    /// An `adjust` with another weight, and one with another readiness.
    pub(crate) adjust: Duration,
}

impl Telling {
    /// In the order of the fields.
    pub(crate) fn cells(self) -> [Duration; 3] {
        [self.first, self.update, self.adjust]
    }
}

/// Tells an instance changes of `rows`, which it knows.
pub(crate) fn telling<I: Tabled>(instance: &mut I, rows: &[Row], cost: impl Fn(&I) -> TableCost) -> Telling {
    const CHANGES: usize = 5;
    let (first, middle) = (cost(instance).update, rows.len() / 2);
    let (mut updates, mut adjusts) = (Vec::new(), Vec::new());
    let mut fewer = rows.to_vec();
    fewer.remove(middle);
    for _ in 0..CHANGES {
        for rows in [&fewer[..], rows] {
            instance.update(rows).unwrap();
            updates.push(cost(instance).update);
        }
    }
    let mut rows = rows.to_vec();
    for change in 0..2 * CHANGES {
        let row = &mut rows[middle];
        if change % 2 == 0 {
            row.weight = row.weight % 5 + 1;
        } else {
            row.readiness = if row.readiness == Readiness::Ready { Readiness::Down } else { Readiness::Ready };
        }
        instance.adjust(&rows).unwrap();
        adjusts.push(cost(instance).adjust.unwrap_or_default());
    }
    Telling { first, update: median(updates), adjust: median(adjusts) }
}

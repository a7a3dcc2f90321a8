//! What decisions cost, in nanoseconds of wall time, and changes of the table, in milliseconds of processor time.
//!
//! Cases take turns, round after round, so that what else the machine does hits all alike. Of each round percentiles over
//! short batches are taken, and of the rounds the best.

use std::time::{Duration, Instant};

use crate::decide::{Fault, Readiness, Row, Tabled};
use crate::plugin::Cost as TableCost;

/// Turns of each case, unless somebody wants others.
pub const ROUNDS: usize = 7;
/// Length of a turn, and about that of a batch.
const TURN: Duration = Duration::from_millis(24);
const BATCH: Duration = Duration::from_micros(60);
/// Batches of a turn, at the least.
const FEWEST: usize = 5;

/// Something that can be done so many times; answers how long that took.
pub type Work<'a> = Box<dyn FnMut(usize) -> Result<Duration, Fault> + 'a>;

/// Nanoseconds of one, as means of short batches.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cost {
    /// A tenth of the batches took less.
    pub p10: f64,
    /// Half of them did.
    pub median: f64,
    /// All but a hundredth did.
    pub p99: f64,
}

/// A case, and the best of its rounds so far.
pub struct Case<'a> {
    work: Work<'a>,
    batch: usize,
    /// What it costs.
    pub best: Cost,
}

impl<'a> Case<'a> {
    /// Tries it, to learn how many fill a batch.
    ///
    /// # Errors
    /// The fault of the plugin.
    pub fn new(mut work: Work<'a>) -> Result<Self, Fault> {
        // Warm first.
        work(3)?;
        let took = work(4)?.as_nanos().max(1) as f64 / 4.0;
        let batch = (BATCH.as_nanos() as f64 / took).ceil().clamp(1.0, 400.0) as usize;
        let none = f64::INFINITY;
        Ok(Self { work, batch, best: Cost { p10: none, median: none, p99: none } })
    }

    fn turn(&mut self) -> Result<(), Fault> {
        let (start, mut times) = (Instant::now(), Vec::new());
        (self.work)(self.batch)?;
        while start.elapsed() < TURN || times.len() < FEWEST {
            times.push((self.work)(self.batch)?.as_nanos() as f64 / self.batch as f64);
        }
        times.sort_unstable_by(f64::total_cmp);
        let percentile = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)];
        self.best.p10 = self.best.p10.min(percentile(10));
        self.best.median = self.best.median.min(percentile(50));
        self.best.p99 = self.best.p99.min(percentile(99));
        Ok(())
    }
}

/// So many turns of all cases. `begin` is told the number of each round, from 1.
///
/// # Errors
/// The position of the case that failed, and its fault.
pub fn run(cases: &mut [Case<'_>], rounds: usize, mut begin: impl FnMut(usize)) -> Result<(), (usize, Fault)> {
    for round in 1..=rounds {
        begin(round);
        for (position, case) in cases.iter_mut().enumerate() {
            case.turn().map_err(|fault| (position, fault))?;
        }
    }
    Ok(())
}

/// The middle one; zero of none.
pub fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// What telling a table costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Telling {
    /// The first `update` of an instance.
    pub first: Duration,
    /// An `update` with one backend less or more.
    pub update: Duration,
    /// An `adjust` with another weight, and one with another readiness.
    pub adjust: Duration,
}

/// Tells an instance changes of `rows`, which it knows: at least one.
///
/// # Errors
/// The fault of the plugin.
pub fn telling<I: Tabled>(instance: &mut I, rows: &[Row], cost: impl Fn(&I) -> TableCost) -> Result<Telling, Fault> {
    const CHANGES: usize = 5;
    let (first, middle) = (cost(instance).update, rows.len() / 2);
    let (mut updates, mut adjusts) = (Vec::new(), Vec::new());
    let mut fewer = rows.to_vec();
    fewer.remove(middle);
    for _ in 0..CHANGES {
        for rows in [&fewer[..], rows] {
            instance.update(rows)?;
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
        instance.adjust(&rows)?;
        adjusts.push(cost(instance).adjust.unwrap_or_default());
    }
    Ok(Telling { first, update: median(updates), adjust: median(adjusts) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    #[test]
    fn cases_take_turns() {
        let order = RefCell::new(Vec::new());
        let case = |name: u8| {
            let order = &order;
            Case::new(Box::new(move |times| {
                order.borrow_mut().push(name);
                Ok(TURN * u32::try_from(times).unwrap_or(1))
            }))
            .unwrap()
        };
        let mut cases = vec![case(0), case(1)];
        order.borrow_mut().clear();
        run(&mut cases, ROUNDS, |_| ()).unwrap();
        let mut seen = order.borrow().clone();
        seen.dedup();
        assert_eq!(seen, [0, 1].repeat(ROUNDS));
        assert_eq!(cases[0].best.median, TURN.as_nanos() as f64);
    }

    #[test]
    fn a_fault_says_whose_it_is() {
        let well = Case::new(Box::new(|_| Ok(TURN))).unwrap();
        let mut left = 2;
        let ill = Case::new(Box::new(move |_| {
            left -= 1;
            if left < 0 { Err(Fault::invalid("enough".to_owned())) } else { Ok(TURN) }
        }));
        let (position, fault) = run(&mut [well, ill.unwrap()], ROUNDS, |_| ()).unwrap_err();
        assert_eq!((position, fault.message.as_str()), (1, "enough"));
    }
}

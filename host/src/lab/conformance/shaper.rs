//! Of shapers: a weight for each backend, the same for the same table.

use super::chance::{self, Chance};
use super::{Bench, Failed, Group, Seen, Status, tabled};
use crate::decide::{Row, Shaper};
use crate::lab::subject::Place;
use crate::plugin::{Built, ShaperInstance, thread_time};

/// The groups.
pub(super) const GROUPS: [Group; 3] = [("answers", answers), ("determinism", determinism), ("tables", tables)];

impl Bench<'_> {
    fn shaper(&self, rows: &[Row]) -> Result<ShaperInstance, Failed> {
        Ok(self.subject.seat(Place::of(rows, &chance::load(rows)))?)
    }

    fn shape(&mut self, shaper: &mut ShaperInstance, rows: &[Row], place: &str) -> Result<Vec<u32>, Failed> {
        self.go_on()?;
        let began = thread_time();
        let weights = shaper.shape(rows).map_err(|fault| self.failed(&format!("{place}, `shape`"), fault))?;
        self.worst.update.0 = self.worst.update.0.max(thread_time().saturating_sub(began));
        self.worst.memory.0 = self.worst.memory.0.max(shaper.memory());
        Ok(weights)
    }
}

fn answers(bench: &mut Bench<'_>) -> Seen {
    let (tables, mut chance) = (bench.options.tables, Chance::new(bench.options.seed, "answers"));
    let mut shaper = bench.shaper(&[])?;
    let (mut kept, mut all) = (0u64, 0u64);
    for number in 0..tables {
        let rows = chance.rows();
        let weights = bench.shape(&mut shaper, &rows, &format!("table {number}"))?;
        kept += weights.iter().filter(|weight| **weight > 0).count() as u64;
        all += weights.len() as u64;
    }
    Ok((Status::Holds, format!("{tables} × `shape`: {kept} of {all} backends left as candidates")))
}

fn determinism(bench: &mut Bench<'_>) -> Seen {
    let (tables, mut chance) = (bench.options.tables.div_ceil(10), Chance::new(bench.options.seed, "determinism"));
    let mut both = [bench.shaper(&[])?, bench.shaper(&[])?];
    for number in 0..tables {
        let (rows, place) = (chance.rows(), format!("table {number}"));
        let [one, other] = &mut both;
        let weights = [bench.shape(one, &rows, &place)?, bench.shape(other, &rows, &place)?];
        if weights[0] != weights[1] {
            return Err(bench.failed(&place, "two that have seen the same weigh it differently"));
        }
    }
    Ok((Status::Holds, format!("{tables} tables weighed by two instances each, all the same")))
}

fn tables(bench: &mut Bench<'_>) -> Seen {
    let cases = tabled::cases(bench.options.large);
    for (name, rows) in &cases {
        let mut shaper = bench.shaper(rows)?;
        bench.shape(&mut shaper, rows, name)?;
    }
    Ok((Status::Holds, tabled::in_words(bench.options.large)))
}

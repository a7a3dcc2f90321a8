//! The work of each decision of the built-ins, to be timed.

use std::sync::Arc;

use trimtab::decide::{PoolLoad, Row};
use trimtab::lab::bench::decisions::{self, Question, occupy};
use trimtab::lab::bench::timing::Work;
use trimtab::plugin::Registry;

use super::cases::{Affinity, Balancer, Busy};
use super::world::{Place, Weights, rows};

/// `pick` of a first try.
pub(crate) fn pick<'a>(registry: &Registry, case: &Balancer, backends: usize) -> Work<'a> {
    let (rows, load) = (rows(backends, case.weights), Arc::new(PoolLoad::new(1)));
    match case.busy {
        Busy::All => occupy(&rows, &load),
        Busy::Idle => {}
        Busy::FirstHalf => fill(&rows[..backends / 2], &load),
    }
    decisions::pick(&case.place().subject(registry), &rows, &load).unwrap()
}

fn fill(rows: &[Row], load: &PoolLoad) {
    for row in rows {
        for _ in 0..100 {
            row.load.begin();
            load.begin(0);
        }
    }
}

/// `route`.
pub(crate) fn route<'a>(registry: &Registry, place: &Place<'_>) -> Work<'a> {
    let pools: Vec<Arc<str>> = place.pools.iter().map(|name| Arc::from(*name)).collect();
    decisions::route(&place.subject(registry), &pools).unwrap()
}

/// `find` or `bind`.
pub(crate) fn affinity<'a>(registry: &Registry, case: &Affinity, backends: usize, asked: Question) -> Work<'a> {
    let (rows, load) = (rows(backends, Weights::Equal), Arc::new(PoolLoad::new(1)));
    decisions::affinity(&case.place().subject(registry), rows, &load, asked).unwrap()
}

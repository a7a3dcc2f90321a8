//! Maglev: a table of slots, filled so that backends have their shares of it and a change of the pool
//! moves little. A pick is one look into the table.
//!
//! The table is over all backends with a weight, whatever their readiness: who is down is walked over, so
//! an outage moves the keys of that backend and no others, and costs no new table.

mod prime;
mod table;

pub use table::Table;

use serde::Deserialize;
use trimtab_sdk::bounded::Bound;
use trimtab_sdk::rendezvous::Rendezvous;
use trimtab_sdk::walk::Walk;
use trimtab_sdk::{Backend, Balancer, Instance, Moment, Plan, Verdict, log, settings};

/// Slots that a pick looks at before it asks every backend. They are met at random in effect, so only
/// where most of the pool is out does it come to that.
const STEPS: usize = 256;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    table_size: u32,
    bounded_load: Option<f64>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { table_size: 65_537, bounded_load: None }
    }
}

/// The table of the pool.
#[derive(Debug)]
pub struct Maglev {
    size: u32,
    table: Table,
    /// By index, as the table was filled with.
    weights: Vec<u32>,
    walk: Walk,
    /// The order of last resort.
    scores: Rendezvous,
}

impl Balancer for Maglev {
    fn configure(settings: &str, _instance: &Instance) -> Result<(Self, Plan), String> {
        let Settings { table_size: size, bounded_load } = settings::parse(settings)?;
        prime::check(size)?;
        let walk = Walk::new(Bound::new(bounded_load)?);
        let maglev = Self { size, table: Table::default(), weights: Vec::new(), walk, scores: Rendezvous::default() };
        Ok((maglev, Plan::default()))
    }

    fn update(&mut self, backends: &[Backend]) {
        self.scores.update(backends);
        self.walk.update(backends);
        self.fill(backends);
    }

    fn adjust(&mut self, backends: &[Backend]) {
        self.walk.update(backends);
        if !backends.iter().map(|backend| backend.weight).eq(self.weights.iter().copied()) {
            self.scores.adjust(backends);
            self.fill(backends);
        }
    }

    fn pick(&mut self, moment: Moment) -> Verdict {
        let Some(key) = moment.key else { return Verdict::Pass };
        self.walk.pick(&moment, |asking| {
            let near = asking.first(self.table.order(key).take(STEPS));
            near.or_else(|| self.scores.best(key, |index| asking.takes(index)))
        })
    }
}

impl Maglev {
    fn fill(&mut self, backends: &[Backend]) {
        self.weights.clear();
        self.weights.extend(backends.iter().map(|backend| backend.weight));
        self.table = Table::new(self.size, backends);
        let weighted = self.weights.iter().filter(|weight| **weight > 0).count();
        if weighted > self.size as usize {
            log::warn(&format!("{weighted} backends in a table of {}: some have no share", self.size));
        }
    }
}

trimtab_sdk::export_balancer!(Maglev);

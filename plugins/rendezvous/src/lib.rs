//! Rendezvous hashing: every backend draws a score from the key, and the best one has it.
//!
//! The scores are [`trimtab_sdk::rendezvous`], the bound and retries are [`trimtab_sdk::walk`]. There is no table
//! to build, so a change of the pool costs nothing but the hash of each id; a pick looks at every backend.

use serde::Deserialize;
use trimtab_sdk::bounded::Bound;
use trimtab_sdk::rendezvous::Rendezvous as Scores;
use trimtab_sdk::walk::Walk;
use trimtab_sdk::{Backend, Balancer, Instance, Moment, Plan, Verdict, settings};

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    bounded_load: Option<f64>,
}

/// The scores of the pool.
#[derive(Debug)]
pub struct Rendezvous {
    scores: Scores,
    walk: Walk,
}

impl Balancer for Rendezvous {
    fn configure(settings: &str, _instance: &Instance) -> Result<(Self, Plan), String> {
        let settings: Settings = settings::parse(settings)?;
        let walk = Walk::new(Bound::new(settings.bounded_load)?);
        Ok((Self { scores: Scores::default(), walk }, Plan::default()))
    }

    fn update(&mut self, backends: &[Backend]) {
        self.scores.update(backends);
        self.walk.update(backends);
    }

    fn adjust(&mut self, backends: &[Backend]) {
        self.scores.adjust(backends);
        self.walk.update(backends);
    }

    fn pick(&mut self, moment: Moment) -> Verdict {
        let Some(key) = moment.key else { return Verdict::Pass };
        self.walk.pick(&moment, |asking| {
            // Nearly always the favourite takes it: then the host is asked about no other.
            let favourite = self.scores.best(key, |index| asking.is_candidate(index))?;
            if asking.takes(favourite) { Some(favourite) } else { self.scores.best(key, |index| asking.takes(index)) }
        })
    }
}

trimtab_sdk::export_balancer!(Rendezvous);

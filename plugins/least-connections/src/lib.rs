//! Least connections: the backend with the fewest requests in flight by its weight, counted over all workers.
//!
//! The counts are the host's (`load`), which counts a request as soon as it is picked. So what a pick has not seen
//! is at most one request per other worker, and no worker hunts in old numbers. Ties are broken by chance and by weight:
//! an idle pool is shared like that of `random`, and workers that decide at once do not all go to the first of the
//! idle backends. Counts and weights are compared as products, so there is no rounding.

use std::cmp::Ordering;

use trimtab_sdk::draw::{Bits, Candidate, Draw, below};
use trimtab_sdk::in_flight::{InFlight, by_weight};
use trimtab_sdk::{Backend, Balancer, Instance, Moment, Plan, Verdict, load, request, settings};

/// The candidates.
#[derive(Debug, Default)]
pub struct LeastConnections {
    /// In table order.
    candidates: Vec<Candidate>,
    draw: Draw,
    /// Length of the table, candidates or not.
    table: usize,
}

impl Balancer for LeastConnections {
    fn configure(settings: &str, _instance: &Instance) -> Result<(Self, Plan), String> {
        settings::none(settings)?;
        Ok((Self::default(), Plan::default()))
    }

    fn update(&mut self, backends: &[Backend]) {
        self.draw = Draw::of(backends);
        self.candidates.clear();
        self.candidates.extend(self.draw.candidates());
        self.table = backends.len();
    }

    fn pick(&mut self, moment: Moment) -> Verdict {
        let mut bits = Bits::new(moment.random);
        let is_tried = |candidate: Candidate| moment.attempt > 0 && request::tried(candidate.index);
        let Some(drawn) = self.draw.one(bits.next()) else { return Verdict::Pass };
        // Nobody has less than nothing, and a draw that hits an idle backend is fair to all idle ones: no need to look
        // at the others. That makes light load cheap, for any number of backends.
        if load::in_flight(drawn.index) == 0 && !is_tried(drawn) {
            return Verdict::Backend(drawn.index);
        }
        let in_flight = InFlight::read(self.candidates.len(), self.table);
        // Nobody yet: one request by no weight is more than any load.
        let (mut least, mut lowest, mut tied) = (Verdict::Pass, (1, 0), 0u64);
        for candidate in &self.candidates {
            let load = (in_flight.of(candidate.index), candidate.weight);
            let order = by_weight(load, lowest);
            // The host is asked only about those that would be picked whether they were tried.
            if order == Ordering::Greater || is_tried(*candidate) {
                continue;
            }
            let weight = u64::from(candidate.weight);
            if order == Ordering::Less {
                (least, lowest, tied) = (Verdict::Backend(candidate.index), load, weight);
                continue;
            }
            // Of those that tie each has the part of its weight: the last takes it from the ones before with just that
            // chance (Chao, "A general purpose unequal probability sampling plan", 1982).
            tied += weight;
            if below(tied, bits.next()) < weight {
                least = Verdict::Backend(candidate.index);
            }
        }
        least
    }
}

trimtab_sdk::export_balancer!(LeastConnections);

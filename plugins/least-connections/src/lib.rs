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

/// The candidates, and what a pick needs room for.
#[derive(Debug, Default)]
pub struct LeastConnections {
    /// In table order.
    candidates: Vec<Candidate>,
    draw: Draw,
    /// Length of the table, candidates or not.
    table: usize,
    /// Of the pick at hand: candidates with their requests in flight. Read once, since they change all the time.
    loads: Vec<(Candidate, u32)>,
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
        self.loads.clear();
        self.loads.extend(self.candidates.iter().map(|candidate| (*candidate, in_flight.of(candidate.index))));
        // The host is asked about the best alone whether it was tried: there are few tried ones, and many candidates.
        while let Some(at) = least(&self.loads, bits.next()) {
            let (candidate, _) = self.loads.swap_remove(at);
            if !is_tried(candidate) {
                return Verdict::Backend(candidate.index);
            }
        }
        Verdict::Pass
    }
}

/// Where one of those with the least load is, by these bits and in proportion to their weights.
fn least(loads: &[(Candidate, u32)], bits: u64) -> Option<usize> {
    let mut lowest = (u32::MAX, 1);
    // Sum of the weights of those that have the lowest.
    let mut tied = 0;
    for (candidate, in_flight) in loads {
        let load = (*in_flight, candidate.weight);
        match by_weight(load, lowest) {
            Ordering::Less => (lowest, tied) = (load, u64::from(candidate.weight)),
            Ordering::Equal => tied += u64::from(candidate.weight),
            Ordering::Greater => {}
        }
    }
    let mut place = below(tied, bits);
    loads.iter().position(|(candidate, in_flight)| {
        if by_weight((*in_flight, candidate.weight), lowest) != Ordering::Equal {
            return false;
        }
        match place.checked_sub(u64::from(candidate.weight)) {
            Some(rest) => {
                place = rest;
                false
            }
            None => true,
        }
    })
}

trimtab_sdk::export_balancer!(LeastConnections);

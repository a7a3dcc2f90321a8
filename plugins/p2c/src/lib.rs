//! The power of two choices: two backends drawn by weight, and of these the one with less in flight by its weight.
//!
//! After Mitzenmacher, "The power of two choices in randomized load balancing" (2001): two draws bring the
//! fullest backend from about log n to log log n above the mean, and unlike a search for the minimum they look at two
//! backends and draw no herd. The draws are distinct, so none is wasted.

use std::cmp::Ordering;

use serde::Deserialize;
use trimtab_sdk::draw::{Bits, Candidate, Draw, Drawn};
use trimtab_sdk::in_flight::{InFlight, by_weight};
use trimtab_sdk::{Backend, Balancer, Instance, Moment, Plan, Verdict, settings};

/// The candidates, prepared for draws.
#[derive(Debug)]
pub struct P2c {
    choices: usize,
    draw: Draw,
    /// Of the pick at hand.
    drawn: Drawn,
    /// Length of the table, candidates or not.
    table: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    choices: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { choices: 2 }
    }
}

impl Balancer for P2c {
    fn configure(settings: &str, _instance: &Instance) -> Result<(Self, Plan), String> {
        let Settings { choices } = settings::parse(settings)?;
        if !(2..=16).contains(&choices) {
            return Err(format!("`choices` is {choices}: it must be 2 to 16"));
        }
        Ok((Self { choices, draw: Draw::default(), drawn: Drawn::default(), table: 0 }, Plan::default()))
    }

    fn update(&mut self, backends: &[Backend]) {
        self.draw = Draw::of(backends);
        self.table = backends.len();
    }

    fn pick(&mut self, moment: Moment) -> Verdict {
        let mut bits = Bits::new(moment.random);
        let in_flight = InFlight::read(self.choices.min(self.draw.len()), self.table);
        self.drawn.clear();
        let mut best: Option<(Candidate, u32)> = None;
        for _ in 0..self.choices {
            let Some(candidate) = self.draw.untried(moment.attempt, &mut bits, &mut self.drawn) else { break };
            let count = in_flight.of(candidate.index);
            // A tie stays with who was drawn first: that is by weight.
            let is_better = best.is_none_or(|(other, least)| {
                by_weight((count, candidate.weight), (least, other.weight)) == Ordering::Less
            });
            if is_better {
                best = Some((candidate, count));
            }
        }
        best.map_or(Verdict::Pass, |(candidate, _)| Verdict::Backend(candidate.index))
    }
}

trimtab_sdk::export_balancer!(P2c);

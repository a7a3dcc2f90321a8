//! Weighted random: each request draws its backend by chance, in proportion to the weights.
//!
//! It keeps nothing between picks and asks the host nothing, so it is the cheapest balancer there is, and workers
//! and fellow balancers need not know of each other. The price is the unevenness of chance.

use trimtab_sdk::draw::{Bits, Draw, Drawn};
use trimtab_sdk::{Backend, Balancer, Instance, Moment, Plan, Verdict, settings};

/// The candidates, prepared for draws.
#[derive(Debug, Default)]
pub struct Random {
    draw: Draw,
    /// Of the retry at hand.
    drawn: Drawn,
}

impl Balancer for Random {
    fn configure(settings: &str, _instance: &Instance) -> Result<(Self, Plan), String> {
        settings::none(settings)?;
        Ok((Self::default(), Plan::default()))
    }

    fn update(&mut self, backends: &[Backend]) {
        self.draw = Draw::of(backends);
    }

    fn pick(&mut self, moment: Moment) -> Verdict {
        let drawn = if moment.attempt == 0 {
            self.draw.one(moment.random)
        } else {
            self.drawn.clear();
            self.draw.untried(moment.attempt, &mut Bits::new(moment.random), &mut self.drawn)
        };
        drawn.map_or(Verdict::Pass, |candidate| Verdict::Backend(candidate.index))
    }
}

trimtab_sdk::export_balancer!(Random);

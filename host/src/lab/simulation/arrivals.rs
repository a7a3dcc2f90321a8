//! When requests come: by a rate, by rates that change, by clients that wait for each other, or as an access log says.

use super::scenario::{Arrivals, Step};
use super::{Event, World, chance};

impl World<'_> {
    /// Some time from now, exponentially distributed by its mean in microseconds.
    pub(super) fn think(&mut self, mean_us: f64) -> u64 {
        // To the nearest: what is cut off of each would be a higher rate in sum.
        self.now.saturating_add(chance::exponential(&mut self.arrivals, mean_us).round() as u64)
    }

    /// The next arrival of an open loop.
    pub(super) fn expect(&mut self) {
        let next = match &self.scenario.arrivals {
            Arrivals::Rate(rate) => Some(self.think(1e6 / rate)),
            Arrivals::Steps(steps) => {
                let now = self.now;
                let at = |step: &Step| step.at.as_micros() as u64;
                let mut current = steps.partition_point(|step| at(step) <= now).saturating_sub(1);
                let next = loop {
                    let next = self.think(1e6 / steps[current].rate);
                    // The process has no memory: it begins anew where the rate changes.
                    match steps.get(current + 1).map(at).filter(|change| *change < next) {
                        None => break next,
                        Some(change) => (self.now, current) = (change, current + 1),
                    }
                };
                self.now = now;
                Some(next)
            }
            Arrivals::Log(_) => self.recorded.as_slice().first().map(|recorded| recorded.at_us),
            Arrivals::Clients(_) => None,
        };
        if let Some(next) = next.filter(|next| *next < self.end) {
            self.at(next, Event::Arrive(None));
        }
    }
}

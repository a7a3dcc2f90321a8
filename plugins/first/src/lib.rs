//! First: fills the backends in table order, each up to a number in flight, so that the last ones stay idle.
//!
//! HAProxy's `first`. There a backend is full at its `maxconn`; here `max_in_flight` says it for all backends, and it
//! steers only: it is no limit that the host enforces. Weights do not matter, except that 0 is no candidate.

use serde::Deserialize;
use trimtab_sdk::{Backend, Balancer, Instance, Moment, Plan, Verdict, load, request, settings};

/// Backends asked about one by one before the whole list is asked for. Most picks end at the first few, and a
/// single call costs a fifth of the list of 100 backends.
const SINGLE: usize = 4;

/// The candidates.
#[derive(Debug)]
pub struct First {
    max_in_flight: u32,
    /// Indexes in table order.
    candidates: Vec<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    max_in_flight: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { max_in_flight: 100 }
    }
}

impl Balancer for First {
    fn configure(settings: &str, _instance: &Instance) -> Result<(Self, Plan), String> {
        let Settings { max_in_flight } = settings::parse(settings)?;
        if max_in_flight == 0 {
            return Err("`max_in_flight` is 0: no backend would ever have room".to_owned());
        }
        Ok((Self { max_in_flight, candidates: Vec::new() }, Plan::default()))
    }

    fn update(&mut self, backends: &[Backend]) {
        let candidates = (0..).zip(backends).filter(|(_, backend)| backend.is_candidate());
        self.candidates.clear();
        self.candidates.extend(candidates.map(|(index, _)| index));
    }

    fn pick(&mut self, moment: Moment) -> Verdict {
        let (singles, rest) = self.candidates.split_at(self.candidates.len().min(SINGLE));
        let is_open = |index: u32, in_flight: u32| {
            in_flight < self.max_in_flight && (moment.attempt == 0 || !request::tried(index))
        };
        if let Some(index) = singles.iter().find(|index| is_open(**index, load::in_flight(**index))) {
            return Verdict::Backend(*index);
        }
        if rest.is_empty() {
            return Verdict::Pass;
        }
        let all = load::in_flight_all();
        let in_flight = |index: u32| all.get(index as usize).copied().unwrap_or(0);
        let found = rest.iter().find(|index| is_open(**index, in_flight(**index)));
        found.map_or(Verdict::Pass, |index| Verdict::Backend(*index))
    }
}

trimtab_sdk::export_balancer!(First);

//! Backends get requests in proportion to what they can do by their own account: the weights of gRPC's client-side
//! weighted round robin (gRFC A58), from the ORCA reports that backends send with their responses.

use serde::Deserialize;
use trimtab_sdk::draw::{Bits, Candidate, Draw, Drawn};
use trimtab_sdk::{Backend, Balancer, Instance, Moment, Observer, Outcome, Plan, Verdict, load, settings};

/// How often reports are looked at…
const TICK_MS: u32 = 1_000;
/// …and of how many backends: a tick may take no longer than a pick, so that those of large tables take turns.
const LOOKS: usize = 1_000;
/// Part of the mean that everybody gets, so that who was slow is asked again and can report better.
const LEAST: f64 = 0.01;
/// What the highest weight is scaled to.
const FULL: f64 = 1_000_000.0;

/// Who may be picked, and the draw by what they reported last.
pub struct Orca {
    penalty: f64,
    /// With the weights of the table.
    candidates: Vec<Candidate>,
    /// Of each candidate, as far as it is known.
    capacities: Vec<Option<f64>>,
    /// Whose report is looked at next.
    next: usize,
    draw: Draw,
    /// Of the pick at hand.
    drawn: Drawn,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    error_penalty: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { error_penalty: 1.0 }
    }
}

impl Balancer for Orca {
    fn configure(settings: &str, _instance: &Instance) -> Result<(Self, Plan), String> {
        let penalty = settings::parse::<Settings>(settings)?.error_penalty;
        if !(0.0..=1_000.0).contains(&penalty) {
            return Err(format!("`error_penalty` is {penalty}: it must be from 0 to 1000"));
        }
        let orca = Self {
            penalty,
            candidates: Vec::new(),
            capacities: Vec::new(),
            next: 0,
            draw: Draw::default(),
            drawn: Drawn::default(),
        };
        Ok((orca, Plan { tick_ms: TICK_MS, ..Plan::default() }))
    }

    fn update(&mut self, backends: &[Backend]) {
        let candidates = (0..).zip(backends).filter(|(_, backend)| backend.is_candidate());
        self.candidates = candidates.map(|(index, backend)| Candidate { index, weight: backend.weight }).collect();
        self.capacities = self.candidates.iter().map(|candidate| self.capacity(candidate.index)).collect();
        self.weigh();
    }

    fn pick(&mut self, moment: Moment) -> Verdict {
        self.drawn.clear();
        let drawn = self.draw.untried(moment.attempt, &mut Bits::new(moment.random), &mut self.drawn);
        drawn.map_or(Verdict::Pass, |candidate| Verdict::Backend(candidate.index))
    }
}

impl Observer for Orca {
    /// The plan does not ask for outcomes: backends report their errors themselves.
    fn observe(&mut self, _outcomes: &[Outcome]) {}

    fn tick(&mut self, _now_us: u64) {
        for _ in 0..self.candidates.len().min(LOOKS) {
            self.next = (self.next + 1) % self.candidates.len();
            self.capacities[self.next] = self.capacity(self.candidates[self.next].index);
        }
        self.weigh();
    }
}

impl Orca {
    /// Makes the draw anew. Who has reported nothing counts as the mean of the others.
    fn weigh(&mut self) {
        let known = self.capacities.iter().flatten();
        let mean = known.clone().sum::<f64>() / known.count().max(1) as f64;
        let mean = if mean > 0.0 { mean } else { 1.0 };
        // The weight of the table is a factor: so shapers, and whoever drains by weight, are heeded.
        let part = |(candidate, capacity): (&Candidate, &Option<f64>)| {
            f64::from(candidate.weight) * capacity.unwrap_or(mean).max(mean * LEAST)
        };
        let parts: Vec<f64> = self.candidates.iter().zip(&self.capacities).map(part).collect();
        let scale = FULL / parts.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
        let scaled = |(candidate, part): (&Candidate, f64)| Candidate {
            weight: (part * scale).round().max(1.0) as u32,
            ..*candidate
        };
        self.draw = Draw::new(self.candidates.iter().zip(parts).map(scaled));
    }

    /// Requests per second that the backend would answer at full use: how many it answers now, by how much of it that
    /// takes. Errors add to its use, or who fails fast would look fast. None without a report that says both.
    fn capacity(&self, backend: u32) -> Option<f64> {
        let reported = |name| load::metric(backend, name).filter(|value| *value > 0.0);
        let rate = reported("rps_fractional")?;
        let used = reported("application_utilization").or_else(|| reported("cpu_utilization"))?;
        let errors = if self.penalty > 0.0 { reported("eps").unwrap_or(0.0) / rate } else { 0.0 };
        let capacity = rate / (used + errors * self.penalty);
        // Numbers that no server has are no report.
        (1e-6..1e12).contains(&capacity).then_some(capacity)
    }
}

trimtab_sdk::export_balancer!(Orca, observer);

//! Peak EWMA: of two backends drawn by weight, the one where a request is likely to wait less.
//!
//! After Finagle's balancer of that name: the cost of a backend is its latency × (in flight + 1), here by weight.
//! Latency and requests in flight are the host's and hold for all workers; the average jumps to a peak at once and decays
//! with a time constant of 10 s. What is added here, per worker ([`Standing`]): failures count as slow, so that a
//! backend which fails at once does not look fast, and a cost that nobody renewed fades, so that a backend which was slow
//! is tried again. A backend that was never measured counts as usual and gets one request at a time. The next generation
//! takes all that over (`state.rs`).

mod standing;
mod state;

use serde::Deserialize;
use trimtab_sdk::draw::{Bits, Candidate, Draw, Drawn};
use trimtab_sdk::{
    Backend, Balancer, Handoff, Instance, Moment, Observer, Outcome, OutcomeKind, Plan, Verdict, load, settings,
};
use xxhash_rust::xxh64::xxh64;

pub use standing::Standing;
use state::State;

/// How often the usual latency is looked up…
const TICK_MS: u32 = 1_000;
/// …and of how many backends at most.
const SAMPLES: usize = 32;
/// What is usual before anything was measured. It is compared with itself only.
const UNKNOWN_US: f64 = 1_000.0;

/// What this worker knows of the pool.
#[derive(Debug)]
pub struct PeakEwma {
    penalty: f64,
    draw: Draw,
    /// Of the pick at hand.
    drawn: Drawn,
    /// By index: hash of the id, and what is known.
    ids: Vec<u64>,
    standings: Vec<Standing>,
    /// Median latency of the candidates in microseconds.
    usual_us: Option<f64>,
    /// Counts ticks, so that each looks at other candidates.
    ticks: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    penalty: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { penalty: 10.0 }
    }
}

/// What a request is expected to cost. A lower one is better; compared in the order of the fields.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
struct Cost {
    /// Not measured yet, and at work on a request that will change that.
    is_on_trial: bool,
    wait: f64,
}

impl Balancer for PeakEwma {
    fn configure(settings: &str, _instance: &Instance) -> Result<(Self, Plan), String> {
        let Settings { penalty } = settings::parse(settings)?;
        if !(penalty >= 1.0 && penalty.is_finite()) {
            return Err(format!("`penalty` is {penalty}: it must be 1 or more"));
        }
        let balancer = Self {
            penalty,
            draw: Draw::default(),
            drawn: Drawn::default(),
            ids: Vec::new(),
            standings: Vec::new(),
            usual_us: None,
            ticks: 0,
        };
        Ok((balancer, Plan { observe: true, tick_ms: TICK_MS, ..Plan::default() }))
    }

    fn update(&mut self, backends: &[Backend]) {
        // Hashes for ids: no strings are kept, and one in 2⁶⁴ that takes over another's standing does no harm.
        let ids: Vec<u64> = backends.iter().map(|backend| xxh64(backend.id.as_bytes(), 0)).collect();
        if ids != self.ids {
            let mut known: Vec<_> = self.ids.iter().copied().zip(self.standings.drain(..)).collect();
            known.sort_unstable_by_key(|(id, _)| *id);
            self.standings = ids.iter().map(|id| of(&known, *id).unwrap_or_default()).collect();
            self.ids = ids;
        }
        self.adjust(backends);
    }

    fn adjust(&mut self, backends: &[Backend]) {
        self.draw = Draw::of(backends);
    }

    fn pick(&mut self, moment: Moment) -> Verdict {
        let mut bits = Bits::new(moment.random);
        self.drawn.clear();
        let Some(first) = self.draw.untried(moment.attempt, &mut bits, &mut self.drawn) else { return Verdict::Pass };
        let picked = match self.draw.untried(moment.attempt, &mut bits, &mut self.drawn) {
            // A tie stays with who was drawn first: that is by weight.
            Some(second) if self.cost(second, moment.now_us) < self.cost(first, moment.now_us) => second,
            _ => first,
        };
        if let Some(standing) = self.standings.get_mut(picked.index as usize) {
            standing.picked(moment.now_us);
        }
        Verdict::Backend(picked.index)
    }
}

impl Observer for PeakEwma {
    fn observe(&mut self, outcomes: &[Outcome]) {
        for outcome in outcomes {
            if outcome.kind == OutcomeKind::Cancelled {
                continue;
            }
            if let Some(standing) = self.standings.get_mut(outcome.backend as usize) {
                standing.ended(is_slow(outcome), outcome.at_us);
            }
        }
    }

    fn tick(&mut self, _now_us: u64) {
        let step = self.draw.len().div_ceil(SAMPLES).max(1);
        let sampled = self.draw.candidates().skip(self.ticks % step).step_by(step);
        let mut latencies: Vec<u32> = sampled.filter_map(|candidate| load::latency_us(candidate.index)).collect();
        self.ticks = self.ticks.wrapping_add(1);
        let middle = latencies.len() / 2;
        if middle < latencies.len() {
            self.usual_us = Some(f64::from(*latencies.select_nth_unstable(middle).1));
        }
    }
}

impl Handoff for PeakEwma {
    fn save(&mut self) -> Vec<u8> {
        let known = self.ids.iter().copied().zip(self.standings.iter().copied()).collect();
        State { usual_us: self.usual_us, known }.to_bytes()
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), String> {
        let State { usual_us, known } = State::from_bytes(state)?;
        self.usual_us = usual_us;
        for (id, standing) in self.ids.iter().zip(&mut self.standings) {
            *standing = of(&known, *id).unwrap_or(*standing);
        }
        Ok(())
    }
}

impl PeakEwma {
    fn cost(&mut self, candidate: Candidate, now_us: u64) -> Cost {
        let measured = load::latency_us(candidate.index).map(f64::from);
        let in_flight = load::in_flight(candidate.index);
        // Until the first tick the first that is measured says what is usual.
        self.usual_us = self.usual_us.or(measured);
        let usual = self.usual_us.unwrap_or(UNKNOWN_US);
        let latency = measured.unwrap_or(usual);
        let weighted = (f64::from(in_flight) + 1.0) / f64::from(candidate.weight);
        let factor = match self.standings.get_mut(candidate.index as usize) {
            Some(standing) => {
                standing.failed_in_a_row(load::failures(candidate.index), now_us);
                let slow = standing.slow_share(now_us);
                // As many requests as failed are expected to take the penalty, the others the latency.
                let expected = latency + slow * (self.penalty * latency.max(usual) - latency);
                expected * standing.freshness(now_us)
            }
            None => latency,
        };
        Cost { is_on_trial: measured.is_none() && in_flight > 0, wait: factor * weighted }
    }
}

/// What is known of a backend, in a list sorted by the hash of the id.
fn of(known: &[(u64, Standing)], id: u64) -> Option<Standing> {
    known.binary_search_by_key(&id, |(known, _)| *known).ok().map(|at| known[at].1)
}

/// Whether an attempt counts as slow: it failed, or the backend asked for less.
fn is_slow(outcome: &Outcome) -> bool {
    use OutcomeKind::{ConnectError, Reset, ServerError, Timeout};
    matches!(outcome.kind, ServerError | ConnectError | Reset | Timeout) || matches!(outcome.status, 429 | 503)
}

trimtab_sdk::export_balancer!(PeakEwma, observer, handoff);

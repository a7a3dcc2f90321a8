//! Smooth weighted round-robin, exactly over all workers: weights 5, 1, 1 give `a a b a c a a`.
//!
//! nginx keeps a current weight per backend and worker, so each worker has a sequence of its own. Here
//! the sequence is worked out when the table changes, for one period, and each pick reads it at the
//! pool's turn (`load::turn`). What that buys: the process as a whole follows nginx's sequence, as
//! do reloads and swaps; a pick costs the same for two backends and for a thousand. What it costs: 4 bytes per position and worker, and a change of weights enters
//! the new sequence at the turn's place rather than where the old one was. That is no burst, since every
//! stretch of a smooth sequence is in proportion: none is ahead or behind by more than about one pick.

//!
//! Retries take no turn: each worker walks the sequence for them on its own. Its place in it is what is handed to the next
//! generation ([`Place`]), so that nothing at all begins anew in a swap.

mod place;
mod sequence;

pub use place::Place;
pub use sequence::sequence;

use trimtab_sdk::{Backend, Balancer, Handoff, Instance, Moment, Plan, Verdict, load, request, settings};
use xxhash_rust::xxh64::xxh64;

/// The sequence of the current weights, and where the retries of this worker are in it.
#[derive(Debug, Default)]
pub struct WeightedRoundRobin {
    /// XXH64 of the ids, by index.
    ids: Vec<u64>,
    /// Index and weight of the candidates, in table order.
    candidates: Vec<(u32, u32)>,
    /// One period of indexes.
    sequence: Vec<u32>,
    /// Position in `sequence` at which the next retry starts to look.
    retry: usize,
}

impl Balancer for WeightedRoundRobin {
    fn configure(settings: &str, _instance: &Instance) -> Result<(Self, Plan), String> {
        settings::none(settings)?;
        Ok((Self::default(), Plan::default()))
    }

    fn update(&mut self, backends: &[Backend]) {
        self.ids = backends.iter().map(|backend| xxh64(backend.id.as_bytes(), 0)).collect();
        self.adjust(backends);
    }

    fn adjust(&mut self, backends: &[Backend]) {
        let candidates: Vec<_> =
            (0..).zip(backends).filter(|(_, b)| b.is_candidate()).map(|(index, b)| (index, b.weight)).collect();
        if candidates != self.candidates {
            self.sequence = sequence(&candidates);
            self.candidates = candidates;
        }
    }

    fn pick(&mut self, moment: Moment) -> Verdict {
        if moment.attempt > 0 {
            return self.pick_again();
        }
        match self.sequence.len() as u64 {
            0 => Verdict::Pass,
            period => Verdict::Backend(self.sequence[(load::turn() % period) as usize]),
        }
    }
}

impl Handoff for WeightedRoundRobin {
    fn save(&mut self) -> Vec<u8> {
        let at = self.retry.checked_rem(self.sequence.len()).unwrap_or(0);
        Place::of(&self.sequence, at, &self.ids).to_bytes()
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), String> {
        self.retry = Place::from_bytes(state)?.within(&self.sequence, &self.ids);
        Ok(())
    }
}

impl WeightedRoundRobin {
    /// Retries take no turn, which would shift the sequence of the others: they walk it on their own,
    /// so the share of a failing backend is spread over all others by weight.
    fn pick_again(&mut self) -> Verdict {
        let period = self.sequence.len();
        // Asking the host costs many times a step, and a heavy backend may fill thousands of steps.
        let mut tried = Vec::new();
        for at in (0..period).map(|step| (self.retry + step) % period) {
            let index = self.sequence[at];
            if tried.contains(&index) {
                continue;
            }
            if !request::tried(index) {
                self.retry = at + 1;
                return Verdict::Backend(index);
            }
            tried.push(index);
            if tried.len() == self.candidates.len() {
                break;
            }
        }
        Verdict::Pass
    }
}

trimtab_sdk::export_balancer!(WeightedRoundRobin, handoff);

//! Round-robin: the ready backends in turn, in the order of the table, exactly over all workers.
//!
//! The turn is the pool's (`load::turn`), so workers, reloads and swaps share one cycle. Weights do
//! not matter here, except that 0 is no candidate: `weighted-round-robin` is for shares.

use trimtab_sdk::{Backend, Balancer, Instance, Moment, Plan, Verdict, load, request, settings};

/// The cycle, and where the retries of this worker are in it.
#[derive(Debug, Default)]
pub struct RoundRobin {
    /// Indexes of the candidates in table order.
    cycle: Vec<u32>,
    /// Position in `cycle` at which the next retry starts to look.
    retry: usize,
}

impl Balancer for RoundRobin {
    fn configure(settings: &str, _instance: &Instance) -> Result<(Self, Plan), String> {
        settings::none(settings)?;
        Ok((Self::default(), Plan::default()))
    }

    fn update(&mut self, backends: &[Backend]) {
        self.cycle.clear();
        self.cycle.extend((0..).zip(backends).filter(|(_, backend)| backend.is_candidate()).map(|(index, _)| index));
    }

    fn pick(&mut self, moment: Moment) -> Verdict {
        if moment.attempt > 0 {
            return self.pick_again();
        }
        match self.cycle.len() as u64 {
            0 => Verdict::Pass,
            len => Verdict::Backend(self.cycle[(load::turn() % len) as usize]),
        }
    }
}

impl RoundRobin {
    /// Retries take no turn, which would shift the cycle of the others, and do not just take the next
    /// backend, which would get the whole share of a failing one before it: they go round on their own.
    fn pick_again(&mut self) -> Verdict {
        let len = self.cycle.len();
        let untried = (0..len).map(|step| (self.retry + step) % len).find(|at| !request::tried(self.cycle[*at]));
        match untried {
            Some(at) => {
                self.retry = at + 1;
                Verdict::Backend(self.cycle[at])
            }
            None => Verdict::Pass,
        }
    }
}

trimtab_sdk::export_balancer!(RoundRobin);

//! Of routers: a pool of the list, or a refusal that is one; the same for the same.

use std::sync::Arc;

use super::chance::Chance;
use super::{Bench, Failed, Group, Seen, Status};
use crate::decide::{Destination, Fault, PoolLoad, Router, check_refusal};
use crate::lab::subject::Place;
use crate::lab::world::Clock;
use crate::plugin::{Built, RouterInstance, thread_time};

/// The groups.
pub(super) const GROUPS: [Group; 2] = [("answers", answers), ("determinism", determinism)];

/// Questions for each table that others are asked about.
const QUESTIONS: u32 = 8;

/// Routes, and what is wrong with that.
struct Asking {
    instance: RouterInstance,
    chance: Chance,
    clock: Clock,
    pools: usize,
}

impl Asking {
    fn begin(bench: &Bench<'_>, group: &str) -> Result<Self, Failed> {
        let seed = bench.options.seed;
        let pool = |name: &String| {
            let load = PoolLoad::new(1);
            load.set_ready(3);
            (Arc::from(&**name), Arc::new(load))
        };
        let pools: Arc<[_]> = bench.options.pools.iter().map(pool).collect();
        let place = Place { pools: Arc::clone(&pools), ..Place::of(&[], &Arc::new(PoolLoad::new(1))) };
        let instance = bench.subject.seat(place)?;
        Ok(Self { instance, chance: Chance::new(seed, group), clock: Clock::new(seed), pools: pools.len() })
    }

    fn ask(&mut self, bench: &mut Bench<'_>) -> Result<Destination, Fault> {
        let facts = self.chance.facts(&[]);
        self.clock.now_us += 1 + self.chance.0.u64(..2000);
        let moment = self.clock.moment(&self.instance, &facts);
        let began = thread_time();
        let (_, answer) = self.instance.route(moment, facts);
        let took = thread_time().saturating_sub(began);
        bench.worst.decision.0 = bench.worst.decision.0.max(took);
        bench.worst.memory.0 = bench.worst.memory.0.max(self.instance.memory());
        let destination = answer?;
        match destination {
            Destination::Pool(pool) if pool as usize >= self.pools => {
                Err(Fault::invalid(format!("answered pool {pool} of a list of {}", self.pools)))
            }
            Destination::Refuse(status) => check_refusal(status).map(|()| destination),
            _ => Ok(destination),
        }
    }
}

fn answers(bench: &mut Bench<'_>) -> Seen {
    let (mut asking, questions) = (Asking::begin(bench, "answers")?, bench.options.tables * QUESTIONS);
    let (mut pools, mut passes, mut refusals) = (vec![0u32; asking.pools], 0, 0);
    for number in 0..questions {
        match asking.ask(bench).map_err(|fault| bench.failed(&format!("question {number}, `route`"), fault))? {
            Destination::Pool(pool) => pools[pool as usize] += 1,
            Destination::Pass => passes += 1,
            Destination::Refuse(_) => refusals += 1,
        }
    }
    let each = bench.options.pools.iter().zip(&pools).map(|(name, count)| format!("{count} {name}"));
    let each = each.collect::<Vec<_>>().join(", ");
    Ok((Status::Holds, format!("{questions} × `route`: {each}, {passes} passes, {refusals} refusals")))
}

fn determinism(bench: &mut Bench<'_>) -> Seen {
    let [mut one, mut other] = [Asking::begin(bench, "determinism")?, Asking::begin(bench, "determinism")?];
    let questions = bench.options.tables;
    for number in 0..questions {
        let place = format!("question {number}, `route`");
        let answers = [one.ask(bench), other.ask(bench)];
        let [first, second] = answers.map(|answer| answer.map_err(|fault| bench.failed(&place, fault)));
        let (first, second) = (first?, second?);
        if first != second {
            return Err(bench.failed(&place, format!("one answers {first:?}, another {second:?}")));
        }
    }
    Ok((Status::Holds, format!("{questions} answers of two instances each, all the same")))
}

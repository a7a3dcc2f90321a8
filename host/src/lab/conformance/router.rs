//! Of routers: a pool of the list, or a refusal that is one; the same for the same.

use std::sync::Arc;

use super::chance::Chance;
use super::{Bench, Failed, Group, Seen, Status};
use crate::decide::{Destination, Fault, PoolLoad, Router, Table, check_refusal};
use crate::lab::subject::Place;
use crate::lab::world::Clock;
use crate::plugin::{Built, RouterInstance, thread_time};

/// The groups.
pub(super) const GROUPS: [Group; 3] = [("answers", answers), ("determinism", determinism), ("handoff", handoff)];

/// Questions for each table that others are asked about.
const QUESTIONS: u32 = 8;

/// Routes, and what is wrong with that.
struct Asking {
    instance: RouterInstance,
    chance: Chance,
    clock: Clock,
    pools: Arc<[(Arc<str>, Arc<PoolLoad>)]>,
    table: Arc<dyn Table>,
}

impl Asking {
    fn begin(bench: &Bench<'_>, group: &str) -> Result<Self, Failed> {
        let seed = bench.options.seed;
        let pool = |name: &String| (Arc::from(&**name), Arc::new(PoolLoad::new(1)));
        let pools: Arc<[_]> = bench.options.pools.iter().map(pool).collect();
        let table = bench.subject.table();
        let instance = seat(bench, &pools, &table)?;
        Ok(Self { instance, chance: Chance::new(seed, group), clock: Clock::new(seed), pools, table })
    }

    /// Another generation goes on where this one was.
    fn hand_over(&mut self, bench: &Bench<'_>) -> Result<usize, Failed> {
        let failed = |call: &'static str| move |fault: Fault| bench.failed(&format!("`{call}`"), fault);
        let state = self.instance.save().map_err(failed("save"))?.unwrap_or_default();
        self.instance = seat(bench, &self.pools, &self.table)?;
        self.instance.restore(&state).map_err(failed("restore"))?;
        Ok(state.len())
    }

    fn ask(&mut self, bench: &mut Bench<'_>) -> Result<Destination, Fault> {
        let mut facts = self.chance.facts(&[]);
        bench.options.ask_for(&mut facts, &mut self.chance.0);
        // Pools have some ready, or none.
        for (_, load) in self.pools.iter() {
            load.set_ready(self.chance.0.usize(..5));
            if self.chance.0.bool() {
                load.begin(0);
            }
        }
        self.clock.now_us += 1 + self.chance.0.u64(..2000);
        let moment = self.clock.moment(&self.instance, &facts);
        let began = thread_time();
        let (_, answer) = self.instance.route(moment, facts);
        let took = thread_time().saturating_sub(began);
        bench.worst.decision.0 = bench.worst.decision.0.max(took);
        bench.worst.memory.0 = bench.worst.memory.0.max(self.instance.memory());
        let destination = answer?;
        match destination {
            Destination::Pool(pool) if pool as usize >= self.pools.len() => {
                Err(Fault::invalid(format!("answered pool {pool} of a list of {}", self.pools.len())))
            }
            Destination::Refuse(status) => check_refusal(status).map(|()| destination),
            _ => Ok(destination),
        }
    }
}

fn answers(bench: &mut Bench<'_>) -> Seen {
    let (mut asking, questions) = (Asking::begin(bench, "answers")?, bench.options.tables * QUESTIONS);
    let (mut pools, mut passes, mut refusals) = (vec![0u32; asking.pools.len()], 0, 0);
    for number in 0..questions {
        bench.go_on()?;
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

/// As if nothing had happened.
fn handoff(bench: &mut Bench<'_>) -> Seen {
    if !bench.subject.definition.hands_over() {
        return Ok((Status::Skipped, "it exports no `handoff`".to_owned()));
    }
    let [mut kept, mut handed] = [Asking::begin(bench, "handoff")?, Asking::begin(bench, "handoff")?];
    let (mut largest, rounds) = (0, bench.options.tables.div_ceil(20));
    for round in 0..rounds {
        largest = largest.max(handed.hand_over(bench)?);
        for _ in 0..QUESTIONS {
            let place = format!("after state {round}, `route`");
            let answers = [kept.ask(bench), handed.ask(bench)];
            let [first, second] = answers.map(|answer| answer.map_err(|fault| bench.failed(&place, fault)));
            let (first, second) = (first?, second?);
            if first != second {
                return Err(bench.failed(&place, format!("{first:?} without, {second:?} with another generation")));
            }
        }
    }
    Ok((Status::Holds, format!("{rounds} states of up to {largest} bytes")))
}

fn seat(
    bench: &Bench<'_>,
    pools: &Arc<[(Arc<str>, Arc<PoolLoad>)]>,
    table: &Arc<dyn Table>,
) -> Result<RouterInstance, Failed> {
    let (pools, table) = (Arc::clone(pools), Some(Arc::clone(table)));
    let place = Place { pools, table, workers: bench.subject.workers, ..Place::of(&[], &Arc::new(PoolLoad::new(1))) };
    Ok(bench.subject.seat(place)?)
}

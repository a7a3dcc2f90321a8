//! Of what decides by a table: answers, determinism, tables at the edges, storms of changes.

use std::sync::Arc;

use super::asked::Asked;
use super::chance::{self, Chance};
use super::{Bench, Failed, Group, Seen, Status, handoff};
use crate::decide::{Facts, Fault, MAX_WEIGHT, Moment, Outcome, OutcomeKind, PoolLoad, Readiness, Row, Verdict};
use crate::lab::subject::Place;
use crate::lab::world::{self, Clock};
use crate::plugin::thread_time;

/// Questions about each table.
const QUESTIONS: u32 = 8;

/// Tables after which another instance goes on.
const LIFE: u32 = 50;

/// The groups of a role.
pub(super) fn groups<I: Asked>() -> [Group; 5] {
    [
        ("answers", answers::<I>),
        ("determinism", determinism::<I>),
        ("tables", tables::<I>),
        ("storms", storms::<I>),
        ("handoff", handoff::round_trip::<I>),
    ]
}

/// What was answered.
#[derive(Default)]
struct Tally {
    backends: u64,
    passes: u64,
    refusals: u64,
    /// Backends of a weight of 0, where others were ready.
    weightless: u64,
}

impl Tally {
    fn count(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Backend(_) => self.backends += 1,
            Verdict::Pass => self.passes += 1,
            Verdict::Refuse(_) => self.refusals += 1,
        }
    }

    fn evidence(&self, call: &str, of: &str) -> String {
        let total = self.backends + self.passes + self.refusals;
        let Self { backends, passes, refusals, .. } = self;
        format!("{total} × `{call}` {of}: {backends} backends, {passes} passes, {refusals} refusals")
    }
}

impl Bench<'_> {
    /// An instance with this table.
    pub(super) fn seat<I: Asked>(&mut self, rows: &[Row], load: &Arc<PoolLoad>) -> Result<I, Failed> {
        self.go_on()?;
        // Any worker may have any table, the same for the same.
        let workers = self.subject.workers;
        let worker = rows.len() as u32 % workers.max(1);
        let instance: I = self.subject.seat(Place { worker, workers, ..Place::of(rows, load) })?;
        self.note(&instance);
        Ok(instance)
    }

    /// Remembers the worst.
    pub(super) fn note<I: Asked>(&mut self, instance: &I) {
        self.worst.update.0 = self.worst.update.0.max(instance.cost().update);
        self.worst.memory.0 = self.worst.memory.0.max(instance.memory());
    }

    /// Asks once, and checks the answer.
    pub(super) fn ask<I: Asked>(
        &mut self,
        instance: &mut I,
        clock: &mut Clock,
        rows: &[Row],
        mut facts: Box<Facts>,
    ) -> Result<(Moment, Verdict), Fault> {
        self.options.ask_for(&mut facts, &mut clock.random);
        clock.now_us += 1 + clock.random.u64(..2000);
        let mut moment = clock.moment(instance, &facts);
        moment.attempt = facts.tried.len() as u32;
        let began = thread_time();
        let (facts, answer) = instance.ask(moment, facts);
        let took = thread_time().saturating_sub(began);
        let verdict = answer?;
        self.worst.decision.0 = self.worst.decision.0.max(took);
        let readiness: Vec<Readiness> = rows.iter().map(|row| row.readiness).collect();
        I::check(verdict, &readiness, &facts.tried)?;
        Ok((moment, verdict))
    }
}

/// In range, ready, not tried; within 400 to 599.
fn answers<I: Asked>(bench: &mut Bench<'_>) -> Seen {
    let seed = bench.options.seed;
    let (mut chance, mut clock) = (Chance::new(seed, "answers"), Clock::new(seed));
    let (mut tally, mut kept) = (Tally::default(), None);
    for number in 0..bench.options.tables {
        bench.go_on()?;
        let (rows, place) = (chance.rows(), format!("table {number}"));
        let load = chance::load(&rows);
        let mut instance: I = match kept.take().filter(|_| number % LIFE != 0) {
            None => bench.seat(&rows, &load)?,
            Some(mut instance) => {
                I::update(&mut instance, &rows).map_err(|fault| bench.failed(&format!("{place}, `update`"), fault))?;
                instance
            }
        };
        for _ in 0..QUESTIONS {
            let facts = chance.facts(&rows);
            let asked = bench.ask(&mut instance, &mut clock, &rows, facts);
            let place = || format!("{place} of {} backends, `{}`", rows.len(), I::CALL);
            let (_, verdict) = asked.map_err(|fault| bench.failed(&place(), fault))?;
            tally.count(verdict);
            if let Verdict::Backend(backend) = verdict {
                let may = rows.iter().any(|row| row.readiness == Readiness::Ready && row.weight > 0);
                tally.weightless += u64::from(may && rows[backend as usize].weight == 0);
            }
        }
        bench.note(&instance);
        kept = Some(instance);
    }
    let mut evidence = tally.evidence(I::CALL, &format!("over {} random tables", bench.options.tables));
    let is_pick = I::CALL == "pick";
    if is_pick && tally.weightless > 0 {
        evidence += &format!("; {} of them have a weight of 0, which takes no new client", tally.weightless);
    }
    if is_pick && tally.backends == 0 {
        evidence += "; nothing is known of what it picks: --header, --path and --key give it what it goes by";
    }
    let doubtful = is_pick && (tally.backends == 0 || tally.weightless > 0);
    Ok((if doubtful { Status::Doubtful } else { Status::Holds }, evidence))
}

/// Two instances that were told the same answer the same.
fn determinism<I: Asked>(bench: &mut Bench<'_>) -> Seen {
    let (seed, tables) = (bench.options.seed, bench.options.tables.div_ceil(10));
    let mut compared = 0u64;
    for number in 0..tables {
        let mut both = Vec::new();
        for _ in 0..2 {
            // All of it twice, so that nothing is shared.
            let mut chance = Chance::new(seed.wrapping_add(u64::from(number)), "determinism");
            let mut clock = Clock::new(seed);
            let rows = chance.rows();
            let mut instance: I = bench.seat(&rows, &chance::load(&rows))?;
            let mut verdicts = Vec::new();
            for _ in 0..2 * QUESTIONS {
                let facts = chance.facts(&rows);
                let asked = bench.ask(&mut instance, &mut clock, &rows, facts);
                verdicts.push(asked.map_err(|fault| bench.failed(&format!("table {number}"), fault))?);
            }
            both.push(verdicts);
        }
        let [first, second] = &both[..] else { continue };
        if let Some(at) = (0..first.len()).find(|at| first[*at] != second[*at]) {
            let ((moment, one), (_, other)) = (first[at], second[at]);
            let why = format!("question {at}: one answers {one:?}, another {other:?}, of {moment:?}");
            return Err(bench.failed(&format!("table {number}"), why));
        }
        compared += first.len() as u64;
    }
    Ok((Status::Holds, format!("{compared} answers of two instances each, all the same")))
}

/// Tables that have little or much to choose from.
fn tables<I: Asked>(bench: &mut Bench<'_>) -> Seen {
    let cases = cases(bench.options.large);
    let (mut chance, mut clock) = (Chance::new(bench.options.seed, "tables"), Clock::new(bench.options.seed));
    let mut kept = None;
    for (name, rows) in &cases {
        let load = chance::load(rows);
        // One that begins with it, and one that comes to it.
        let mut fresh: I = bench.seat(rows, &load)?;
        let mut known: I = match kept.take() {
            None => bench.seat(rows, &load)?,
            Some(mut instance) => {
                I::update(&mut instance, rows).map_err(|fault| bench.failed(&format!("{name}, `update`"), fault))?;
                instance
            }
        };
        for instance in [&mut fresh, &mut known] {
            for _ in 0..4 * QUESTIONS {
                let facts = chance.facts(rows);
                bench
                    .ask(instance, &mut clock, rows, facts)
                    .map_err(|fault| bench.failed(&format!("{name}, `{}`", I::CALL), fault))?;
            }
            instance.adjust(rows).map_err(|fault| bench.failed(&format!("{name}, `adjust`"), fault))?;
            bench.note(instance);
        }
        kept = Some(known);
    }
    Ok((Status::Holds, in_words(bench.options.large)))
}

/// Such tables, and what they are called.
pub(super) fn cases(large: usize) -> [(&'static str, Vec<Row>); 9] {
    let all = |count: usize, readiness: Readiness, weight: u32| -> Vec<Row> {
        world::rows(count).into_iter().map(|row| Row { readiness, weight, ..row }).collect()
    };
    [
        ("an empty one", Vec::new()),
        ("one backend", all(1, Readiness::Ready, 1)),
        ("one that is down", all(1, Readiness::Down, 1)),
        ("all down", all(20, Readiness::Down, 1)),
        ("all draining", all(20, Readiness::Draining, 1)),
        ("all of weight 0", all(20, Readiness::Ready, 0)),
        ("the largest weights", all(20, Readiness::Ready, MAX_WEIGHT)),
        ("the largest table", all(large, Readiness::Ready, 1)),
        ("none again", Vec::new()),
    ]
}

/// What was tried with them.
pub(super) fn in_words(large: usize) -> String {
    format!("empty, one, all down, all draining, weights of 0 and {MAX_WEIGHT}, {large} backends")
}

/// Changes between any two questions, with outcomes and ticks.
fn storms<I: Asked>(bench: &mut Bench<'_>) -> Seen {
    let seed = bench.options.seed;
    let (mut chance, mut clock) = (Chance::new(seed, "storms"), Clock::new(seed));
    let (mut rows, mut tally) = (chance.rows(), Tally::default());
    let mut instance: I = bench.seat(&rows, &chance::load(&rows))?;
    let changes = bench.options.tables;
    for number in 0..changes {
        bench.go_on()?;
        let place = format!("change {number}");
        let told = if chance.0.bool() {
            chance.adjust(&mut rows);
            I::adjust(&mut instance, &rows)
        } else {
            chance.update(&mut rows);
            I::update(&mut instance, &rows)
        };
        told.map_err(|fault| bench.failed(&place, fault))?;
        if chance.0.u8(..4) == 0 && instance.observes() {
            let outcomes: Vec<_> = (0..chance.0.usize(1..20)).map(|_| outcome(&mut chance, &rows, &clock)).collect();
            instance
                .observe(&outcomes, clock.now_us)
                .map_err(|fault| bench.failed(&format!("{place}, `observe`"), fault))?;
        }
        instance.tick(clock.now_us).map_err(|fault| bench.failed(&format!("{place}, `tick`"), fault))?;
        for _ in 0..2 {
            let facts = chance.facts(&rows);
            let asked = bench.ask(&mut instance, &mut clock, &rows, facts);
            tally.count(asked.map_err(|fault| bench.failed(&format!("{place}, `{}`", I::CALL), fault))?.1);
        }
    }
    bench.note(&instance);
    Ok((Status::Holds, tally.evidence(I::CALL, &format!("between {changes} changes of one table"))))
}

fn outcome(chance: &mut Chance, rows: &[Row], clock: &Clock) -> Outcome {
    let kind = OutcomeKind::ALL[chance.0.usize(..OutcomeKind::ALL.len())];
    let status = match kind {
        OutcomeKind::Success => 200,
        OutcomeKind::ClientError => 404,
        OutcomeKind::ServerError => 503,
        _ => 0,
    };
    let key = if chance.0.bool() { Some(chance.0.u64(..)) } else { None };
    let (backend, latency_us) = (chance.0.usize(..rows.len().max(1)) as u32, chance.0.u32(..5_000_000));
    Outcome { backend, kind, status, latency_us, attempt: chance.0.u32(..3), key, at_us: clock.now_us }
}

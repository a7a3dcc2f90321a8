//! State that goes to the next generation: it arrives, and what is none is refused or survived.

use super::asked::Asked;
use super::chance::{self, Chance};
use super::{Bench, Failed, Seen, Status};
use crate::decide::{Fault, FaultKind, Row};
use crate::lab::subject::{Place, own_table};
use crate::lab::world::Clock;

/// Questions before, and after.
const QUESTIONS: u32 = 32;

/// Saved, restored, and answered as before.
pub(super) fn round_trip<I: Asked>(bench: &mut Bench<'_>) -> Seen {
    if !bench.subject.definition.hands_over() {
        return Ok((Status::Skipped, "it exports no `handoff`".to_owned()));
    }
    let (seed, tables) = (bench.options.seed, bench.options.tables.div_ceil(20));
    let (mut chance, mut largest) = (Chance::new(seed, "handoff"), 0);
    for number in 0..tables {
        let place = format!("table {number}");
        let rows = chance.rows();
        let (state, differs) = hand_over::<I>(bench, &rows, &mut chance, &place)?;
        largest = largest.max(state);
        if let Some(differs) = differs {
            return Err(bench.failed(&place, differs));
        }
    }
    let rows = chance.rows();
    for garbage in [&[][..], b"garbage", &[0xff; 64], &[0; 4096]] {
        let mut instance: I = bench.seat(&rows, &chance::load(&rows))?;
        match instance.restore(garbage) {
            Ok(()) => {
                let (mut clock, facts) = (Clock::new(seed), chance.facts(&rows));
                let asked = bench.ask(&mut instance, &mut clock, &rows, facts);
                asked.map_err(|fault| bench.failed("after a state that is none", fault))?;
            }
            Err(Fault { kind: FaultKind::Invalid, .. }) => {}
            Err(fault) => {
                let why =
                    format!("`restore` of {} bytes that are no state does not refuse them: {fault}", garbage.len());
                return Ok((Status::Doubtful, why));
            }
        }
    }
    Ok((Status::Holds, format!("{tables} states of up to {largest} bytes, and what is none")))
}

/// The size of the state, and where the next generation answers otherwise.
fn hand_over<I: Asked>(
    bench: &mut Bench<'_>,
    rows: &[Row],
    chance: &mut Chance,
    place: &str,
) -> Result<(usize, Option<String>), Failed> {
    let (table, loads) = (own_table(), [chance::load(rows), chance::load(rows)]);
    let seat = |load| Place { table: Some(table.clone()), ..Place::of(rows, load) };
    let mut before: I = bench.subject.seat(seat(&loads[0]))?;
    let mut clock = Clock::new(bench.options.seed);
    for _ in 0..QUESTIONS {
        let facts = chance.facts(rows);
        bench.ask(&mut before, &mut clock, rows, facts).map_err(|fault| bench.failed(place, fault))?;
    }
    // Both have taken as many turns.
    for _ in 0..=loads[0].turn() {
        let _ = loads[1].turn();
    }
    let state = before.save().map_err(|fault| bench.failed(&format!("{place}, `save`"), fault))?.unwrap_or_default();
    let mut after: I = bench.subject.seat(seat(&loads[1]))?;
    after.restore(&state).map_err(|fault| bench.failed(&format!("{place}, `restore`"), fault))?;
    for number in 0..QUESTIONS {
        let (random, now_us) = (chance.0.clone(), clock.now_us);
        let seed = chance.0.u64(..);
        let mut verdicts = Vec::new();
        for instance in [&mut before, &mut after] {
            chance.0 = random.clone();
            let mut clock = Clock { now_us, random: fastrand::Rng::with_seed(seed) };
            let facts = chance.facts(rows);
            let asked = bench.ask(instance, &mut clock, rows, facts);
            verdicts.push(asked.map_err(|fault| bench.failed(place, fault))?.1);
        }
        clock.now_us += 2000;
        if verdicts[0] != verdicts[1] {
            let why = format!("question {number} after it: {:?} before, {:?} after", verdicts[0], verdicts[1]);
            return Ok((state.len(), Some(why)));
        }
    }
    Ok((state.len(), None))
}

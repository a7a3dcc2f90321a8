//! State that goes to the next generation: it arrives, and what is none is refused or survived.

use std::sync::Arc;

use super::asked::Asked;
use super::chance::{self, Chance};
use super::{Bench, Failed, Seen, Status};
use crate::decide::{Fault, FaultKind, Verdict};
use crate::lab::clients::Client;
use crate::lab::subject::Place;
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
        // The same world twice; in one of them another generation goes on in the middle.
        let (kept, _) = went_on::<I>(bench, number, false)?;
        let (handed, state) = went_on::<I>(bench, number, true)?;
        largest = largest.max(state);
        if let Some(at) = (0..kept.len()).find(|at| kept[*at] != handed[*at]) {
            let why = format!("question {at} after it: {:?} without, {:?} with it", kept[at], handed[at]);
            return Err(bench.failed(&place, why));
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

/// What was answered after clients were bound, some questions asked, and perhaps a state handed over, of which it is the size.
fn went_on<I: Asked>(bench: &mut Bench<'_>, number: u32, hands_over: bool) -> Result<(Vec<Verdict>, usize), Failed> {
    let (seed, place) = (bench.options.seed.wrapping_add(u64::from(number)), format!("table {number}"));
    let (mut chance, mut clock) = (Chance::new(seed, "handing over"), Clock::new(seed));
    let rows = chance.rows();
    let (table, load) = (bench.subject.table(), chance::load(&rows));
    let place_of = || Place { table: Some(Arc::clone(&table)), ..Place::of(&rows, &load) };
    let mut instance: I = bench.subject.seat(place_of())?;
    let clients = I::settle(&mut instance, bench, &mut clock, &rows)?;
    for _ in 0..QUESTIONS {
        let facts = chance.facts(&rows);
        bench.ask(&mut instance, &mut clock, &rows, facts).map_err(|fault| bench.failed(&place, fault))?;
    }
    let mut size = 0;
    if hands_over {
        let failed = |call: &str, fault: Fault| bench.failed(&format!("{place}, `{call}`"), fault);
        let state = instance.save().map_err(|fault| failed("save", fault))?.unwrap_or_default();
        instance = bench.subject.seat(place_of())?;
        instance.restore(&state).map_err(|fault| failed("restore", fault))?;
        size = state.len();
    }
    let mut verdicts = Vec::new();
    let others = (0..QUESTIONS).map(|_| chance.facts(&rows)).collect::<Vec<_>>();
    for facts in clients.iter().map(Client::facts).chain(others) {
        let asked = bench.ask(&mut instance, &mut clock, &rows, facts);
        verdicts.push(asked.map_err(|fault| bench.failed(&place, fault))?.1);
    }
    Ok((verdicts, size))
}

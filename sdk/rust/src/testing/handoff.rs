//! State that goes from one generation to the next: a check to be called from a plugin's tests.
//!
//! The swap itself is `hand_over` of [`Pool`](super::Pool), [`BoundPool`](super::BoundPool) and [`Route`](super::Route).

use super::{Load, Request, backends, instance, moments, set_load, with_load, with_request};
use crate::draw::{Bits, below};
use crate::{Backend, Balancer, Handoff, Moment, Readiness, Verdict};

/// Bytes of a state that the host hands over.
const MOST_BYTES: usize = 1 << 20;
const IDS: [&str; 7] = ["a", "b", "c", "d", "e", "f", "g"];

/// Over random tables, loads and retries: a fresh instance that takes a state up decides as the one that saved it does
/// from then on. A table of other backends, weights and order is no reason to refuse it. A state that was damaged is at
/// most refused, and so is what is no state.
///
/// # Panics
///
/// When that does not hold, and when a state is larger than the host hands over.
pub fn assert_hands_over<B: Balancer + Handoff>(settings: &str) {
    let mut bits = Bits::new(1);
    for seed in 0..300 {
        let table = table(&mut bits);
        let count = table.len();
        let in_flight = (0..count).map(|_| below(5, bits.next()) as u32).collect();
        let latency_us = (0..count).map(|_| Some(1 + below(9_000, bits.next()) as u32)).collect();
        set_load(Load { in_flight, latency_us, turn: below(1_000, bits.next()), ..Load::default() });
        let asked: Vec<_> = moments(seed)
            .take(60)
            .map(|moment| (Moment { key: Some(moment.random), ..moment }, below(1 << count, bits.next())))
            .collect();
        let (before, after) = asked.split_at(below(50, bits.next()) as usize);

        let mut old = started::<B>(settings, &table);
        decide(&mut old, count, before);
        let mut new = started::<B>(settings, &table);
        let state = saved(&mut old);
        restore(&mut new, &state);
        let load = with_load(|load| load.clone());
        let expected = decide(&mut old, count, after);
        set_load(load);
        assert_eq!(decide(&mut new, count, after), expected, "over {table:?}");

        let other = self::table(&mut bits);
        restore(&mut started::<B>(settings, &other), &state);
        damage::<B>(settings, &table, &state, &mut bits);
    }
}

/// The state, of a size that the host hands over.
pub(super) fn saved<T: Handoff>(plugin: &mut T) -> Vec<u8> {
    let state = plugin.save();
    assert!(state.len() <= MOST_BYTES, "a state of {} bytes; at most {MOST_BYTES} are handed over", state.len());
    state
}

/// Takes it up.
pub(super) fn restore<T: Handoff>(plugin: &mut T, state: &[u8]) {
    if let Err(reason) = plugin.restore(state) {
        panic!("`restore` refused the state: {reason}");
    }
}

/// Cuts the state and changes a byte of it.
fn damage<B: Balancer + Handoff>(settings: &str, table: &[Backend], state: &[u8], bits: &mut Bits) {
    let cut = below(state.len() as u64, bits.next()) as usize;
    let mut changed = state.to_vec();
    if let Some(byte) = changed.get_mut(cut) {
        *byte = bits.next() as u8;
    }
    for state in [&state[..cut], &changed] {
        let mut balancer = started::<B>(settings, table);
        let _ = balancer.restore(state);
        decide(&mut balancer, table.len(), &[(Moment { key: None, random: 1, now_us: 1, attempt: 0 }, 0)]);
    }
}

/// Some backends, in any order, of any readiness.
fn table(bits: &mut Bits) -> Vec<Backend> {
    let mut rows: Vec<_> =
        IDS[..below(8, bits.next()) as usize].iter().map(|id| (*id, below(6, bits.next()) as u32)).collect();
    let first = below(rows.len() as u64, bits.next()) as usize;
    rows.rotate_left(first);
    let mut table = backends(&rows);
    for backend in &mut table {
        if below(4, bits.next()) == 0 {
            backend.readiness = Readiness::Down;
        }
    }
    table
}

fn started<B: Balancer>(settings: &str, table: &[Backend]) -> B {
    match B::configure(settings, &instance(0, 1)) {
        Ok((mut balancer, _)) => {
            balancer.update(table);
            balancer
        }
        Err(reason) => panic!("`configure` refused {settings}: {reason}"),
    }
}

/// The answers: a first try, and a retry after those of the `count` backends that have a bit set.
fn decide<B: Balancer>(balancer: &mut B, count: usize, asked: &[(Moment, u64)]) -> Vec<(Verdict, Verdict)> {
    let answers = |(moment, mask): &(Moment, u64)| {
        let first = with_request(&Request::get("/"), || balancer.pick(*moment));
        let tried = (0..count as u32).filter(|index| mask >> index & 1 == 1).collect();
        let retry = Moment { attempt: 1, ..*moment };
        (first, with_request(&Request { tried, ..Request::get("/") }, || balancer.pick(retry)))
    };
    asked.iter().map(answers).collect()
}

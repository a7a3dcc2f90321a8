//! What must hold of every balancer that picks by key, whatever its order is: checks that panic where it does not.

use std::ops::Range;

use super::spread::{Places, moved};
use super::{Keys, Load, backends, set_load};
use crate::{Backend, Balancer, Readiness, Verdict};

/// A table of so many ready backends `b0`, `b1`, … of weight 1.
pub fn equal(count: u32) -> Vec<Backend> {
    let ids: Vec<_> = (0..count).map(|n| format!("b{n}")).collect();
    let rows: Vec<_> = ids.iter().map(|id| (id.as_str(), 1)).collect();
    backends(&rows)
}

/// A retry goes where an outage would: on along the same order. Without a key, or without a candidate, it passes.
///
/// # Panics
///
/// When it does not.
pub fn assert_walks_on<B: Balancer>(settings: &str) {
    let mut keys = Keys::<B>::new(settings, equal(3));
    let first = position(keys.pick("key", &[]).as_deref());
    let second = keys.pick("key", &[first as u32]);
    assert!(second.is_some(), "nobody for a retry");
    keys.adjust(|table| table[first].readiness = Readiness::Down);
    assert_eq!(keys.pick("key", &[]), second, "an outage asks the same order");
    assert_eq!(keys.pick("key", &[0, 1, 2]), None);
    assert_eq!(keys.without_key(), Verdict::Pass);
    keys.update(Vec::new());
    assert_eq!(keys.pick("key", &[]), None);
}

/// With `settings` that bound the load to this factor, one key for all never loads a backend beyond it.
///
/// # Panics
///
/// When it does.
pub fn assert_bounded<B: Balancer>(settings: &str, factor: f64) {
    set_load(Load::default());
    let mut keys = Keys::<B>::new(settings, equal(10));
    let mut held = vec![0u32; 10];
    for _ in 0..1000 {
        let index = position(keys.pick("the same for all", &[]).as_deref());
        held[index] += 1;
        let limit = (factor * f64::from(held.iter().sum::<u32>()) / 10.0).ceil();
        assert!(f64::from(held[index]) <= limit, "{held:?}");
        set_load(Load { in_flight: held.clone(), ..Load::default() });
    }
}

/// Over a table of these weights, ready or draining: a key has a backend if there is a candidate, an outage of the one at
/// `out` moves its own keys and no others, and they come back.
///
/// # Panics
///
/// When that does not hold.
pub fn assert_outage_moves_its_own<B: Balancer>(settings: &str, rows: &[(u32, bool)], out: usize) {
    let mut table = equal(rows.len() as u32);
    for (backend, (weight, ready)) in table.iter_mut().zip(rows) {
        backend.weight = *weight;
        backend.readiness = if *ready { Readiness::Ready } else { Readiness::Draining };
    }
    let candidates = table.iter().filter(|backend| backend.is_candidate()).count();
    let (id, readiness) = (table[out].id.clone(), table[out].readiness);
    let mut keys = Keys::<B>::new(settings, table);
    let before = keys.places(300);
    assert!(before.iter().all(|place| place.is_some() == (candidates > 0)), "{candidates} candidates: {before:?}");
    keys.adjust(|table| table[out].readiness = Readiness::Down);
    for (before, after) in before.iter().zip(keys.places(300)) {
        assert!(*before == after || before.as_deref() == Some(&id), "{before:?} moved as {id} went");
    }
    keys.adjust(|table| table[out].readiness = readiness);
    assert_eq!(before, keys.places(300), "all is as it was");
}

/// Of 10 and of 100 backends one leaves, and the others stand in another order: its own keys move and no others, and they
/// are within these bounds of an equal share.
///
/// # Panics
///
/// When that does not hold.
pub fn assert_leaving_moves_its_own<B: Balancer>(settings: &str, shares: Range<f64>) {
    for count in [10, 100] {
        let Leaving { gone, before, after } = leave::<B>(settings, count);
        for (before, after) in before.iter().zip(&after) {
            assert!(before == after || before.as_deref() == Some(&gone), "{before:?} moved to {after:?}");
        }
        let share = moved(&before, &after) * f64::from(count);
        assert!(shares.contains(&share), "{count} backends: {share} of a backend's share moved");
    }
}

/// Where 50 000 keys are before and after a backend leaves.
#[derive(Debug)]
pub struct Leaving {
    /// Who leaves.
    pub gone: String,
    /// With it.
    pub before: Places,
    /// Without it.
    pub after: Places,
}

/// One of so many equal backends leaves, and the others stand in another order.
pub fn leave<B: Balancer>(settings: &str, count: u32) -> Leaving {
    let mut table = equal(count);
    let mut keys = Keys::<B>::new(settings, table.clone());
    let before = keys.places(50_000);
    let gone = table.remove(3).id;
    table.reverse();
    keys.update(table);
    Leaving { gone, before, after: keys.places(50_000) }
}

fn position(id: Option<&str>) -> usize {
    match id.and_then(|id| id.strip_prefix('b')?.parse().ok()) {
        Some(position) => position,
        None => panic!("no backend was picked"),
    }
}

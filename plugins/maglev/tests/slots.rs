//! The table of `maglev`, natively: against the pseudocode, the paper's figures, and through outages.

use maglev::{Maglev, Table};
use proptest::prelude::*;
use trimtab_sdk::testing::hashing::{
    Leaving, assert_bounded, assert_outage_moves_its_own, assert_walks_on, equal, leave,
};
use trimtab_sdk::testing::spread::{imbalance, moved};
use trimtab_sdk::testing::{Keys, backends, instance, lines};
use trimtab_sdk::{Backend, Balancer, Readiness};
use xxhash_rust::xxh64::xxh64;

/// Listing 1 of the paper with Envoy's weights, word for word and slow: what `Table` must be.
fn listing(size: u64, table: &[Backend]) -> Vec<u32> {
    let mut entries: Vec<_> = (0..).zip(table).filter(|(_, backend)| backend.weight > 0).collect();
    entries.sort_by_key(|(_, backend)| xxh64(backend.id.as_bytes(), 0));
    let Some(heaviest) = entries.iter().map(|(_, backend)| u64::from(backend.weight)).max() else { return Vec::new() };
    let mut slots = vec![u32::MAX; size as usize];
    let (mut next, mut target) = (vec![0u64; entries.len()], vec![0u64; entries.len()]);
    for round in 1u64.. {
        for (at, (index, backend)) in entries.iter().enumerate() {
            if round * u64::from(backend.weight) < target[at] {
                continue;
            }
            target[at] += heaviest;
            let offset = xxh64(backend.id.as_bytes(), 0) % size;
            let skip = xxh64(backend.id.as_bytes(), 1) % (size - 1) + 1;
            let mut slot = (offset + next[at] * skip) % size;
            while slots[slot as usize] != u32::MAX {
                next[at] += 1;
                slot = (offset + next[at] * skip) % size;
            }
            slots[slot as usize] = *index;
            next[at] += 1;
            if !slots.contains(&u32::MAX) {
                return slots;
            }
        }
    }
    slots
}

#[test]
fn every_backend_has_its_share_of_the_slots() {
    let rows = [("a", 1), ("b", 2), ("c", 5), ("d", 0)];
    let table = Table::new(65_537, &backends(&rows));
    for (index, (id, weight)) in (0..).zip(rows) {
        let share = table.slots().iter().filter(|slot| **slot == index).count() as f64 / 65_537.0;
        assert!((share - f64::from(weight) / 8.0).abs() < 0.001, "{id}: {share} for a weight of {weight}");
    }
}

#[test]
fn equal_backends_differ_by_one_slot() {
    let table = Table::new(65_537, &equal(100));
    let mut counts = vec![0; 100];
    table.slots().iter().for_each(|index| counts[*index as usize] += 1);
    assert!(counts.iter().all(|count| (655..=656).contains(count)), "{counts:?}");
}

/// Where the paper has one of its backends fail it sees a few percent of slots change beside those that must, the fewer
/// the larger the table is (section 5.3).
#[test]
fn what_leaves_moves_little_beside_its_own() {
    for (count, beside) in [(10, 0.02), (100, 0.02), (1000, 0.05)] {
        let Leaving { before, after, .. } = leave::<Maglev>("{}", count);
        let share = moved(&before, &after);
        let own = 1.0 / f64::from(count);
        assert!(share > own * 0.8 && share < own * 1.2 + beside, "{count} backends: {share} moved");
    }
}

#[test]
fn equal_backends_are_even() {
    for (count, most) in [(10, 1.02), (100, 1.10)] {
        let found = imbalance(&Keys::<Maglev>::new("{}", equal(count)).places(200_000), count);
        assert!(found < most, "{count} backends: {found}");
    }
}

/// With 3 of 2000 ready the walk seldom meets one of them, and the last resort must.
#[test]
fn who_is_left_is_found() {
    let mut keys = Keys::<Maglev>::new("{}", equal(2000));
    keys.adjust(|table| table[3..].iter_mut().for_each(|backend| backend.readiness = Readiness::Down));
    let places = keys.places(3000);
    assert!(places.iter().all(Option::is_some));
    assert!(imbalance(&places, 3) < 1.2, "{}", imbalance(&places, 3));
    assert!(keys.pick("key", &[0, 1]).is_some());
    assert_eq!(keys.pick("key", &[0, 1, 2]), None);
}

#[test]
fn one_heavy_backend_beside_ten_thousand_is_no_trouble() {
    let mut table = equal(10_000);
    table[0].weight = 65_535;
    let table = Table::new(65_537, &table);
    let light = table.slots().iter().filter(|index| **index != 0).count();
    assert!((9_999..=20_000).contains(&light), "{light}");
}

#[test]
fn the_bound_moves_what_is_too_much() {
    assert_bounded::<Maglev>(r#"{"bounded_load": 1.5}"#, 1.5);
}

#[test]
fn settings_are_checked() {
    let refused = |settings| Maglev::configure(settings, &instance(0, 1)).expect_err(settings);
    assert!(refused(r#"{"table_size": 65536}"#).ends_with("try 65537"));
    assert!(refused(r#"{"bounded_load": 0.9}"#).contains("must be 1 or more"));
    assert!(refused(r#"{"size": 3}"#).contains("unknown field `size`"));
    let mut keys = Keys::<Maglev>::new(r#"{"table_size": 3}"#, equal(5));
    assert!(lines().concat().contains("5 backends in a table of 3"));
    assert!(keys.pick("key", &[]).is_some());
}

#[test]
fn a_retry_walks_on_and_without_a_key_it_passes() {
    assert_walks_on::<Maglev>("{}");
}

proptest! {
    #[test]
    fn it_is_the_table_of_the_listing(weights in proptest::collection::vec(0u32..30, 0..12), size in 0usize..4) {
        let size = [3, 31, 251, 509][size];
        let mut table = equal(weights.len() as u32);
        table.iter_mut().zip(&weights).for_each(|(backend, weight)| backend.weight = *weight);
        let built = Table::new(size, &table);
        prop_assert_eq!(built.slots(), listing(u64::from(size), &table));
    }

    /// Whatever the table: a key has a backend if there is a candidate, an outage moves the keys of who
    /// is out alone, and they come back.
    #[test]
    fn an_outage_moves_its_own_keys(
        rows in proptest::collection::vec((0u32..4, any::<bool>()), 1..12),
        out in any::<proptest::sample::Index>(),
    ) {
        assert_outage_moves_its_own::<Maglev>(r#"{"table_size": 251}"#, &rows, out.index(rows.len()));
    }
}

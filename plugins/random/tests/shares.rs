//! The shares of `random`, natively, over long runs and through retries.

use std::collections::BTreeMap;

use proptest::prelude::*;
use random::Random;
use trimtab_sdk::testing::{Pool, assert_answers, assert_large_tables, instance, large_table, moments};
use trimtab_sdk::{Balancer, Readiness, Verdict};

const IDS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

/// How often each backend was answered.
fn counts(times: usize, mut pick: impl FnMut() -> Option<String>) -> BTreeMap<String, f64> {
    let mut counts = BTreeMap::new();
    for _ in 0..times {
        *counts.entry(pick().expect("a candidate")).or_insert(0.0) += 1.0;
    }
    counts
}

/// Each count within six standard deviations (and six picks) of its share of the weights.
fn assert_shares(counts: &BTreeMap<String, f64>, shares: &[(&str, u32)]) {
    let total: f64 = shares.iter().map(|(_, weight)| f64::from(*weight)).sum();
    let times: f64 = counts.values().sum();
    for (id, weight) in shares {
        let expected = times * f64::from(*weight) / total;
        let count = counts.get(*id).copied().unwrap_or(0.0);
        assert!((count - expected).abs() <= 6.0 * expected.sqrt() + 6.0, "{id}: {count} of {expected}");
    }
    assert!(counts.keys().all(|id| shares.iter().any(|(known, _)| known == id)), "{counts:?}");
}

#[test]
fn shares_follow_the_weights_over_any_number_of_workers() {
    let rows = [("a", 5), ("b", 0), ("c", 2), ("d", 1)];
    for workers in 1..=3 {
        let mut pool = Pool::<Random>::with_workers(workers, "{}", &rows);
        assert_shares(&counts(50_000, || pool.pick()), &rows);
    }
}

#[test]
fn the_share_of_a_failing_backend_goes_to_the_others_by_weight() {
    let mut pool = Pool::<Random>::new("{}", &[("a", 9), ("b", 2), ("c", 1)]);
    assert_shares(&counts(20_000, || pool.retry(&["a"])), &[("b", 2), ("c", 1)]);
    assert_eq!(pool.retry(&["a", "c"]).as_deref(), Some("b"));
    assert_eq!(pool.retry(&["a", "b", "c"]), None);
}

#[test]
fn only_ready_backends_of_some_weight_are_candidates() {
    let mut pool = Pool::<Random>::new("{}", &[("a", 1), ("b", 1), ("c", 0)]);
    pool.mark("a", Readiness::Draining);
    assert_eq!(pool.picks(3), "b b b");
    pool.mark("b", Readiness::Down);
    assert_eq!((pool.pick(), pool.retry(&[])), (None, None), "no candidate is no opinion");
    pool.weigh("c", 2);
    assert_eq!(pool.picks(2), "c c");
    pool.replace(&[]);
    assert_eq!(pool.pick(), None);
}

#[test]
fn the_same_chance_is_the_same_pick() {
    let mut pools = [1, 1].map(|_| Pool::<Random>::new("{}", &[("a", 1), ("b", 2), ("c", 3)]));
    assert_eq!(pools[0].picks(50), pools[1].picks(50));
}

#[test]
fn settings_are_refused() {
    let error = Random::configure(r#"{"seed":5}"#, &instance(0, 1)).expect_err("a setting");
    assert!(error.contains("seed"), "{error}");
}

#[test]
fn the_contract_is_kept() {
    assert_answers::<Random>("{}");
    assert_large_tables::<Random>("{}");
}

/// The shares of ten thousand backends, summed by weight.
#[test]
fn large_tables_keep_their_shares() {
    let table = large_table(10_000);
    let (mut random, _) = Random::configure("{}", &instance(0, 1)).expect("no settings");
    random.update(&table);
    let mut expected = [0.0f64; 7];
    table
        .iter()
        .filter(|backend| backend.is_candidate())
        .for_each(|b| expected[b.weight as usize] += f64::from(b.weight));
    let total: f64 = expected.iter().sum();
    let mut counts = [0.0f64; 7];
    for moment in moments(3).take(100_000) {
        let Verdict::Backend(index) = random.pick(moment) else { panic!("no candidate") };
        counts[table[index as usize].weight as usize] += 1.0;
    }
    for (count, weight) in counts.iter().zip(expected) {
        let share = 100_000.0 * weight / total;
        assert!((count - share).abs() <= 5.0 * share.sqrt(), "{counts:?}");
    }
}

proptest! {
    /// Whatever the weights, shares follow them.
    #[test]
    fn shares_follow_any_weights(weights in proptest::collection::vec(0u32..1_000, 1..6)) {
        prop_assume!(weights.iter().any(|weight| *weight > 0));
        let rows: Vec<_> = IDS.iter().copied().zip(weights).collect();
        let mut pool = Pool::<Random>::new("{}", &rows);
        assert_shares(&counts(3_000, || pool.pick()), &rows);
    }
}

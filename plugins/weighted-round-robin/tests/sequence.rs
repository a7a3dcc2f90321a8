//! The sequence of `weighted-round-robin`, natively: against nginx's algorithm, and through changes.

use proptest::prelude::*;
use trimtab_sdk::testing::{Pool, assert_answers, assert_hands_over, assert_large_tables, instance, large_table};
use trimtab_sdk::{Balancer, Handoff, Readiness};
use weighted_round_robin::{WeightedRoundRobin, sequence};

const IDS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

#[test]
fn five_one_one_is_the_sequence_of_nginx_over_any_number_of_workers() {
    for workers in 1..=4 {
        let mut pool = Pool::<WeightedRoundRobin>::with_workers(workers, "{}", &[("a", 5), ("b", 1), ("c", 1)]);
        assert_eq!(pool.picks(14), "a a b a c a a a a b a c a a", "{workers} workers");
    }
}

#[test]
fn equal_weights_are_plain_round_robin() {
    let mut pool = Pool::<WeightedRoundRobin>::new("{}", &[("a", 7), ("b", 7), ("c", 7)]);
    assert_eq!(pool.picks(6), "a b c a b c");
}

#[test]
fn only_ready_backends_of_some_weight_are_candidates() {
    let mut pool = Pool::<WeightedRoundRobin>::new("{}", &[("a", 5), ("b", 1), ("c", 0)]);
    pool.mark("a", Readiness::Draining);
    assert_eq!(pool.picks(3), "b b b");
    pool.mark("b", Readiness::Down);
    assert_eq!(pool.pick(), None, "no candidate is no opinion");
    pool.weigh("c", 2);
    assert_eq!(pool.picks(2), "c c");
    pool.replace(&[]);
    assert_eq!((pool.pick(), pool.retry(&[])), (None, None));
}

#[test]
fn the_share_of_a_failing_backend_goes_to_the_others_by_weight() {
    let mut pool = Pool::<WeightedRoundRobin>::new("{}", &[("a", 5), ("b", 2), ("c", 1)]);
    let retries: Vec<_> = (0..6).map(|_| pool.retry(&["a"]).expect("others are ready")).collect();
    assert_eq!(retries.iter().filter(|id| *id == "b").count(), 4, "{retries:?}");
    assert_eq!(pool.retry(&["a", "b"]).as_deref(), Some("c"));
    assert_eq!(pool.retry(&["a", "b", "c"]), None);
    assert_eq!(pool.pick().as_deref(), Some("a"), "retries take no turn");
}

#[test]
fn huge_weights_keep_their_shares_in_bounded_memory() {
    let candidates: Vec<_> = (0..1000).map(|index| (index, 1 + (index * 7919) % 65_535)).collect();
    let total: f64 = candidates.iter().map(|(_, weight)| f64::from(*weight)).sum();
    let sequence = sequence(&candidates);
    assert!((65_536..=65_536 + 1000).contains(&sequence.len()), "{} positions", sequence.len());
    let mut counts = vec![0u32; 1000];
    sequence.iter().for_each(|index| counts[*index as usize] += 1);
    for ((index, weight), count) in candidates.iter().zip(&counts) {
        let expected = f64::from(*weight) / total * 65_536.0;
        assert!((f64::from(*count) - expected).abs() <= 1.0, "{index}: {count} of {expected}");
        assert!(*count > 0);
    }
}

#[test]
fn the_contract_is_kept() {
    assert_answers::<WeightedRoundRobin>("{}");
    assert_large_tables::<WeightedRoundRobin>("{}");
    assert_hands_over::<WeightedRoundRobin>("{}");
}

#[test]
fn a_swap_goes_on_exactly_where_it_was() {
    let rows = [("a", 5), ("b", 1), ("c", 1)];
    for before in 0..14 {
        let mut pool = Pool::<WeightedRoundRobin>::with_workers(2, "{}", &rows);
        let first = pool.picks(before);
        pool.hand_over();
        let picks = format!("{first} {}", pool.picks(14 - before));
        assert_eq!(picks.trim(), "a a b a c a a a a b a c a a", "after {before}");
    }
    // The retries of each worker have a place of their own.
    let retries = |swaps: bool| {
        let mut pool = Pool::<WeightedRoundRobin>::with_workers(2, "{}", &[("a", 5), ("b", 2), ("c", 1), ("d", 4)]);
        let mut retry = |nth: usize| {
            if swaps && nth.is_multiple_of(5) {
                pool.hand_over();
            }
            pool.retry(&[["a", "b"][nth % 2]]).expect("others are ready")
        };
        (0..60).map(&mut retry).collect::<Vec<_>>()
    };
    assert_eq!(retries(true), retries(false));
}

#[test]
fn known_backends_keep_what_they_are_owed_in_another_table() {
    for before in 0..8 {
        let mut pool = Pool::<WeightedRoundRobin>::new("{}", &[("x", 8), ("a", 5), ("b", 2), ("c", 1)]);
        let mut counts = [0; 4];
        let mut retry = |pool: &mut Pool<WeightedRoundRobin>, times: usize| {
            for _ in 0..times {
                let id = pool.retry(&["x"]).expect("others are ready");
                counts[IDS.iter().position(|other| *other == id).expect("an id")] += 1;
            }
        };
        retry(&mut pool, before);
        pool.hand_over_to(&[("c", 1), ("d", 0), ("b", 2), ("x", 8), ("a", 5)]);
        retry(&mut pool, 8 - before);
        for (count, weight) in counts.into_iter().zip([5, 2, 1, 0]) {
            assert!(i32::abs_diff(count, weight) <= 1, "{counts:?} after {before}");
        }
    }
}

#[test]
fn a_large_table_is_a_small_state() {
    let table = large_table(10_000);
    let started = || {
        let (mut balancer, _) = WeightedRoundRobin::configure("{}", &instance(0, 1)).expect("good settings");
        balancer.update(&table);
        balancer
    };
    let state = started().save();
    assert!(state.len() < 128 << 10, "{} bytes", state.len());
    started().restore(&state).expect("a state of its own");
}

#[test]
fn a_state_of_another_version_is_refused() {
    let mut pool = Pool::<WeightedRoundRobin>::new("{}", &[("a", 1)]);
    let mut state = pool.saved(0);
    state[0] = 9;
    let (mut balancer, _) = WeightedRoundRobin::configure("{}", &instance(0, 1)).expect("good settings");
    assert!(balancer.restore(&state).is_err_and(|error| error.contains("version 9")));
}

#[test]
fn settings_are_refused() {
    let error = WeightedRoundRobin::configure(r#"{"slow":true}"#, &instance(0, 1)).expect_err("a setting");
    assert!(error.contains("slow"), "{error}");
}

/// nginx's algorithm, pick by pick, on unreduced weights.
fn nginx(weights: &[u32], picks: usize) -> Vec<u32> {
    let total: i64 = weights.iter().map(|weight| i64::from(*weight)).sum();
    let mut current = vec![0i64; weights.len()];
    let mut pick = || {
        current.iter_mut().zip(weights).for_each(|(current, weight)| *current += i64::from(*weight));
        let best = (0..current.len()).rev().max_by_key(|at| current[*at]).expect("candidates");
        current[best] -= total;
        best as u32
    };
    (0..picks).map(|_| pick()).collect()
}

/// Picks of each of `IDS`, as far as `rows` go.
fn counts(pool: &mut Pool<WeightedRoundRobin>, ids: usize, picks: usize) -> Vec<f64> {
    let mut counts = vec![0.0; ids];
    for _ in 0..picks {
        let id = pool.pick().expect("a candidate");
        counts[IDS.iter().position(|other| *other == id).expect("an id")] += 1.0;
    }
    counts
}

proptest! {
    #[test]
    fn it_is_the_sequence_of_nginx(weights in proptest::collection::vec(1u32..40, 1..6), factor in 1u32..5) {
        let weights: Vec<_> = weights.iter().map(|weight| weight * factor).collect();
        let candidates: Vec<_> = (0..).zip(weights.iter().copied()).collect();
        let sequence = sequence(&candidates);
        let twice: Vec<_> = sequence.iter().chain(&sequence).copied().collect();
        prop_assert_eq!(nginx(&weights, twice.len()), twice);
    }

    /// Over a change of weights nobody gets a burst: each count stays near the sum of its shares
    /// before and after.
    #[test]
    fn a_change_of_weights_is_no_burst(
        weights in proptest::collection::vec((1u32..30, 1u32..30), 2..6),
        before in 1usize..60,
        after in 1usize..60,
        workers in 1u32..3,
    ) {
        let rows: Vec<_> = IDS.iter().zip(&weights).map(|(id, (old, _))| (*id, *old)).collect();
        let totals = weights.iter().fold((0, 0), |sum, (old, new)| (sum.0 + old, sum.1 + new));
        let mut pool = Pool::<WeightedRoundRobin>::with_workers(workers, "{}", &rows);
        let first = counts(&mut pool, rows.len(), before);
        for (id, (_, new)) in IDS.iter().zip(&weights) {
            pool.weigh(id, *new);
        }
        let second = counts(&mut pool, rows.len(), after);
        for (at, (old, new)) in weights.iter().enumerate() {
            let share = f64::from(*old) / f64::from(totals.0) * before as f64
                + f64::from(*new) / f64::from(totals.1) * after as f64;
            let picked = first[at] + second[at];
            prop_assert!((picked - share).abs() < 4.0, "{}: {picked} picks for a share of {share}", IDS[at]);
        }
    }
}

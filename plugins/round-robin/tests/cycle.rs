//! The cycle of `round-robin`, natively, as the host would drive it.

use std::collections::BTreeMap;

use proptest::prelude::*;
use round_robin::RoundRobin;
use trimtab_sdk::testing::{Pool, assert_answers, assert_large_tables, instance};
use trimtab_sdk::{Balancer, Readiness};

const ABC: [(&str, u32); 3] = [("a", 1), ("b", 1), ("c", 1)];
const IDS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

#[test]
fn six_picks_go_round_twice_over_any_number_of_workers() {
    for workers in 1..=4 {
        let mut pool = Pool::<RoundRobin>::with_workers(workers, "{}", &ABC);
        assert_eq!(pool.picks(6), "a b c a b c", "{workers} workers");
    }
}

#[test]
fn only_ready_backends_of_some_weight_are_candidates() {
    let mut pool = Pool::<RoundRobin>::new("{}", &ABC);
    pool.mark("b", Readiness::Draining);
    assert_eq!(pool.picks(4), "a c a c");
    pool.mark("b", Readiness::Ready);
    pool.weigh("a", 0);
    assert_eq!(pool.picks(4), "b c b c");
    pool.mark("b", Readiness::Down);
    pool.mark("c", Readiness::Down);
    assert_eq!(pool.pick(), None, "no candidate is no opinion");
    pool.replace(&[]);
    assert_eq!(pool.pick(), None, "nor is an empty table");
    assert_eq!(pool.retry(&[]), None);
}

#[test]
fn the_share_of_a_failing_backend_goes_to_all_others() {
    let mut pool = Pool::<RoundRobin>::new("{}", &ABC);
    let retries: Vec<_> = (0..4).map(|_| pool.retry(&["b"]).expect("others are ready")).collect();
    assert_eq!(retries.join(" "), "a c a c");
    assert_eq!(pool.picks(3), "a b c", "retries take no turn");
    assert_eq!(pool.retry(&["a", "b", "c"]), None);
}

#[test]
fn settings_are_refused() {
    let error = RoundRobin::configure(r#"{"percent":5}"#, &instance(0, 1)).expect_err("a setting");
    assert!(error.contains("percent"), "{error}");
}

#[test]
fn the_contract_is_kept() {
    assert_answers::<RoundRobin>("{}");
    assert_large_tables::<RoundRobin>("{}");
}

proptest! {
    /// A change of the table loses no turn: whatever changes between picks, retries and picks without a candidate
    /// among them, the nth pick is the nth of the cycle that holds then.
    #[test]
    fn a_change_loses_no_turn(
        changes in proptest::collection::vec((proptest::sample::subsequence(&IDS[..], 0..=6), any::<bool>(), 0usize..8), 1..8),
        workers in 1u32..4,
    ) {
        let mut pool = Pool::<RoundRobin>::with_workers(workers, "{}", &[]);
        let mut turn = 0;
        for (ids, by_update, picks) in changes {
            if by_update {
                let rows: Vec<_> = ids.iter().map(|id| (*id, 1)).collect();
                pool.replace(&rows);
            } else {
                let rows: Vec<_> = IDS.iter().map(|id| (*id, 1)).collect();
                pool.replace(&rows);
                for id in IDS.iter().filter(|id| !ids.contains(id)) {
                    pool.mark(id, Readiness::Down);
                }
            }
            for _ in 0..picks {
                let expected = (!ids.is_empty()).then(|| ids[turn % ids.len()].to_owned());
                prop_assert_eq!(pool.pick(), expected);
                turn += usize::from(!ids.is_empty());
                ids.first().map(|id| pool.retry(&[id]));
            }
        }
    }

    /// Whatever the table, a window as long as the cycle holds every candidate once and nobody else.
    #[test]
    fn every_window_holds_every_candidate_once(
        table in proptest::collection::vec((0u32..3, any::<bool>()), 1..6),
        before in 0usize..20,
        workers in 1u32..4,
    ) {
        let rows: Vec<_> = IDS.iter().zip(&table).map(|(id, (weight, _))| (*id, *weight)).collect();
        let mut pool = Pool::<RoundRobin>::with_workers(workers, "{}", &rows);
        for (id, (_, down)) in IDS.iter().zip(&table) {
            pool.mark(id, if *down { Readiness::Down } else { Readiness::Ready });
        }
        let expected: BTreeMap<String, u32> = IDS
            .iter()
            .zip(&table)
            .filter(|(_, (weight, down))| *weight > 0 && !down)
            .map(|(id, _)| ((*id).to_owned(), 1))
            .collect();
        pool.picks(before);
        let mut picked = BTreeMap::new();
        for _ in 0..expected.len() {
            *picked.entry(pool.pick().expect("a candidate")).or_insert(0) += 1;
        }
        prop_assert_eq!(picked, expected);
    }

    /// A retry finds an untried candidate whenever there is one (the kit checks that it is untried).
    #[test]
    fn a_retry_finds_whoever_is_left(tried in proptest::sample::subsequence(&IDS[..4], 0..=4), before in 0usize..9) {
        let mut pool = Pool::<RoundRobin>::new("{}", &[("a", 1), ("b", 1), ("c", 1), ("d", 1)]);
        (0..before).for_each(|_| drop(pool.retry(&["a"])));
        prop_assert_eq!(pool.retry(&tried).is_some(), tried.len() < 4);
    }
}

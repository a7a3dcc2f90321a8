//! How `first` fills a pool, natively.

use first::First;
use proptest::prelude::*;
use trimtab_sdk::testing::{Load, Pool, assert_answers, assert_large_tables, instance, set_load};
use trimtab_sdk::{Balancer, Readiness};

const IDS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];

fn loaded(in_flight: &[u32]) {
    set_load(Load { in_flight: in_flight.to_vec(), ..Load::default() });
}

#[test]
fn backends_fill_in_order_over_any_number_of_workers() {
    for workers in 1..=3 {
        let rows: Vec<_> = IDS.iter().map(|id| (*id, 1)).collect();
        let mut pool = Pool::<First>::with_workers(workers, r#"{"max_in_flight":2}"#, &rows);
        let mut in_flight = [0; 8];
        let mut order = Vec::new();
        for _ in 0..17 {
            loaded(&in_flight);
            let id = pool.pick();
            if let Some(at) = IDS.iter().position(|other| Some(*other) == id.as_deref()) {
                in_flight[at] += 1;
            }
            order.push(id.unwrap_or_else(|| "-".to_owned()));
        }
        assert_eq!(order.join(" "), "a a b b c c d d e e f f g g h h -", "when all are full it has no opinion");
    }
}

#[test]
fn a_hundred_is_the_default() {
    let mut pool = Pool::<First>::new("{}", &[("a", 1), ("b", 1)]);
    loaded(&[99, 0]);
    assert_eq!(pool.pick().as_deref(), Some("a"));
    loaded(&[100, 0]);
    assert_eq!(pool.pick().as_deref(), Some("b"));
}

#[test]
fn who_is_gone_or_tried_is_skipped() {
    let mut pool = Pool::<First>::new("{}", &[("a", 1), ("b", 1), ("c", 0), ("d", 1)]);
    assert_eq!(pool.retry(&["a"]).as_deref(), Some("b"));
    assert_eq!(pool.retry(&["a", "b"]).as_deref(), Some("d"));
    assert_eq!(pool.retry(&["a", "b", "d"]), None);
    pool.mark("a", Readiness::Draining);
    assert_eq!(pool.picks(2), "b b");
}

#[test]
fn the_contract_is_kept() {
    assert_answers::<First>("{}");
    assert_large_tables::<First>("{}");
}

#[test]
fn wrong_settings_are_named() {
    for settings in [r#"{"max_in_flight":0}"#, r#"{"max_in_flights":5}"#, r#"{"max_in_flight":"many"}"#] {
        let error = First::configure(settings, &instance(0, 1)).expect_err(settings);
        assert!(error.contains("max_in_flight") || error.contains("string"), "{error}");
    }
}

proptest! {
    /// Everybody before the one picked is full, and the one picked is not.
    #[test]
    fn it_is_the_first_with_room(in_flight in proptest::collection::vec(0u32..4, 1..8)) {
        let rows: Vec<_> = IDS.iter().take(in_flight.len()).map(|id| (*id, 1)).collect();
        let mut pool = Pool::<First>::new(r#"{"max_in_flight":3}"#, &rows);
        loaded(&in_flight);
        let expected = in_flight.iter().position(|count| *count < 3).map(|at| IDS[at].to_owned());
        prop_assert_eq!(pool.pick(), expected);
    }
}

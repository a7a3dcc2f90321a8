//! What `least-connections` answers, natively: the minimum, ties by chance, no herd.

use least_connections::LeastConnections;
use proptest::prelude::*;
use trimtab_sdk::testing::{Load, Pool, assert_answers, assert_large_tables, backends, instance, moments, set_load};
use trimtab_sdk::{Balancer, Verdict};

const IDS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

fn loaded(in_flight: &[u32]) {
    set_load(Load { in_flight: in_flight.to_vec(), ..Load::default() });
}

/// Picks so often, each request staying in flight, and answers what is in flight then.
fn fill(pool: &mut Pool<LeastConnections>, in_flight: &[u32], times: usize) -> Vec<u32> {
    let mut in_flight = in_flight.to_vec();
    for _ in 0..times {
        loaded(&in_flight);
        let id = pool.pick().expect("a candidate");
        in_flight[IDS.iter().position(|other| *other == id).expect("an id")] += 1;
    }
    in_flight
}

#[test]
fn the_fewest_in_flight_by_weight_are_picked() {
    let mut pool = Pool::<LeastConnections>::new("{}", &[("a", 1), ("b", 3), ("c", 1)]);
    loaded(&[1, 2, 1]);
    assert_eq!(pool.picks(5), "b b b b b");
    loaded(&[0, 2, 1]);
    assert_eq!(pool.picks(5), "a a a a a");
    loaded(&[9, 100, 9]);
    assert_eq!(pool.retry(&["a"]).as_deref(), Some("c"));
    assert_eq!(pool.retry(&["a", "c"]).as_deref(), Some("b"));
    assert_eq!(pool.retry(&["a", "b", "c"]), None);
}

#[test]
fn an_idle_pool_is_shared_by_weight() {
    let mut pool = Pool::<LeastConnections>::with_workers(2, "{}", &[("a", 3), ("b", 1), ("c", 1), ("d", 1)]);
    loaded(&[0; 4]);
    let picks = pool.picks(30_000);
    for (id, expected) in [("a", 15_000.0), ("b", 5_000.0), ("c", 5_000.0), ("d", 5_000.0)] {
        let count = picks.split(' ').filter(|pick| *pick == id).count() as f64;
        assert!((count - expected).abs() < 5.0 * f64::sqrt(expected), "{id}: {count}");
    }
}

/// Sixteen workers that decide on the same numbers spread over the idle backends; none gets more than chance gives.
#[test]
fn deciding_at_once_is_no_herd() {
    let table: Vec<_> = (0..20).map(|index| (format!("b{index}"), 1)).collect();
    let rows: Vec<_> = table.iter().map(|(id, weight)| (id.as_str(), *weight)).collect();
    let mut pool = Pool::<LeastConnections>::with_workers(16, "{}", &rows);
    loaded(&[3, 3, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let mut most = 0;
    for _ in 0..500 {
        let mut at_once = [0; 20];
        for _ in 0..16 {
            let id = pool.pick().expect("a candidate");
            at_once[rows.iter().position(|(other, _)| *other == id).expect("an id")] += 1;
        }
        assert_eq!(at_once[..4], [0; 4], "busy backends wait");
        most += at_once.iter().max().expect("twenty");
    }
    // Sixteen balls in sixteen bins: the fullest holds about three.
    assert!(most < 500 * 4, "on average {} of 16 to the same", f64::from(most) / 500.0);
}

/// Over a long run where nothing ends everybody holds its share, to the request.
#[test]
fn what_is_in_flight_follows_the_weights() {
    let mut pool = Pool::<LeastConnections>::with_workers(3, "{}", &[("a", 4), ("b", 2), ("c", 1)]);
    assert_eq!(fill(&mut pool, &[0, 0, 0], 7_000), [4_000, 2_000, 1_000]);
    assert_eq!(fill(&mut pool, &[4_000, 2_000, 0], 1_000), [4_000, 2_000, 1_000], "who is behind catches up");
}

#[test]
fn the_contract_is_kept() {
    assert_answers::<LeastConnections>("{}");
    assert_large_tables::<LeastConnections>("{}");
    let error = LeastConnections::configure(r#"{"slow":1}"#, &instance(0, 1)).expect_err("a setting");
    assert!(error.contains("slow"), "{error}");
}

proptest! {
    /// Nobody has fewer in flight by weight than the one picked.
    #[test]
    fn it_is_the_minimum(rows in proptest::collection::vec((0u32..9, 0u32..50), 1..6), seed: u64) {
        let (weights, in_flight): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
        let table: Vec<_> = IDS.iter().copied().zip(weights.iter().copied()).collect();
        let (mut balancer, _) = LeastConnections::configure("{}", &instance(0, 1)).expect("no settings");
        balancer.update(&backends(&table));
        loaded(&in_flight);
        let load = |at: usize| f64::from(in_flight[at]) / f64::from(weights[at]);
        for moment in moments(seed).take(5) {
            match balancer.pick(moment) {
                Verdict::Backend(index) => {
                    let least = (0..weights.len()).filter(|at| weights[*at] > 0).map(load).fold(f64::MAX, f64::min);
                    prop_assert_eq!(load(index as usize), least);
                }
                verdict => prop_assert!(verdict == Verdict::Pass && weights.iter().all(|weight| *weight == 0)),
            }
        }
    }
}

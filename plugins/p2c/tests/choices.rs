//! What `p2c` answers, natively: the less loaded of distinct draws, and how even that makes a pool.

use p2c::P2c;
use proptest::prelude::*;
use trimtab_sdk::testing::{Load, Pool, assert_answers, assert_large_tables, backends, instance, moments, set_load};
use trimtab_sdk::{Balancer, Verdict};

fn loaded(in_flight: &[u32]) {
    set_load(Load { in_flight: in_flight.to_vec(), ..Load::default() });
}

fn balancer(settings: &str, rows: &[(&str, u32)]) -> P2c {
    let (mut balancer, _) = P2c::configure(settings, &instance(0, 1)).expect("good settings");
    balancer.update(&backends(rows));
    balancer
}

/// Picks so often, each request staying in flight, and answers what is in flight then.
fn fill(balancer: &mut P2c, backends: usize, times: usize) -> Vec<u32> {
    let mut in_flight = vec![0; backends];
    for moment in moments(5).take(times) {
        loaded(&in_flight);
        let Verdict::Backend(index) = balancer.pick(moment) else { panic!("no candidate") };
        in_flight[index as usize] += 1;
    }
    in_flight
}

#[test]
fn two_draws_are_distinct() {
    let mut pool = Pool::<P2c>::new("{}", &[("a", 65_535), ("b", 1)]);
    loaded(&[65_535, 0]);
    assert_eq!(pool.picks(200), ["b"; 200].join(" "), "both are always drawn");
    loaded(&[65_534, 1]);
    assert_eq!(pool.picks(200), ["a"; 200].join(" "), "and the load is by weight");
}

#[test]
fn an_idle_pool_is_shared_by_weight() {
    let mut pool = Pool::<P2c>::with_workers(2, "{}", &[("a", 4), ("b", 1), ("c", 1)]);
    loaded(&[0; 3]);
    let picks = pool.picks(30_000);
    for (id, expected) in [("a", 20_000.0), ("b", 5_000.0), ("c", 5_000.0)] {
        let count = picks.split(' ').filter(|pick| *pick == id).count() as f64;
        assert!((count - expected).abs() < 5.0 * f64::sqrt(expected), "{id}: {count}");
    }
}

#[test]
fn retries_go_to_the_less_loaded_of_those_left() {
    let mut pool = Pool::<P2c>::new("{}", &[("a", 1), ("b", 1), ("c", 1)]);
    loaded(&[0, 5, 4]);
    assert_eq!(pool.retry(&["a"]).as_deref(), Some("c"), "the two that are left are both drawn");
    assert_eq!(pool.retry(&["a", "c"]).as_deref(), Some("b"));
    assert_eq!(pool.retry(&["a", "b", "c"]), None);
}

#[test]
fn as_many_choices_as_backends_are_least_connections() {
    let mut pool = Pool::<P2c>::new(r#"{"choices":16}"#, &[("a", 1), ("b", 1), ("c", 1), ("d", 1)]);
    loaded(&[3, 2, 1, 2]);
    assert_eq!(pool.picks(100), ["c"; 100].join(" "));
}

/// A hundred backends after 10 000 requests that stay: chance alone is 30 above the mean, two choices are below 5.
#[test]
fn two_choices_are_even_and_more_are_more_even() {
    let table: Vec<_> = (0..100).map(|index| (format!("b{index}"), 1)).collect();
    let rows: Vec<_> = table.iter().map(|(id, weight)| (id.as_str(), *weight)).collect();
    let above = |settings| fill(&mut balancer(settings, &rows), 100, 10_000).into_iter().max().expect("some") - 100;
    let (two, four) = (above("{}"), above(r#"{"choices":4}"#));
    assert!(two <= 4, "{two} above the mean");
    assert!(four <= 2 && four <= two, "{four} above the mean");
}

#[test]
fn what_is_in_flight_follows_the_weights() {
    let rows = [("a", 8), ("b", 4), ("c", 2), ("d", 1), ("e", 1)];
    let in_flight = fill(&mut balancer("{}", &rows), 5, 16_000);
    for (count, (id, weight)) in in_flight.iter().zip(rows) {
        let expected = weight * 1_000;
        assert!(count.abs_diff(expected) < 50, "{id}: {count} of {expected}");
    }
}

#[test]
fn the_contract_is_kept() {
    assert_answers::<P2c>("{}");
    assert_answers::<P2c>(r#"{"choices":5}"#);
    assert_large_tables::<P2c>(r#"{"choices":16}"#);
}

#[test]
fn wrong_settings_are_named() {
    for (settings, word) in
        [(r#"{"choice":3}"#, "choice"), (r#"{"choices":1}"#, "2 to 16"), (r#"{"choices":17}"#, "2 to 16")]
    {
        let error = P2c::configure(settings, &instance(0, 1)).expect_err(settings);
        assert!(error.contains(word), "{error}");
    }
}

proptest! {
    /// With c choices, none of the c - 1 most loaded candidates is ever picked.
    #[test]
    fn the_most_loaded_are_never_picked(count in 1usize..12, choices in 2usize..6, seed: u64) {
        let ids: Vec<_> = (0..count).map(|index| format!("b{index}")).collect();
        let rows: Vec<_> = ids.iter().map(|id| (id.as_str(), 1)).collect();
        let mut balancer = balancer(&format!(r#"{{"choices":{choices}}}"#), &rows);
        let in_flight: Vec<u32> = (0..count as u32).collect();
        loaded(&in_flight);
        let limit = count.saturating_sub(choices - 1).max(1);
        for moment in moments(seed).take(30) {
            let Verdict::Backend(index) = balancer.pick(moment) else { panic!("no candidate") };
            prop_assert!((index as usize) < limit, "{index} of {count} with {choices} choices");
        }
    }
}

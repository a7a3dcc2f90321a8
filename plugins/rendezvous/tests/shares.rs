//! The shares of `rendezvous`, natively: by weight, and moved by nothing but their own backend.

use proptest::prelude::*;
use rendezvous::Rendezvous;
use trimtab_sdk::Balancer;
use trimtab_sdk::testing::hashing::{
    assert_bounded, assert_leaving_moves_its_own, assert_outage_moves_its_own, assert_walks_on, equal,
};
use trimtab_sdk::testing::spread::{counts, imbalance};
use trimtab_sdk::testing::{Keys, backends, instance};

#[test]
fn shares_are_those_of_the_weights() {
    let rows = [("a", 1), ("b", 2), ("c", 7), ("d", 90), ("e", 0)];
    let mut keys = Keys::<Rendezvous>::new("{}", backends(&rows));
    let counts = counts(&keys.places(200_000));
    for (id, weight) in rows {
        let share = f64::from(weight) / 100.0;
        let deviation = (200_000.0 * share * (1.0 - share)).sqrt();
        let count = f64::from(counts.get(id).copied().unwrap_or(0));
        assert!((count - 200_000.0 * share).abs() <= 4.0 * deviation, "{id}: {count} keys for a weight of {weight}");
    }
}

#[test]
fn equal_backends_are_even() {
    for (count, most) in [(10, 1.02), (100, 1.10)] {
        let found = imbalance(&Keys::<Rendezvous>::new("{}", equal(count)).places(200_000), count);
        assert!(found < most, "{count} backends: {found}");
    }
}

#[test]
fn what_leaves_moves_its_own_share_alone() {
    assert_leaving_moves_its_own::<Rendezvous>("{}", 0.8..1.2);
}

#[test]
fn a_retry_walks_on_and_without_a_key_it_passes() {
    assert_walks_on::<Rendezvous>("{}");
}

#[test]
fn the_bound_moves_what_is_too_much() {
    assert_bounded::<Rendezvous>(r#"{"bounded_load": 1.25}"#, 1.25);
}

#[test]
fn settings_are_checked() {
    let refused = |settings| Rendezvous::configure(settings, &instance(0, 1)).expect_err(settings);
    assert!(refused(r#"{"bounded_load": 0.9}"#).contains("must be 1 or more"));
    assert!(refused(r#"{"bound": 2}"#).contains("unknown field `bound`"));
    assert!(Rendezvous::configure(r#"{"bounded_load": 2}"#, &instance(0, 1)).is_ok());
}

proptest! {
    /// Whatever the table: a key has a backend if there is a candidate, an outage moves the keys of who
    /// is out alone, and they come back.
    #[test]
    fn an_outage_moves_its_own_keys(
        rows in proptest::collection::vec((0u32..4, any::<bool>()), 1..12),
        out in any::<proptest::sample::Index>(),
    ) {
        assert_outage_moves_its_own::<Rendezvous>("{}", &rows, out.index(rows.len()));
    }
}

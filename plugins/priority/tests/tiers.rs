//! What `priority` makes of tiers, natively: the shares of Envoy, through any table.

use priority::Priority;
use proptest::prelude::*;
use trimtab_sdk::testing::{Shaping, assert_shapes, backends, instance, lines};
use trimtab_sdk::{Backend, Readiness, Shaper};

/// A backend of this weight and tier, ready or down.
fn backend(weight: u32, tier: &str, is_ready: bool) -> Backend {
    Backend {
        labels: vec![("priority".to_owned(), tier.to_owned())],
        readiness: if is_ready { Readiness::Ready } else { Readiness::Down },
        ..backends(&[("b", weight)]).remove(0)
    }
}

/// Ten backends for each tier, of which so many are ready.
fn tens(ready: &[usize]) -> Vec<Backend> {
    let tier = |(tier, ready): (usize, &usize)| {
        let ready = *ready;
        (0..10).map(move |nth| backend(1, &tier.to_string(), nth < ready))
    };
    ready.iter().enumerate().flat_map(tier).collect()
}

/// The share of each ten, in percent.
fn shares(settings: &str, table: &[Backend]) -> Vec<f64> {
    let weights = Shaping::<Priority>::new(settings).shape(table);
    let total: u32 = weights.iter().sum();
    weights.chunks(10).map(|tier| f64::from(tier.iter().sum::<u32>()) / f64::from(total.max(1)) * 100.0).collect()
}

fn assert_shares(settings: &str, ready: &[usize], expected: &[f64]) {
    let shares = shares(settings, &tens(ready));
    let is_near = shares.iter().zip(expected).all(|(share, expected)| (share - expected).abs() < 0.5);
    assert!(is_near, "{ready:?} ready: {shares:?}, not {expected:?}");
}

#[test]
fn shares_are_those_of_envoy() {
    assert_shares("{}", &[10, 10, 10], &[100.0, 0.0, 0.0]);
    assert_shares("{}", &[8, 10, 10], &[100.0, 0.0, 0.0]);
    assert_shares("{}", &[7, 10, 10], &[98.0, 2.0, 0.0]);
    assert_shares("{}", &[5, 5, 10], &[70.0, 30.0, 0.0]);
    assert_shares("{}", &[3, 2, 10], &[42.0, 28.0, 30.0]);
    assert_shares("{}", &[0, 10, 10], &[0.0, 100.0, 0.0]);
    assert_shares("{}", &[2, 0, 2], &[50.0, 0.0, 50.0]);
    assert_shares(r#"{"overprovision":1.0}"#, &[9, 10], &[90.0, 10.0]);
    assert_shares(r#"{"overprovision":2}"#, &[4, 10], &[80.0, 20.0]);
}

#[test]
fn while_one_tier_takes_everything_its_weights_stay() {
    let mut table = vec![backend(5, "10", true), backend(3, "-1", true), backend(2, "-1", true)];
    let mut shaping = Shaping::<Priority>::new("{}");
    assert_eq!(shaping.shape(&table), [0, 3, 2], "tiers are in the order of integers");
    table[1].readiness = Readiness::Draining;
    table[2].readiness = Readiness::Down;
    assert_eq!(shaping.shape(&table), [5, 0, 0]);
    table[0].weight = 0;
    assert_eq!(shaping.shape(&table), [0, 0, 0], "nobody is a candidate");
    assert!(shaping.shape(&[]).is_empty());
}

#[test]
fn no_label_is_tier_0_and_so_is_one_that_is_no_integer() {
    let mut table = vec![backend(1, "", true), backend(1, "1", true), backend(1, "backup", true)];
    table[0].labels.clear();
    let mut shaping = Shaping::<Priority>::new(r#"{"process":"lb-1"}"#);
    assert_eq!(shaping.shape(&table), [1, 0, 1]);
    assert_eq!(lines(), ["warn: the label priority = `backup` of backend `b` is no integer: taken as 0"]);
    let mut shaping = Shaping::<Priority>::new(r#"{"label":"tier"}"#);
    assert_eq!(shaping.shape(&table), [1, 1, 1]);
}

#[test]
fn the_contract_is_kept() {
    assert_shapes::<Priority>("{}");
}

#[test]
fn wrong_settings_are_named() {
    for (settings, word) in [(r#"{"labels":"x"}"#, "labels"), (r#"{"overprovision":0.9}"#, "1 or more")] {
        let error = Priority::configure(settings, &instance(0, 1)).map(|_| ()).expect_err(settings);
        assert!(error.contains(word), "{error}");
    }
}

proptest! {
    /// Over random tables: only candidates get something, tiers what they can take, and in a tier the weights hold.
    #[test]
    fn tiers_get_what_they_can_take(rows in proptest::collection::vec((0u32..200, 0usize..4, any::<bool>()), 1..40)) {
        let table: Vec<_> = rows.iter().map(|(weight, tier, ready)| backend(*weight, &tier.to_string(), *ready)).collect();
        let weights = Shaping::<Priority>::new("{}").shape(&table);
        let of = |tier: usize, is_ready: bool| {
            let rows = rows.iter().filter(|(_, other, ready)| *other == tier && (!is_ready || *ready));
            rows.map(|(weight, ..)| f64::from(*weight)).sum::<f64>()
        };
        let capacity = |tier: usize| if of(tier, true) == 0.0 { 0.0 } else { f64::min(1.0, 1.4 * of(tier, true) / of(tier, false)) };
        let together = f64::min(1.0, (0..4).map(capacity).sum());
        let total: f64 = weights.iter().map(|weight| f64::from(*weight)).sum();
        let mut left = 1.0;
        for tier in 0..4 {
            let expected = if together > 0.0 { f64::min(left, capacity(tier) / together) } else { 0.0 };
            left = if left - expected < 1e-9 { 0.0 } else { left - expected };
            for ((weight, other, is_ready), shaped) in rows.iter().zip(&weights).filter(|((_, other, _), _)| *other == tier) {
                let share = if *is_ready && *weight > 0 { f64::from(*weight) / of(*other, true) * expected } else { 0.0 };
                // Rounding moves this weight and the total by half a percent each at most, or where the range of weights
                // ends by a half, and up to 1.
                let is_near = (f64::from(*shaped) - share * total).abs() <= share * total * 0.011 + 1.0;
                prop_assert_eq!(*shaped > 0, share > 0.0, "{} for a share of {}", shaped, share);
                prop_assert!(is_near, "{} of {} for a share of {}", shaped, total, share);
            }
        }
    }
}

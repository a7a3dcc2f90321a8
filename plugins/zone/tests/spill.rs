//! What `zone` makes of zones, natively: the proportions of its README.

use proptest::prelude::*;
use trimtab_sdk::testing::{Shaping, assert_shapes, backends, instance, lines};
use trimtab_sdk::{Backend, Readiness, Shaper};
use zone::Zone;

/// A backend of this weight and zone, ready or down.
fn backend(weight: u32, zone: &str, is_ready: bool) -> Backend {
    Backend {
        labels: vec![("zone".to_owned(), zone.to_owned())],
        readiness: if is_ready { Readiness::Ready } else { Readiness::Down },
        ..backends(&[("b", weight)]).remove(0)
    }
}

/// Ten backends in each of the zones a, b and c, of which so many are ready.
fn tens(ready: [usize; 3]) -> Vec<Backend> {
    let zone = |(zone, ready)| (0..10).map(move |nth| backend(1, zone, nth < ready));
    ["a", "b", "c"].into_iter().zip(ready).flat_map(zone).collect()
}

fn assert_shares(settings: &str, ready: [usize; 3], expected: [f64; 3]) {
    let weights = Shaping::<Zone>::new(settings).shape(&tens(ready));
    let total: u32 = weights.iter().sum();
    let shares: Vec<f64> =
        weights.chunks(10).map(|zone| f64::from(zone.iter().sum::<u32>()) / f64::from(total) * 100.0).collect();
    let is_near = shares.iter().zip(expected).all(|(share, expected)| (share - expected).abs() < 0.5);
    assert!(is_near, "{ready:?} ready: {shares:?}, not {expected:?}");
}

#[test]
fn the_local_zone_spills_over_in_proportion() {
    let a = r#"{"zone":"a","min_ready":0.8}"#;
    assert_shares(a, [10, 10, 10], [100.0, 0.0, 0.0]);
    assert_shares(a, [8, 10, 10], [100.0, 0.0, 0.0]);
    assert_shares(a, [6, 10, 10], [75.0, 12.5, 12.5]);
    assert_shares(a, [6, 10, 5], [75.0, 100.0 / 6.0, 50.0 / 6.0]);
    assert_shares(a, [0, 10, 10], [0.0, 50.0, 50.0]);
    assert_shares(a, [1, 0, 0], [100.0, 0.0, 0.0]);
    // Both are short: 0.25 and 0.25 of the requests are shared by halves.
    assert_shares(a, [2, 2, 2], [50.0, 25.0, 25.0]);
}

#[test]
fn a_zone_with_more_traffic_than_backends_is_short() {
    assert_shares(r#"{"zone":"a","traffic":0.25}"#, [10, 10, 10], [100.0, 0.0, 0.0]);
    assert_shares(r#"{"zone":"a","traffic":0.5}"#, [10, 10, 10], [66.7, 16.7, 16.7]);
    assert_shares(r#"{"zone":"a","traffic":0.5}"#, [8, 10, 10], [57.1, 21.4, 21.4]);
}

#[test]
fn while_the_local_zone_takes_everything_its_weights_stay() {
    let mut table = vec![backend(5, "a", true), backend(3, "b", true), backend(2, "a", true)];
    let mut shaping = Shaping::<Zone>::new(r#"{"zone":"a","process":"lb-1"}"#);
    assert_eq!(shaping.shape(&table), [5, 0, 2]);
    table[0].readiness = Readiness::Draining;
    table[2].readiness = Readiness::Down;
    assert_eq!(shaping.shape(&table), [0, 3, 0]);
    assert!(shaping.shape(&[]).is_empty());
    assert!(lines().is_empty());
}

#[test]
fn a_zone_of_nobody_is_warned_of() {
    let mut shaping = Shaping::<Zone>::new(r#"{"zone":"x","label":"rack"}"#);
    assert_eq!(shaping.shape(&[backend(5, "x", true)]), [5]);
    assert_eq!(lines(), ["warn: no backend is in the local zone: none has the label rack = `x`"]);
}

#[test]
fn the_contract_is_kept() {
    assert_shapes::<Zone>(r#"{"zone":"b"}"#);
}

#[test]
fn wrong_settings_are_named() {
    for (settings, word) in [
        ("{}", "zone"),
        (r#"{"zone":""}"#, "empty"),
        (r#"{"zone":"a","min_ready":0}"#, "min_ready"),
        (r#"{"zone":"a","min_ready":1.1}"#, "min_ready"),
        (r#"{"zone":"a","traffic":0}"#, "traffic"),
        (r#"{"zone":"a","zones":1}"#, "zones"),
    ] {
        let error = Zone::configure(settings, &instance(0, 1)).map(|_| ()).expect_err(settings);
        assert!(error.contains(word), "{error}");
    }
}

proptest! {
    /// Over random tables: only candidates get something, some candidate gets something, and a zone that loses a
    /// backend never gets more.
    #[test]
    fn losing_backends_never_gains(rows in proptest::collection::vec((0u32..50, 0usize..3, any::<bool>()), 1..30)) {
        let zones = ["a", "b", "c"];
        let mut table: Vec<_> = rows.iter().map(|(weight, zone, ready)| backend(*weight, zones[*zone], *ready)).collect();
        let mut shaping = Shaping::<Zone>::new(r#"{"zone":"a"}"#);
        let mut local_share = |table: &[Backend]| {
            let weights = shaping.shape(table);
            for (weight, backend) in weights.iter().zip(table) {
                assert!(*weight == 0 || backend.is_candidate());
            }
            let total: u32 = weights.iter().sum();
            assert_eq!(total > 0, table.iter().any(Backend::is_candidate));
            let local = weights.iter().zip(table).filter(|(_, b)| b.label("zone") == Some("a")).map(|(w, _)| w).sum::<u32>();
            f64::from(local) / f64::from(total.max(1))
        };
        let before = local_share(&table);
        let Some(lost) = table.iter().position(|b| b.is_candidate() && b.label("zone") == Some("a")) else { return Ok(()) };
        table[lost].readiness = Readiness::Down;
        let after = local_share(&table);
        prop_assert!(after <= before + 0.01, "from {before} to {after}");
    }
}

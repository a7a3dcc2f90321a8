//! How `split` shares requests, natively: by percent and weights, by key, and around pools that are lost.

use proptest::prelude::*;
use split::Split;
use trimtab_sdk::Router;
use trimtab_sdk::testing::{Route, instance, keys};

const POOLS: [&str; 2] = ["api", "next"];

/// So many decisions without a key: the part of each pool, in percent.
fn percents(route: &mut Route<Split>, pools: &[&str]) -> Vec<f64> {
    let mut counts = vec![0.0; pools.len()];
    for _ in 0..50_000 {
        let pool = route.route().expect("a ready pool");
        counts[pools.iter().position(|other| *other == pool).expect("a pool")] += 1.0;
    }
    counts.iter().map(|count| count / 500.0).collect()
}

fn assert_near(percents: &[f64], expected: &[f64]) {
    // 50 000 decisions: five standard deviations are 1.2 % at most.
    let near = |(percent, expected): (&f64, &f64)| {
        (percent - expected).abs() <= 5.0 * (expected * (100.0 - expected) / 50_000.0).sqrt()
    };
    assert!(percents.iter().zip(expected).all(near), "{percents:?}, not {expected:?}");
}

/// The pool of a key.
fn of_key(route: &mut Route<Split>, key: u64) -> String {
    route.request.key_bytes = Some(key.to_le_bytes().to_vec());
    route.route().expect("a ready pool")
}

#[test]
fn shares_are_what_the_settings_say() {
    for percent in [0.0, 0.5, 5.0, 50.0, 100.0] {
        let mut route = Route::<Split>::new(&format!(r#"{{"percent":{percent}}}"#), &POOLS);
        assert_near(&percents(&mut route, &POOLS), &[100.0 - percent, percent]);
    }
    let pools = ["a", "b", "c", "d"];
    let mut route = Route::<Split>::new(r#"{"weights":[6, 0, 3, 1.5]}"#, &pools);
    assert_near(&percents(&mut route, &pools), &[57.14, 0.0, 28.57, 14.29]);
}

#[test]
fn a_key_always_goes_to_the_same_pool() {
    let mut route = Route::<Split>::new(r#"{"percent":30}"#, &POOLS);
    let mut canary = 0.0;
    for key in keys(1).take(20_000) {
        let pool = of_key(&mut route, key);
        assert_eq!(of_key(&mut route, key), pool);
        canary += if pool == "next" { 1.0 } else { 0.0 };
    }
    assert!((canary - 6_000.0f64).abs() < 350.0, "{canary} of 20000 keys");
}

#[test]
fn raising_the_percentage_moves_keys_towards_the_canary_only() {
    let steps = [0.0, 0.1, 1.0, 5.0, 20.0, 50.0, 90.0, 100.0];
    let mut routes = steps.map(|percent| Route::<Split>::new(&format!(r#"{{"percent":{percent}}}"#), &POOLS));
    for key in keys(2).take(3_000) {
        let pools: Vec<_> = routes.iter_mut().map(|route| of_key(route, key)).collect();
        assert!(pools.is_sorted(), "{pools:?}");
    }
}

#[test]
fn a_lost_pool_s_share_goes_to_the_others_and_their_keys_stay() {
    let pools = ["a", "b", "c"];
    let settings = r#"{"weights":[3, 2, 1]}"#;
    let (mut whole, mut short) = (Route::<Split>::new(settings, &pools), Route::<Split>::new(settings, &pools));
    short.set("a", 0, 0);
    assert_near(&percents(&mut short, &pools), &[0.0, 66.67, 33.33]);
    for key in keys(3).take(3_000) {
        let (before, after) = (of_key(&mut whole, key), of_key(&mut short, key));
        assert!(before == after || before == "a", "from {before} to {after}");
    }
}

#[test]
fn it_passes_when_no_pool_with_a_share_is_ready() {
    let mut route = Route::<Split>::new(r#"{"percent":0}"#, &POOLS);
    route.set("api", 0, 0);
    assert_eq!(route.route(), None, "a share of 0 % is none");
    let mut route = Route::<Split>::new(r#"{"percent":50}"#, &POOLS);
    route.set("api", 0, 0);
    assert_eq!(route.routes(3), "next next next");
    route.set("next", 0, 0);
    assert_eq!(route.route(), None);
}

#[test]
fn wrong_settings_are_named() {
    let two: Vec<String> = POOLS.map(str::to_owned).to_vec();
    for (settings, pools, word) in [
        ("{}", &two[..], "neither"),
        (r#"{"percent":5,"weights":[1,2]}"#, &two, "both"),
        (r#"{"percent":101}"#, &two, "0 to 100"),
        (r#"{"percent":-1}"#, &two, "0 to 100"),
        (r#"{"percent":5}"#, &two[..1], "2 pools"),
        (r#"{"weights":[1]}"#, &two, "one for each"),
        (r#"{"weights":[1,-1]}"#, &two, "below 0"),
        (r#"{"weights":[0,0]}"#, &two, "all"),
        (r#"{"percents":5}"#, &two, "percents"),
    ] {
        let error = Split::configure(settings, &instance(0, 1), pools).map(|_| ()).expect_err(settings);
        assert!(error.contains(word), "{error}");
    }
}

proptest! {
    /// With any weights, raising one moves keys to that pool and to no other.
    #[test]
    fn a_growing_weight_only_attracts(
        weights in proptest::collection::vec(0.0f64..100.0, 2..6),
        grown in 0usize..6,
        factor in 1.0f64..10.0,
        key: u64,
    ) {
        let names = ["a", "b", "c", "d", "e", "f"];
        let grown = grown % weights.len();
        let mut more = weights.clone();
        more[grown] = (more[grown] + 1.0) * factor;
        prop_assume!(weights.iter().any(|weight| *weight > 0.0));
        let pool = |weights: &[f64]| {
            of_key(&mut Route::new(&format!(r#"{{"weights":{weights:?}}}"#), &names[..weights.len()]), key)
        };
        let (before, after) = (pool(&weights), pool(&more));
        prop_assert!(before == after || after == names[grown], "from {} to {}", before, after);
    }

    /// Any key has a pool.
    #[test]
    fn every_key_has_a_pool(key: u64, percent in 0.0f64..=100.0) {
        let mut route = Route::<Split>::new(&format!(r#"{{"percent":{percent}}}"#), &POOLS);
        prop_assert!(matches!(of_key(&mut route, key).as_str(), "api" | "next"));
    }
}

//! The example, natively.

use rust_orca::Orca;
use trimtab_sdk::Readiness;
use trimtab_sdk::testing::{Pool, assert_answers, assert_large_tables, with_load};

fn pool(settings: &str) -> Pool<Orca> {
    Pool::new(settings, &[("b1", 1), ("b2", 1), ("b3", 1)])
}

/// The backend at this index reports these, and nothing that it reported before.
fn report(backend: u32, metrics: &[(&str, f64)]) {
    with_load(|load| {
        load.metrics.retain(|(index, _), _| *index != backend);
        load.metrics.extend(metrics.iter().map(|(name, value)| ((backend, (*name).to_owned()), *value)));
    });
}

/// Asserts that, once reports were looked at, picks are in these proportions: within 3 % of all of them.
fn assert_shares(pool: &mut Pool<Orca>, proportions: [f64; 3]) {
    const PICKS: usize = 10_000;
    pool.tick();
    let picks = pool.picks(PICKS);
    for (id, proportion) in ["b1", "b2", "b3"].iter().zip(proportions) {
        let share = picks.split(' ').filter(|picked| picked == id).count() as f64 / PICKS as f64;
        let expected = proportion / proportions.iter().sum::<f64>();
        assert!((share - expected).abs() < 0.03, "{id} has {share}, not {expected}");
    }
}

#[test]
fn shares_are_of_the_rate_by_utilization() {
    let mut pool = pool("{}");
    assert_shares(&mut pool, [1.0, 1.0, 1.0]);
    report(0, &[("rps_fractional", 100.0), ("cpu_utilization", 0.25)]);
    report(1, &[("rps_fractional", 100.0), ("cpu_utilization", 0.5)]);
    report(2, &[("rps_fractional", 50.0), ("cpu_utilization", 0.5)]);
    assert_shares(&mut pool, [4.0, 2.0, 1.0]);
    // What the application says of itself goes before what its processor says.
    report(0, &[("rps_fractional", 100.0), ("cpu_utilization", 0.25), ("application_utilization", 1.0)]);
    assert_shares(&mut pool, [1.0, 2.0, 1.0]);
}

#[test]
fn reports_are_looked_at_with_ticks_and_tables() {
    let mut pool = pool("{}");
    assert_eq!(pool.plan().tick_ms, 1_000);
    report(0, &[("rps_fractional", 1e6), ("cpu_utilization", 0.1)]);
    for backend in [1, 2] {
        report(backend, &[("rps_fractional", 1.0), ("cpu_utilization", 0.1)]);
    }
    assert!(pool.picks(100).matches("b1").count() < 60, "nothing has changed yet");
    pool.mark("b2", Readiness::Draining);
    assert!(pool.picks(100).matches("b1").count() > 90);
}

#[test]
fn errors_count_as_use() {
    let reports = || {
        report(0, &[("rps_fractional", 100.0), ("cpu_utilization", 0.25)]);
        report(1, &[("rps_fractional", 100.0), ("cpu_utilization", 0.25), ("eps", 25.0)]);
        report(2, &[("rps_fractional", 100.0), ("cpu_utilization", 0.25), ("eps", 75.0)]);
    };
    for (settings, proportions) in [
        ("{}", [4.0, 2.0, 1.0]),
        (r#"{"error_penalty": 3}"#, [1.0, 0.25, 0.1]),
        (r#"{"error_penalty": 0}"#, [1.0, 1.0, 1.0]),
    ] {
        let mut pool = pool(settings);
        reports();
        assert_shares(&mut pool, proportions);
    }
}

#[test]
fn who_reports_nothing_useful_counts_as_the_mean() {
    let mut pool = pool("{}");
    report(0, &[("rps_fractional", 100.0), ("cpu_utilization", 0.25)]);
    report(1, &[("rps_fractional", 100.0), ("cpu_utilization", 0.5)]);
    let useless: [&[(&str, f64)]; 6] = [
        &[],
        &[("rps_fractional", 0.0), ("cpu_utilization", 0.5)],
        &[("rps_fractional", 100.0), ("cpu_utilization", 0.0)],
        &[("cpu_utilization", 0.5)],
        &[("rps_fractional", f64::MAX), ("cpu_utilization", f64::MIN_POSITIVE)],
        &[("rps_fractional", f64::MIN_POSITIVE), ("cpu_utilization", 1.0), ("eps", f64::MAX)],
    ];
    for metrics in useless {
        report(2, metrics);
        assert_shares(&mut pool, [4.0, 2.0, 3.0]);
    }
}

#[test]
fn the_weights_of_the_table_are_factors() {
    let mut pool = pool("{}");
    report(0, &[("rps_fractional", 100.0), ("cpu_utilization", 0.25)]);
    report(1, &[("rps_fractional", 100.0), ("cpu_utilization", 0.5)]);
    pool.weigh("b2", 6);
    pool.weigh("b3", 0);
    assert_shares(&mut pool, [1.0, 3.0, 0.0]);
}

#[test]
fn who_is_worst_is_asked_now_and_then() {
    let mut pool = pool("{}");
    report(0, &[("rps_fractional", 1_000.0), ("cpu_utilization", 0.1)]);
    report(1, &[("rps_fractional", 1_000.0), ("cpu_utilization", 0.1)]);
    report(2, &[("rps_fractional", 0.1), ("cpu_utilization", 1.0)]);
    pool.tick();
    let asked = pool.picks(10_000).matches("b3").count();
    assert!((10..100).contains(&asked), "{asked} of 10000");
    report(2, &[("rps_fractional", 1_000.0), ("cpu_utilization", 0.1)]);
    assert_shares(&mut pool, [1.0, 1.0, 1.0]);
}

#[test]
fn retries_go_elsewhere() {
    let mut pool = pool("{}");
    report(0, &[("rps_fractional", 1e9), ("cpu_utilization", 0.1)]);
    pool.tick();
    assert_ne!(pool.retry(&["b1"]).as_deref(), Some("b1"));
    assert_eq!(pool.retry(&["b1", "b2"]).as_deref(), Some("b3"));
    assert_eq!(pool.retry(&["b1", "b2", "b3"]), None);
}

#[test]
fn it_answers_whenever_it_can() {
    assert_answers::<Orca>("{}");
    assert_large_tables::<Orca>("{}");
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    use trimtab_sdk::Balancer as _;
    use trimtab_sdk::testing::instance;
    for (settings, reason) in [
        (r#"{"error_penalty": -1}"#, "`error_penalty` is -1: it must be from 0 to 1000"),
        (r#"{"penalty": 1}"#, "unknown field `penalty`, expected `error_penalty`"),
    ] {
        assert_eq!(Orca::configure(settings, &instance(0, 1)).err().as_deref(), Some(reason));
    }
}

#[test]
fn large_tables_are_looked_at_in_turns() {
    let ids: Vec<_> = (0..2_500).map(|n| format!("b{n}")).collect();
    let rows: Vec<_> = ids.iter().map(|id| (id.as_str(), 1)).collect();
    let mut pool = Pool::<Orca>::new("{}", &rows);
    for backend in 0..2_500 {
        report(backend, &[("rps_fractional", if backend < 500 { 100.0 } else { 1.0 }), ("cpu_utilization", 0.5)]);
    }
    let mut to_first = |ticks: usize| {
        (0..ticks).for_each(|_| pool.tick());
        let picks = pool.picks(2_000);
        picks.split(' ').filter(|id| id[1..].parse::<u32>().is_ok_and(|n| n < 500)).count()
    };
    // Three of five have not been looked at, and count as the mean of those that were: 101.
    let after_one = to_first(1);
    assert!((700..900).contains(&after_one), "{after_one} of 2000");
    // 500 × 200 against 2000 × 2.
    let after_all = to_first(2);
    assert!((1_880..1_960).contains(&after_all), "{after_all} of 2000");
}

//! What `peak-ewma` prefers, natively, comparison by comparison.

use std::time::Duration;

use peak_ewma::PeakEwma;
use trimtab_sdk::testing::{Pool, assert_answers, assert_hands_over, assert_large_tables, instance, outcome, pass};
use trimtab_sdk::{Balancer, Handoff, Outcome, OutcomeKind};

/// A pool of `a` and `b`, with these latencies.
fn pair(latencies: [Option<u32>; 2]) -> Pool<PeakEwma> {
    let mut pool = Pool::new("{}", &[("a", 1), ("b", 1)]);
    pool.set_latency("a", latencies[0]);
    pool.set_latency("b", latencies[1]);
    pool
}

/// How many of 100 picks are `a`; both are drawn each time.
fn a_of_100(pool: &mut Pool<PeakEwma>) -> usize {
    pool.picks(100).split(' ').filter(|id| *id == "a").count()
}

#[test]
fn latency_and_requests_in_flight_multiply() {
    let mut pool = pair([Some(1_000), Some(5_000)]);
    assert_eq!(a_of_100(&mut pool), 100);
    pool.set_in_flight("a", 3);
    assert_eq!(a_of_100(&mut pool), 100, "4 × 1 ms is less than 5 ms");
    pool.set_in_flight("a", 5);
    assert_eq!(a_of_100(&mut pool), 0, "6 × 1 ms is more");
    pool.set_in_flight("b", 1);
    assert_eq!(a_of_100(&mut pool), 100);
}

#[test]
fn weights_divide() {
    let mut pool = Pool::<PeakEwma>::new("{}", &[("a", 4), ("b", 1)]);
    pool.set_latency("a", Some(3_000));
    pool.set_latency("b", Some(1_000));
    assert_eq!(a_of_100(&mut pool), 100);
    pool.set_in_flight("a", 1);
    assert_eq!(a_of_100(&mut pool), 0);
}

#[test]
fn who_fails_at_once_does_not_look_fast() {
    let refused = |backend| outcome(backend, OutcomeKind::ConnectError, 50);
    let too_many = |backend| Outcome { status: 429, ..outcome(backend, OutcomeKind::ClientError, 50) };
    let unavailable = |backend| outcome(backend, OutcomeKind::ServerError, 50);
    for ended in [&refused as &dyn Fn(u32) -> Outcome, &too_many, &unavailable] {
        let mut pool = pair([Some(100), Some(2_000)]);
        pool.set_latency("a", Some(2_000));
        pool.tick();
        pool.set_latency("a", Some(100));
        assert_eq!(a_of_100(&mut pool), 100);
        let failed: Vec<_> = (0..8).map(|_| ended(0)).collect();
        pool.observe(0, &failed);
        assert_eq!(a_of_100(&mut pool), 0);
    }
}

#[test]
fn a_client_that_errs_or_leaves_says_nothing() {
    let mut pool = pair([Some(1_000), Some(1_500)]);
    let ended = [pool.outcome("a", OutcomeKind::ClientError, 900), pool.outcome("a", OutcomeKind::Cancelled, 900)];
    (0..20).for_each(|_| pool.observe(0, &ended));
    assert_eq!(a_of_100(&mut pool), 100);
}

#[test]
fn failures_that_other_workers_saw_count() {
    let mut pool = pair([Some(1_000), Some(1_500)]);
    pool.set_failures("a", 3);
    assert_eq!(a_of_100(&mut pool), 0);
}

#[test]
fn it_forgives_with_time_and_with_success() {
    let mut pool = pair([Some(1_000), Some(1_000)]);
    let (bad, good) = (pool.outcome("a", OutcomeKind::Timeout, 1_000), pool.outcome("a", OutcomeKind::Success, 1_000));
    pool.observe(0, &[bad; 10]);
    assert_eq!(a_of_100(&mut pool), 0);
    // Some 13 s: the share of failures and the whole cost fade together.
    let mut waited = 0;
    while a_of_100(&mut pool) == 0 {
        pass(Duration::from_millis(900));
        waited += 1;
        assert!(waited < 20, "never tried again");
    }
    assert!(waited > 8, "tried again after {waited} s");
    let mut pool = pair([Some(1_000), Some(1_000)]);
    pool.observe(0, &[bad; 10]);
    pool.observe(0, &[good; 40]);
    assert!(a_of_100(&mut pool) > 20);
}

#[test]
fn one_stray_failure_is_no_exile() {
    let mut pool = pair([Some(1_000), Some(1_000)]);
    let bad = pool.outcome("a", OutcomeKind::ServerError, 1_000);
    pool.observe(0, &[bad]);
    pool.set_in_flight("b", 3);
    assert_eq!(a_of_100(&mut pool), 100, "a quarter of the penalty is less than three requests more");
}

#[test]
fn who_was_slow_once_is_tried_again() {
    let mut pool = pair([Some(1_000), Some(30_000)]);
    assert_eq!(a_of_100(&mut pool), 100);
    pass(Duration::from_secs(33));
    assert_eq!(a_of_100(&mut pool), 100);
    pass(Duration::from_secs(2));
    assert_eq!(a_of_100(&mut pool), 99, "one request finds out, ln 30 × 10 s after the last");
}

#[test]
fn an_unmeasured_backend_gets_one_request_at_a_time() {
    let mut pool = pair([Some(1_000), None]);
    pool.set_in_flight("a", 50);
    assert_eq!(pool.open().as_deref(), Some("b"), "it is taken for a usual one, and is idle");
    assert_eq!(a_of_100(&mut pool), 100, "and then waited for, however busy the others are");
    pool.set_latency("b", Some(1_000));
    assert_eq!(a_of_100(&mut pool), 0);
}

#[test]
fn among_unmeasured_backends_requests_in_flight_decide() {
    let mut pool = Pool::<PeakEwma>::with_workers(2, "{}", &[("a", 1), ("b", 1), ("c", 1), ("d", 1)]);
    for _ in 0..400 {
        pool.open().expect("a candidate");
    }
    for id in ["a", "b", "c", "d"] {
        assert!(pool.in_flight(id).abs_diff(100) < 5, "{id}: {}", pool.in_flight(id));
    }
}

#[test]
fn what_is_known_follows_the_backend_through_tables() {
    let mut pool = pair([Some(1_000), Some(1_000)]);
    let bad = pool.outcome("a", OutcomeKind::Reset, 1_000);
    pool.observe(0, &[bad; 10]);
    pool.replace(&[("c", 0), ("b", 1), ("a", 1)]);
    (0..3).zip(["c", "b", "a"]).for_each(|(_, id)| pool.set_latency(id, Some(1_000)));
    assert_eq!(a_of_100(&mut pool), 0);
    pool.replace(&[("b", 1)]);
    pool.replace(&[("a", 1), ("b", 1)]);
    let unknown = a_of_100(&mut pool);
    assert!((20..80).contains(&unknown), "who left and came back is new: {unknown}");
}

#[test]
fn a_swap_forgets_nothing() {
    let mut pool = pair([Some(1_000), Some(1_000)]);
    let bad = pool.outcome("a", OutcomeKind::Reset, 1_000);
    pool.observe(0, &[bad; 10]);
    assert_eq!(a_of_100(&mut pool), 0);
    pool.hand_over();
    assert_eq!(a_of_100(&mut pool), 0);
    pool.hand_over_to(&[("c", 0), ("b", 1), ("a", 1)]);
    (0..3).zip(["c", "b", "a"]).for_each(|(_, id)| pool.set_latency(id, Some(1_000)));
    assert_eq!(a_of_100(&mut pool), 0, "by id");
    pool.restart();
    assert!(a_of_100(&mut pool) > 20, "without it all is new");
}

#[test]
fn a_state_of_another_version_is_refused() {
    let mut state = pair([None, None]).saved(0);
    state[0] = 9;
    let (mut balancer, _) = PeakEwma::configure("{}", &instance(0, 1)).expect("good settings");
    assert!(balancer.restore(&state).is_err_and(|error| error.contains("version 9")));
}

#[test]
fn it_asks_for_outcomes_and_ticks() {
    let pool = pair([None, None]);
    assert!(pool.plan().observe && pool.plan().tick_ms == 1_000);
}

#[test]
fn the_contract_is_kept() {
    assert_answers::<PeakEwma>("{}");
    assert_large_tables::<PeakEwma>("{}");
    assert_hands_over::<PeakEwma>("{}");
}

#[test]
fn wrong_settings_are_named() {
    for (settings, word) in [(r#"{"penalty":0.5}"#, "1 or more"), (r#"{"decay":5}"#, "decay")] {
        let error = PeakEwma::configure(settings, &instance(0, 1)).map(|_| ()).expect_err(settings);
        assert!(error.contains(word), "{error}");
    }
}

//! What the built-in balancers without a key promise, as far as it shows from outside: shares, and who is spared.
//!
//! The two round-robins are in `balancing`, and those that hash a key in `hashing`.

use std::time::{Duration, Instant};

use trimtab_tests::{Backend, Gate, Setup, Tally, eventually};

/// Three backends that can hold requests, behind `balancer`.
fn three(balancer: &str) -> (Gate, [Backend; 3], trimtab_tests::Host) {
    let gate = Gate::default();
    let backends = ["a", "b", "c"].map(|name| gate.backend(name));
    let [a, b, c] = &backends;
    let host = Setup::over(&[a, b, c]).pool(&format!("balancer = {balancer}")).start();
    (gate, backends, host)
}

#[test]
fn an_idle_pool_is_shared_by_weight() {
    let weights = [("a", 1.0), ("b", 2.0), ("c", 5.0)];
    for balancer in ["'random'", "'p2c'", "{ plugin = 'p2c', choices = 3 }", "'least-connections'"] {
        let backends = ["a", "b", "c"].map(Backend::echo);
        let entries = backends.iter().zip(weights).map(|(b, (_, weight))| b.entry_with(&format!("weight = {weight}")));
        let host = Setup::of(entries).pool(&format!("balancer = {balancer}")).start();
        let tally = Tally::of(&host, 1200);
        match balancer {
            "'random'" => assert!(tally.chi_square(&weights) < 40.0, "{tally:?}"),
            // Of two that are drawn the less loaded wins: an idle pool has its own, flatter shares.
            _ => assert!(
                tally.by("a") > 40 && tally.by("a") < tally.by("b") && tally.by("b") < tally.by("c"),
                "{balancer}: {tally:?}"
            ),
        }
    }
}

#[test]
fn equal_backends_get_equal_shares_and_no_herd_goes_to_one() {
    for balancer in ["'random'", "'p2c'", "'least-connections'"] {
        let (_gate, _backends, host) = three(balancer);
        let tally = Tally::of(&host, 900);
        assert!(tally.chi_square(&[("a", 1.0), ("b", 1.0), ("c", 1.0)]) < 40.0, "{balancer}: {tally:?}");
    }
}

#[test]
fn a_backend_of_weight_0_or_that_drains_gets_nothing() {
    for balancer in ["'random'", "'p2c'", "'least-connections'", "'peak-ewma'", "'first'"] {
        let [a, b, c] = ["a", "b", "c"].map(Backend::echo);
        let entries = [a.entry_with("weight = 0"), b.entry(), c.entry()];
        let host = Setup::of(entries).pool(&format!("balancer = {balancer}")).start();
        host.set_backend("web", "b", r#"{"state":"draining"}"#);
        let tally = Tally::of(&host, 64);
        assert_eq!(tally.by("c"), 64, "{balancer}: {tally:?}");
        host.set_backend("web", "b", r#"{"state":"ready"}"#);
        eventually("it comes back", || host.get("/").backend() == "b" || balancer == "'first'" && b.requests() > 0);
    }
}

#[test]
fn least_connections_counts_what_both_workers_hold() {
    let (gate, [a, b, c], host) = three("'least-connections'");
    // Of two held requests each worker has one, or one worker none: by its own count that one would think `a` idle.
    let held = gate.hold_at(&host, &a, &[&b, &c], 2);
    let tally = Tally::of(&host, 128);
    assert_eq!((tally.by("a"), tally.total()), (0, 128), "{tally:?}");
    gate.open();
    held.into_iter().for_each(|mut client| assert_eq!(client.response().backend(), "a"));
    eventually("it is asked again", || Tally::of(&host, 8).by("a") > 0);
}

#[test]
fn least_connections_places_by_weight() {
    let gate = Gate::default();
    let [a, b, c] = ["a", "b", "c"].map(|name| gate.backend(name));
    let entries = [a.entry_with("weight = 2"), b.entry(), c.entry()];
    let host = Setup::of(entries).pool("balancer = 'least-connections'").start();
    let _held = gate.hold(&host, 8, "");
    let held = ["a", "b", "c"].map(|id| host.backend("web", id)["in_flight"].as_u64().unwrap_or_default());
    assert_eq!(held, [4, 2, 2]);
}

#[test]
fn p2c_spares_who_is_loaded_and_with_all_choices_entirely() {
    let (gate, [a, b, c], host) = three("'p2c'");
    let _held = gate.hold_at(&host, &a, &[&b, &c], 8);
    // Two are drawn, without putting back: one of them is never `a`.
    assert_eq!(Tally::of(&host, 128).by("a"), 0);

    let gate = Gate::default();
    let four = ["a", "b", "c", "d"].map(|name| gate.backend(name));
    let [a, b, c, d] = &four;
    let host = Setup::over(&[a, b, c, d]).pool("balancer = { plugin = 'p2c', choices = 4 }").start();
    let _held = [a, b, c].map(|busy| {
        let others: Vec<_> = [a, b, c, d].into_iter().filter(|other| other.name() != busy.name()).collect();
        gate.hold_at(&host, busy, &others, 3)
    });
    assert_eq!(Tally::of(&host, 64).by("d"), 64, "all four are looked at");
}

#[test]
fn peak_ewma_avoids_a_backend_that_is_slow() {
    let slow = Backend::new("slow", |exchange| {
        let start = Instant::now();
        // Waits for bytes that do not come: the only clock of a backend.
        exchange.wire.patience(Duration::from_millis(60));
        exchange.wire.ended();
        exchange.wire.patience(Duration::from_secs(60));
        assert!(start.elapsed() >= Duration::from_millis(50));
        exchange.echo()
    });
    let [b, c] = ["b", "c"].map(Backend::echo);
    let host = Setup::over(&[&slow, &b, &c]).pool("balancer = 'peak-ewma'").start();
    eventually("all were measured", || {
        let _ = Tally::of(&host, 8);
        slow.requests() > 0
    });
    let tally = Tally::of(&host, 300);
    assert!(tally.by("slow") <= 6, "it has less than 2 %: {tally:?}");
    assert!(tally.by("b") > 75 && tally.by("c") > 75, "{tally:?}");
}

#[test]
fn peak_ewma_avoids_a_backend_that_answers_503_at_once() {
    let failing = Backend::status("failing", 503);
    let [b, c] = ["b", "c"].map(Backend::echo);
    let host = Setup::over(&[&failing, &b, &c]).pool("balancer = 'peak-ewma'").start();
    let failed = || {
        let statuses: Vec<_> = (0..100).map(|_| host.get("/").status).collect();
        assert!(statuses.iter().all(|status| matches!(status, 200 | 503)), "{statuses:?}");
        statuses.iter().filter(|status| **status == 503).count()
    };
    // What ended is learned about every 100 ms, and by each worker for itself.
    eventually("both workers have learned of it", || failed() <= 10);
    // It is tried again as time passes, and on a busy machine much of that passes.
    assert!((0..3).map(|_| failed()).sum::<usize>() <= 60, "a fifth at most; blind chance gives a third");
    assert!(failing.requests() > 0, "it is tried, now and then");
}

#[test]
fn first_fills_the_backends_in_order() {
    let (gate, [a, b, c], host) = three("{ plugin = 'first', max_in_flight = 2 }");
    assert_eq!(Tally::of(&host, 64).by("a"), 64, "while there is room");
    let mut held = gate.hold(&host, 5, "");
    let in_flight = |id| host.backend("web", id)["in_flight"].as_u64().unwrap_or_default();
    assert_eq!([in_flight("a"), in_flight("b"), in_flight("c")], [2, 2, 1], "over both workers");
    assert_eq!(Tally::of(&host, 32).by("c"), 32, "the last has room");
    held.extend(gate.hold(&host, 1, ""));
    assert_eq!(Tally::of(&host, 30).total(), 30, "beyond all limits it passes, and the fallback answers");
    gate.open();
    held.into_iter().for_each(|mut client| assert_eq!(client.response().status, 200));
    eventually("there is room again", || Tally::of(&host, 8).by("a") == 8);
    assert!(a.requests() > b.requests() && b.requests() > 0 && c.requests() > 0);
}

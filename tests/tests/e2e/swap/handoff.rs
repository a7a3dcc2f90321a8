//! State that goes from one generation to the next, and what becomes of a swap where it cannot.

use std::time::Duration;

use trimtab_tests::backend::entry;
use trimtab_tests::unreachable::Refusing;
use trimtab_tests::{Backend, Folder, Host, Setup, Tally, eventually, plugin};

use super::{all_answer, built_in, faults, put};

/// Backends behind the plugin `mine`, which counts and hands its counter over.
fn counting(backends: &[&Backend], workers: usize) -> Host {
    let folder = Folder::new();
    folder.write("mine.wasm", plugin::handing_over("handoff.wat"));
    let setup = Setup::over(backends).workers(workers).pool("balancer = 'mine'");
    setup.more("[plugin.mine]\ncomponent = 'mine.wasm'").start_in(folder)
}

fn order(host: &Host, requests: usize) -> String {
    (0..requests).map(|_| host.get("/").backend().to_owned()).collect()
}

#[test]
fn a_sequence_goes_on_over_swaps() {
    let [a, b, c] = ["a", "b", "c"].map(Backend::echo);
    let host = counting(&[&a, &b, &c], 1);
    let mut seen = String::new();
    for swap in 0..10 {
        seen += &order(&host, 1 + swap % 4);
        put(&host, "mine", &plugin::handing_over("handoff.wat"));
    }
    assert_eq!(seen, "abc".repeat(8)[..seen.len()]);
    // The generation before is kept as it was when it was left.
    seen = order(&host, 2);
    assert_eq!(host.admin_response("POST", "/plugins/mine/rollback", "").status, 200);
    assert_eq!(order(&host, 2), seen, "in the same place once more");
}

#[test]
fn weighted_round_robin_goes_on_exactly_where_it_was() {
    let backends = ["a", "b", "c"].map(Backend::echo);
    let weights = ["weight = 5", "weight = 3", "weight = 2"];
    for workers in [1, 2] {
        let entries = || backends.iter().zip(weights).map(|(backend, weight)| backend.entry_with(weight));
        let setup = || Setup::of(entries()).workers(workers).pool("balancer = 'weighted-round-robin'");
        let undisturbed = order(&setup().start(), 60);
        assert_eq!(["a", "b", "c"].map(|name| undisturbed.matches(name).count()), [30, 18, 12]);
        let host = setup().start();
        let mut seen = String::new();
        for swap in [3, 1, 7, 0, 10, 4, 13, 2, 9, 11] {
            seen += &order(&host, swap);
            put(&host, "weighted-round-robin", &built_in("weighted-round-robin"));
        }
        assert_eq!(seen, undisturbed, "{workers} workers");
    }
}

#[test]
fn weighted_round_robin_goes_on_with_its_retries_too() {
    let backends = ["a", "b", "c"].map(Backend::echo);
    let refusing = Refusing::new();
    let entries = || {
        let weights = ["weight = 5", "weight = 3", "weight = 2"];
        let good = backends.iter().zip(weights).map(|(backend, weight)| backend.entry_with(weight));
        good.chain([entry("none", refusing.address(), "weight = 4")])
    };
    let setup = || Setup::of(entries()).workers(1).pool("balancer = 'weighted-round-robin'\nretries = 2");
    let undisturbed = order(&setup().start(), 56);
    assert_eq!(undisturbed.len(), 56, "each was answered by one that is there");
    let host = setup().start();
    let mut seen = String::new();
    for swap in [3, 1, 7, 10, 4, 13, 2, 16] {
        seen += &order(&host, swap);
        put(&host, "weighted-round-robin", &built_in("weighted-round-robin"));
    }
    assert_eq!(seen, undisturbed);
}

#[test]
fn peak_ewma_keeps_what_it_learned() {
    let slow = Backend::new("slow", |exchange| {
        // Waits for bytes that do not come: the only clock of a backend.
        exchange.wire.patience(Duration::from_millis(60));
        exchange.wire.ended();
        exchange.wire.patience(Duration::from_secs(60));
        exchange.echo()
    });
    let [b, c] = ["b", "c"].map(Backend::echo);
    let host = Setup::over(&[&slow, &b, &c]).workers(1).pool("balancer = 'peak-ewma'").start();
    eventually("all were measured, and it was learned", || {
        let before = slow.requests();
        let _ = Tally::of(&host, 32);
        slow.requests() > 0 && slow.requests() == before
    });
    for _ in 0..5 {
        put(&host, "peak-ewma", &built_in("peak-ewma"));
        let tally = Tally::of(&host, 20);
        assert!(tally.by("slow") <= 1, "nothing is learned anew: {tally:?}");
    }
    assert_eq!(faults(&host), 0.0);
}

#[test]
fn one_that_does_not_take_the_state_stops_the_swap_on_all_workers() {
    let [a, b, c] = ["a", "b", "c"].map(Backend::echo);
    let host = counting(&[&a, &b, &c], 2);
    for (fixture, reason) in [
        ("restore-error.wat", "is of another time"),
        ("restore-trap.wat", "unreachable"),
        ("restore-loop.wat", "deadline"),
    ] {
        let before = host.generation("mine");
        let response = host.swap("mine", &plugin::handing_over(fixture));
        assert_eq!(response.status, 422, "{fixture}: {}", response.text());
        for said in ["`restore`", reason] {
            assert!(response.text().contains(said), "{fixture}: {}", response.text());
        }
        assert_eq!(host.generation("mine"), before, "{fixture}");
        // All of them pick the first, always.
        let tally = Tally::of(&host, 96);
        assert!(["a", "b", "c"].iter().all(|name| tally.by(name) >= 16), "the one before decides: {fixture} {tally:?}");
    }
    assert_eq!(host.plugin("mine")["stage"], "steady");
    assert_eq!((faults(&host), host.metrics().sum("trimtab_fallbacks_total", &[])), (0.0, 0.0));
}

/// Where the fixture writes that it picks.
const TAG: &str = "(i32.store8 (i32.const 64) (i32.const 0))";

/// A generation that restores what an instance without picks saves, as in a trial, and refuses what was decided by.
const PICKY: &str = "(if
      (i32.eqz (i32.load (local.get $state)))";

#[test]
fn one_that_takes_no_state_of_real_traffic_is_found_out_between_two_decisions() {
    let [a, b, c] = ["a", "b", "c"].map(Backend::echo);
    let host = counting(&[&a, &b, &c], 1);
    // Its own state is 4 bytes of zero at its trial: it never counts. In earnest the one before hands over more.
    let text = plugin::text("handoff.wat").replace("(if\n      (i32.eq (local.get $length) (i32.const 4))", PICKY);
    // It passes where it was asked before.
    let text = text.replace(TAG, "(i32.store8 (i32.const 64) (i32.ne (local.get 4) (i32.const 0)))");
    let text = text.replace("(i32.store (i32.const 96) (i32.add (i32.load (i32.const 96)) (i32.const 1)))", "nop");
    assert_eq!(order(&host, 4), "abca");
    let response = host.swap("mine", &plugin::handing_over_text(&text));
    assert_eq!(response.status, 422, "{}", response.text());
    assert!(response.text().contains("`restore`") && response.text().contains("is no counter"), "{}", response.text());
    assert_eq!(order(&host, 5), "bcabc", "and the one before goes on");
    assert_eq!((host.generation("mine"), faults(&host)), (1, 0.0));
    put(&host, "mine", &plugin::handing_over("handoff.wat"));
    assert_eq!(order(&host, 3), "abc");
}

#[test]
fn one_that_cannot_save_is_left_without_its_state() {
    for fixture in ["save-trap.wat", "save-loop.wat", "save-large.wat"] {
        let [a, b] = ["a", "b"].map(Backend::echo);
        let folder = Folder::new();
        folder.write("mine.wasm", plugin::handing_over(fixture));
        let setup = Setup::over(&[&a, &b]).pool("balancer = 'mine'").more("[plugin.mine]\ncomponent = 'mine.wasm'");
        let host = setup.start_in(folder);
        all_answer(&host, "a");
        let trial = host.swap("mine", &plugin::handing_over(fixture));
        assert_eq!(trial.status, 422, "{fixture}: {}", trial.text());
        assert!(trial.text().contains("`save`"), "{fixture}: {}", trial.text());
        put(&host, "mine", &plugin::handing_over("handoff.wat"));
        let tally = Tally::of(&host, 64);
        assert!(tally.by("a") > 0 && tally.by("b") > 0, "{fixture}: {tally:?}");
        assert!(host.generation("mine") > 1);
        eventually("its fault is told", || faults(&host) >= 1.0);
        all_back(&host);
    }
}

/// Who left a broken generation behind can go back to it: it decides well.
fn all_back(host: &Host) {
    assert_eq!(host.admin_response("POST", "/plugins/mine/rollback", "").status, 200);
    eventually("the one before decides again", || (0..super::MANY).all(|_| host.get("/").backend() == "a"));
}

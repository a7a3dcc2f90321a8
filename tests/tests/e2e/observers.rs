//! Plugins that learn from outcomes, and what they share over workers.

use std::collections::BTreeSet;

use trimtab_tests::backend::entry;
use trimtab_tests::unreachable::Refusing;
use trimtab_tests::{Backend, Folder, Host, Next, Setup, eventually, plugin};

/// A balancer that also exports `observer`.
const WATCHING: &str = "package test:watching;\nworld watching {\n  include trimtab:plugin/balancer-plugin@0.1.0;\n  \
                        export trimtab:plugin/observer@0.1.0;\n}";
/// Asks for outcomes, and for a tick every 50 ms.
const PLAN: &str = "(i32.store8 (i32.const 12) (i32.const 1)) (i32.store (i32.const 16) (i32.const 50))";
/// Logs each outcome, and each tick.
const SAYING: &str = r#"
  (func (export "trimtab:plugin/observer@0.1.0#observe") (param $outcomes i32) (param $length i32)
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $length)))
        (call $say (local.get $outcomes))
        (local.set $outcomes (i32.add (local.get $outcomes) (i32.const 40)))
        (local.set $length (i32.sub (local.get $length) (i32.const 1)))
        (br $next))))
  (func (export "trimtab:plugin/observer@0.1.0#tick") (param i64)
    (call $log (i32.const 2) (i32.const 320) (i32.const 4)))"#;
/// Traps instead.
const TRAPPING: &str = r#"
  (func (export "trimtab:plugin/observer@0.1.0#observe") (param i32 i32) unreachable)
  (func (export "trimtab:plugin/observer@0.1.0#tick") (param i64))"#;
const TRAPPING_TICK: &str = r#"
  (func (export "trimtab:plugin/observer@0.1.0#observe") (param i32 i32))
  (func (export "trimtab:plugin/observer@0.1.0#tick") (param i64) unreachable)"#;

const SECTION: &str = "[plugin.mine]\ncomponent = 'mine.wasm'";

/// A folder with the fixture as `mine.wasm`.
fn watcher(plan: &str, observer: &str) -> Folder {
    let wat = plugin::filled("watcher.wat", &[("PLAN", plan), ("OBSERVER", observer)]);
    let component = match observer {
        "" => plugin::component(&wat, "balancer-plugin", None),
        _ => plugin::component(&wat, "watching", Some(WATCHING)),
    };
    let folder = Folder::new();
    folder.write("mine.wasm", component);
    folder
}

fn order(host: &Host, requests: usize) -> String {
    (0..requests).map(|_| host.get("/").backend().to_owned()).collect::<Vec<_>>().join(" ")
}

#[test]
fn every_end_of_an_attempt_is_told() {
    let (good, missing, failing) = (Backend::echo("a"), Backend::status("b", 404), Backend::status("c", 503));
    let (refusing, silent) = (Refusing::new(), Backend::silent("e"));
    let closing = Backend::new("f", |exchange| exchange.body().map(|()| Next::Close));
    let entries = [
        good.entry(),
        missing.entry(),
        failing.entry(),
        entry("d", refusing.address(), ""),
        silent.entry(),
        closing.entry(),
    ];
    let setup = Setup::of(entries)
        .pool("balancer = 'mine'\nresponse_timeout = '300ms'\nretry = { on = ['connect', 'reset'] }")
        .more(SECTION);
    let host = setup.start_in(watcher(PLAN, SAYING));
    // The turns go on over retries: from `d`, which refuses, to `e`, and from `f`, which only closes, to `a`.
    let statuses: Vec<_> = (0..5).map(|_| host.get("/").status).collect();
    assert_eq!(statuses, [200, 404, 503, 504, 200]);
    let told = [
        "outcome backend 0 kind 0 status 200 attempt 0",
        "outcome backend 1 kind 1 status 404 attempt 0",
        "outcome backend 2 kind 2 status 503 attempt 0",
        "outcome backend 3 kind 3 status 000 attempt 0",
        "outcome backend 4 kind 5 status 000 attempt 1",
        "outcome backend 5 kind 4 status 000 attempt 0",
        "outcome backend 0 kind 0 status 200 attempt 1",
    ];
    for line in told {
        eventually(line, || host.log().matches(line).count() == 1);
    }
    eventually("ticks", || host.log().matches("tick").count() >= 4);
    assert_eq!(host.log().matches("outcome backend").count(), told.len(), "nothing is told twice");
}

#[test]
fn a_client_that_goes_away_is_told_as_such() {
    let a = Backend::silent("a");
    let host = Setup::over(&[&a]).pool("balancer = 'mine'").more(SECTION).start_in(watcher(PLAN, SAYING));
    let mut client = host.client();
    client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
    eventually("the backend has it", || a.requests() == 1);
    drop(client);
    // The ticks that hand over outcomes rest while a worker has neither clients nor kept connections.
    let _others: Vec<_> = (0..32).map(|_| host.client()).collect();
    eventually("it is told", || host.log().contains("outcome backend 0 kind 6 status 000 attempt 0"));
}

#[test]
fn outcomes_of_an_older_table_are_told_by_its_positions() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let host = Setup::over(&[&a, &b]).pool("balancer = 'mine'").more(SECTION).start_in(watcher(PLAN, SAYING));
    // `b` is told as 1 while it is there, or as 0 once `a` has left, and never as what it was not.
    assert_eq!(order(&host, 2), "a b");
    assert_eq!(host.admin("DELETE", "/pools/web/backends/a", "").0, 204);
    assert_eq!(order(&host, 4), "b b b b");
    eventually("all are told", || host.log().matches("outcome backend").count() == 6);
    assert_eq!(host.log().matches("outcome backend 1 kind 0").count(), 1);
}

#[test]
fn a_trap_in_observe_or_tick_loses_no_request() {
    for observer in [TRAPPING, TRAPPING_TICK] {
        let [a, b, c] = ["a", "b", "c"].map(Backend::echo);
        let host = Setup::over(&[&a, &b, &c]).pool("balancer = 'mine'").more(SECTION).start_in(watcher(PLAN, observer));
        let faults = || {
            let labels = [("plugin", "mine"), ("pool", "web"), ("role", "balancer"), ("kind", "trap")];
            host.metrics().sum("trimtab_plugin_faults_total", &labels)
        };
        let mut client = host.client();
        eventually("it has failed some times, and each request is answered", || {
            assert_eq!(client.get("/").status, 200);
            faults() >= 3.0
        });
        let picks = || host.metrics().sum("trimtab_decision_seconds_count", &[("plugin", "mine")]);
        let before = picks();
        eventually("a fresh instance picks", || client.get("/").status == 200 && picks() > before);
    }
}

#[test]
fn a_plan_that_wants_outcomes_needs_the_export() {
    let a = Backend::echo("a");
    for plan in [PLAN, "(i32.store8 (i32.const 12) (i32.const 1))", "(i32.store (i32.const 16) (i32.const 50))"] {
        let config = Setup::over(&[&a]).pool("balancer = 'mine'").more(SECTION).text();
        let mut host = Host::spawn(watcher(plan, ""), &config);
        assert_eq!(host.wait().code(), Some(1));
        let log = host.log();
        assert!(log.contains("mine.wasm") && log.contains("observer"), "{log}");
    }
}

#[test]
fn a_counter_in_the_table_is_one_for_all_workers() {
    let [a, b, c] = ["a", "b", "c"].map(Backend::echo);
    let host = Setup::over(&[&a, &b, &c]).pool("balancer = 'mine'").more(SECTION).workers(4).start_in(watcher("", ""));
    assert_eq!(order(&host, 60), ["a b c"; 20].join(" "), "a connection each, over all workers");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut client = host.client();
                (0..60).for_each(|_| assert_eq!(client.get("/").status, 200));
            });
        }
    });
    let requests: BTreeSet<_> = [&a, &b, &c].map(Backend::requests).into();
    assert_eq!(requests, BTreeSet::from([180]), "no turn was lost and none taken twice");
    let labels = [("plugin", "mine"), ("pool", "web")];
    assert_eq!(host.metrics().sum("trimtab_table_entries", &labels), 1.0);
    assert!(host.metrics().sum("trimtab_table_bytes", &labels) > 0.0);
}

#[test]
fn pools_do_not_share_a_table() {
    let [a, b, c, d] = ["a", "b", "c", "d"].map(Backend::echo);
    let other = format!(
        "[[route]]\npath = '/other'\npool = 'other'\n[pool.other]\nbalancer = 'mine'\nbackends = [{}, {}]",
        c.entry(),
        d.entry()
    );
    let host = Setup::over(&[&a, &b]).pool("balancer = 'mine'").more(&other).more(SECTION).start_in(watcher("", ""));
    let order: Vec<_> =
        ["/", "/other", "/other", "/", "/", "/other"].map(|path| host.get(path).backend().to_owned()).into();
    assert_eq!(order.join(" "), "a c d b a c");
}

#[test]
fn a_built_in_learns_from_outcomes() {
    // Without them a backend that fails at once would look the fastest.
    let (failing, good) = (Backend::status("failing", 500), Backend::echo("good"));
    let host = Setup::over(&[&failing, &good]).pool("balancer = 'peak-ewma'").workers(1).start();
    let mut client = host.client();
    let mut failed = || (0..50).filter(|_| client.get("/").status == 500).count();
    eventually("it has learned", || failed() == 0);
}

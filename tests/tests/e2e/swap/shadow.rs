//! `shadow`: the next generation decides beside the one that steers, and is only compared.

use trimtab_tests::{Backend, Host, Setup, Tally, eventually, under_load};

use super::{all_answer, behind, constant, faults, picker, put};

/// Puts what is to be compared first.
fn compared(host: &Host, component: &[u8]) {
    let response = host.swap("mine", component);
    assert_eq!(response.status, 202, "{}", response.text());
    assert!(response.text().contains("is compared for"), "{}", response.text());
    assert_eq!(host.plugin("mine")["stage"], "shadow");
}

#[test]
fn it_is_compared_and_then_decides() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let host = behind(&constant(0), &[&a, &b], "shadow = '1s'");
    // Agrees every second time, on each worker.
    compared(&host, &picker("(return (call $backend (i32.and (global.get $calls) (i32.const 1))))"));
    let mut client = host.client();
    let seen = |host: &Host| host.plugin("mine")["shadow"][0]["decisions"].as_u64().unwrap_or_default();
    (0..60).for_each(|_| assert_eq!(client.get("/").backend(), "a", "obeyed is the one that decides"));
    let (shown, metrics) = (host.plugin("mine"), host.metrics());
    let report = &shown["shadow"][0];
    assert_eq!((seen(&host), &report["agreed"], &report["generation"]), (60, &30.into(), &2.into()), "{shown}");
    assert_eq!((&report["answered"]["a"], &report["answered"]["b"]), (&[60, 30].into(), &[0, 30].into()), "{shown}");
    assert!(report["distance"].as_f64().is_some_and(|distance| (distance - 0.5).abs() < 1e-9), "{shown}");
    assert!(shown["left_s"].as_f64().is_some_and(|left| left <= 1.0), "{shown}");
    assert_eq!((host.generation("mine"), &shown["previous"]), (1, &serde_json::Value::Null));
    let labels = [("plugin", "mine"), ("pool", "web")];
    assert_eq!(metrics.sum("trimtab_shadow_decisions_total", &labels), 60.0);
    assert_eq!(metrics.sum("trimtab_shadow_answers_total", &[("answer", "b"), ("generation", "shadow")]), 30.0);
    assert_eq!(metrics.sum("trimtab_shadow_decision_seconds_count", &[("generation", "shadow")]), 60.0);
    under_load(host.address(), || eventually("it decides", || host.generation("mine") == 2));
    let shown = host.plugin("mine");
    assert!(shown["last"].as_str().is_some_and(|last| last.contains("agreed in ")), "{shown}");
    assert_eq!((shown["stage"].as_str(), faults(&host)), (Some("probation"), 0.0));
    assert!(!host.metrics().has("trimtab_shadow_decisions_total", &labels));
}

#[test]
fn one_that_fails_is_called_off_and_nobody_notices() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let host = behind(&constant(0), &[&a, &b], "shadow = '1h'");
    compared(&host, &picker("(if (call $marked) (then unreachable)) (return (call $backend (i32.const 1)))"));
    let mut client = host.client();
    (0..8).for_each(|_| assert_eq!(client.get("/").backend(), "a"));
    assert_eq!(client.get_with("/", "x-mark: 1\r\n").backend(), "a");
    eventually("it is called off", || host.plugin("mine")["stage"] == "steady");
    let shown = host.plugin("mine");
    let last = shown["last"].as_str().unwrap_or_default();
    assert!(last.contains("generation 2 was not put in place") && last.contains("unreachable"), "{last}");
    eventually("the log says why", || host.log().contains("not put in place: it failed while it was compared"));
    assert_eq!((host.generation("mine"), faults(&host)), (1, 0.0));
    all_answer(&host, "a");
}

#[test]
fn it_is_called_off_by_hand_and_a_later_one_takes_its_place() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let host = behind(&constant(0), &[&a, &b], "shadow = '1h'");
    compared(&host, &constant(1));
    compared(&host, &constant(1));
    all_answer(&host, "a");
    assert_eq!(host.plugin("mine")["shadow"][0]["generation"], 3);
    let off = host.admin_response("POST", "/plugins/mine/rollback", "");
    assert_eq!(off.status, 200, "{}", off.text());
    assert_eq!((host.plugin("mine")["stage"].as_str(), host.generation("mine")), (Some("steady"), 1));
    all_answer(&host, "a");
}

#[test]
fn turns_and_tables_are_left_alone() {
    let backends = ["a", "b", "c"].map(Backend::echo);
    let [a, b, c] = &backends;
    let by_turn = picker("(return (call $backend (i32.wrap_i64 (i64.rem_u (call $turn) (i64.const 1000)))))");
    let by_table = picker("(return (call $backend (i32.sub (call $count) (i32.const 1))))");
    for component in [by_turn, by_table] {
        let host = behind(&component, &[a, b, c], "shadow = '1h'");
        let mut order: Vec<_> = (0..4).map(|_| host.get("/").backend().to_owned()).collect();
        compared(&host, &component);
        order.extend((0..8).map(|_| host.get("/").backend().to_owned()));
        assert_eq!(order, ["a", "b", "c"].repeat(4));
        let entries = host.metrics().sum("trimtab_table_entries", &[]);
        assert!(entries <= 1.0, "{entries}");
    }
}

#[test]
fn a_shadow_affinity_binds_nobody() {
    let backends = ["a", "b", "c"].map(Backend::echo);
    let [a, b, c] = &backends;
    let setup = Setup::over(&[a, b, c]).pool("affinity = { plugin = 'header', name = 'x-user' }");
    let host = setup.more("[plugin.header]\nshadow = '1h'").start();
    let user = |n: usize| format!("x-user: {}\r\n", n % 10);
    let bound = |n| host.client().get_with("/", &user(n)).backend().to_owned();
    let before: Vec<_> = (0..10).map(bound).collect();
    let entries = || host.metrics().sum("trimtab_table_entries", &[("plugin", "header")]);
    let had = entries();
    let response = host.swap("header", &super::built_in("header"));
    assert_eq!(response.status, 202, "{}", response.text());
    let after: Vec<_> = (0..20).map(bound).collect();
    assert_eq!(after, [before.clone(), before].concat());
    assert_eq!(entries(), had);
    let (_, more) = (Tally::with(&host, 40, |n| format!("x-user: new-{n}\r\n")), entries());
    assert_eq!(more, had + 40.0, "each new client is bound once");
    let shown = host.plugin("header");
    assert_eq!((&shown["stage"], faults(&host)), (&"shadow".into(), 0.0), "{shown}");
}

#[test]
fn swaps_without_it_go_on_beside() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let folder = trimtab_tests::Folder::new();
    folder.write("mine.wasm", constant(0));
    let setup = Setup::over(&[&a, &b]).pool("balancer = 'mine'\naffinity = 'cookie'");
    let host = setup.more("[plugin.mine]\ncomponent = 'mine.wasm'\nshadow = '1h'").start_in(folder);
    compared(&host, &constant(1));
    put(&host, "cookie", &super::built_in("cookie"));
    let mut client = host.client();
    (0..10).for_each(|_| assert_eq!(client.get("/").backend(), "a"));
    assert_eq!(host.plugin("mine")["shadow"][0]["decisions"], 10, "the comparison went on");
}

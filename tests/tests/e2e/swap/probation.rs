//! Probation: a generation that passes its trial and fails in earnest goes by itself.

use trimtab_tests::{Backend, Host, eventually, under_load, under_load_with};

use super::{all_answer, behind, constant, picker, put};

/// Waits until the first generation decides again, and answers why.
fn returned(host: &Host) -> String {
    eventually("it is back", || {
        let shown = host.plugin("mine");
        shown["generation"] == 1 && shown["stage"] == "steady"
    });
    host.plugin("mine")["last"].as_str().expect("the reason is shown").to_owned()
}

#[test]
fn one_that_traps_on_what_no_trial_sends_returns_and_no_request_fails() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let host = behind(&constant(0), &[&a, &b], "");
    let fragile = picker("(if (call $marked) (then unreachable)) (return (call $backend (i32.const 1)))");
    put(&host, "mine", &fragile);
    assert_eq!(host.plugin("mine")["stage"], "probation");
    all_answer(&host, "b");
    let (why, _) = under_load_with(host.address(), |_| "x-mark: 1\r\n".to_owned(), || returned(&host));
    assert!(why.contains("generation 2") && why.contains("unreachable"), "{why}");
    eventually("the log says why", || host.log().contains("on probation: generation 2 failed too often"));
    all_answer(&host, "a");
    let shown = host.plugin("mine");
    assert!(shown["degraded"] == false && shown["previous"].is_null(), "{shown}");
    let again = host.admin_response("POST", "/plugins/mine/rollback", "");
    assert_eq!(again.status, 409, "what failed is not gone back to: {}", again.text());
}

#[test]
fn one_that_traps_later_returns_too() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let host = behind(&constant(0), &[&a, &b], "");
    // A trial is some hundred picks.
    let late =
        "(if (i32.gt_u (call $count) (i32.const 2000)) (then unreachable)) (return (call $backend (i32.const 1)))";
    put(&host, "mine", &picker(late));
    let (why, requests) = under_load(host.address(), || returned(&host));
    assert!(why.contains("unreachable") && requests >= 2000, "{requests}: {why}");
    all_answer(&host, "a");
}

#[test]
fn one_that_refuses_much_more_returns() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let host = behind(&constant(0), &[&a, &b], "");
    all_answer(&host, "a");
    put(&host, "mine", &picker("(return (call $refuse (i32.const 429)))"));
    let mut client = host.client();
    let mut refused = 0;
    eventually("it is back", || {
        refused += usize::from(client.get("/").status == 429);
        host.generation("mine") == 1
    });
    assert!(refused >= 100, "a refusal is a decision, so it is honoured: {refused}");
    let why = returned(&host);
    assert!(why.contains("generation 2 refused 100 % of requests, the one before 0 %"), "{why}");
    eventually("the log says why", || host.log().contains("generation 2 refused 100 % of requests"));
    all_answer(&host, "a");
}

#[test]
fn who_refused_before_may_go_on_doing_so() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let refuse = picker(
        "(if (call $marked) (then (return (call $refuse (i32.const 429))))) (return (call $backend (i32.const 0)))",
    );
    let host = behind(&refuse, &[&a, &b], "probation = '2s'");
    let mut client = host.client();
    let mut ask = |requests| (0..requests).filter(|_| client.get_with("/", "x-mark: 1\r\n").status == 429).count();
    assert_eq!(ask(200), 200);
    put(&host, "mine", &refuse);
    assert_eq!(ask(200), 200);
    eventually("the probation is over", || host.plugin("mine")["stage"] == "steady");
    assert_eq!(host.generation("mine"), 2);
}

#[test]
fn without_probation_it_stays() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let host = behind(&constant(0), &[&a, &b], "probation = false");
    put(&host, "mine", &picker("(if (call $marked) (then unreachable)) (return (call $backend (i32.const 1)))"));
    assert_eq!(host.plugin("mine")["stage"], "steady");
    let mut client = host.client();
    (0..100).for_each(|_| assert_eq!(client.get_with("/", "x-mark: 1\r\n").status, 200));
    assert_eq!(host.generation("mine"), 2);
}

#[test]
fn a_later_one_ends_the_probation_before() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let host = behind(&constant(0), &[&a, &b], "");
    put(&host, "mine", &constant(1));
    let fragile = picker("(if (call $marked) (then unreachable)) (return (call $backend (i32.const 0)))");
    put(&host, "mine", &fragile);
    under_load_with(
        host.address(),
        |_| "x-mark: 1\r\n".to_owned(),
        || {
            eventually("the second is back", || host.generation("mine") == 2);
        },
    );
    all_answer(&host, "b");
}

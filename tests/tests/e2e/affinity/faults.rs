//! An affinity that fails, or finds what may not be: the balancer decides, and every request is answered.

use trimtab_tests::backend::entry;
use trimtab_tests::unreachable::Refusing;
use trimtab_tests::{Backend, Host, eventually};

use super::guest::{Guest, faults_of};
use super::{add, faults, found, set_state};

const FIND_FIRST: &str = "(return (call $backend (i32.const 0)))";
const STATUS: &str = r#"(import "trimtab:plugin/response@0.1.0" "status" (func $status (result i32)))"#;

/// Whom so many requests get, each answered whole, all on one connection.
fn order(host: &Host, requests: usize) -> String {
    let mut client = host.client();
    let mut by = Vec::new();
    for _ in 0..requests {
        let response = client.get("/");
        assert_eq!(response.status, 200, "{}", response.text());
        assert_eq!(response.json()["backend"], response.backend(), "the body is whole");
        by.push(response.backend().to_owned());
    }
    by.join(" ")
}

#[test]
fn an_affinity_from_a_file_finds() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let host = Guest { find: FIND_FIRST, ..Guest::default() }.before(&[&a, &b], "");
    assert_eq!(order(&host, 4), "a a a a");
    assert_eq!((found(&host), faults(&host)), (4.0, 0.0));
}

#[test]
fn one_that_binds_nobody_leaves_all_to_the_balancer() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let host = Guest::default().before(&[&a, &b], "");
    assert_eq!(order(&host, 4), "a b a b");
    assert_eq!((found(&host), faults(&host)), (0.0, 0.0));
}

#[test]
fn one_that_traps_in_find_loses_no_request() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let host = Guest { find: "(unreachable)", ..Guest::default() }.before(&[&a, &b], "");
    assert_eq!(order(&host, 50), ["a b"; 25].join(" "), "the balancer goes on as if nobody were bound");
    let trapped = faults_of(&host, "trap");
    assert!((1.0..=50.0).contains(&trapped), "{trapped}");
    assert_eq!(faults(&host), trapped, "of no other kind");
    eventually("the log names it", || host.log().contains("\"plugin\":\"mine\""));
    let balancer = [("plugin", "round-robin"), ("role", "balancer")];
    assert_eq!(host.metrics().sum("trimtab_plugin_faults_total", &balancer), 0.0);
}

#[test]
fn one_that_traps_in_bind_loses_no_response() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let guest = Guest { bind: "(unreachable)", headers: &[("set-cookie", b"t=1")], ..Guest::default() };
    let host = guest.before(&[&a, &b], "");
    assert_eq!(order(&host, 50), ["a b"; 25].join(" "));
    let trapped = faults_of(&host, "trap");
    assert!((1.0..=50.0).contains(&trapped), "{trapped}");
    assert_eq!(faults(&host), trapped);
}

#[test]
fn after_a_trap_a_fresh_instance_takes_over() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    // Each instance serves one request.
    let find = "(if (global.get $served) (then (unreachable))) (global.set $served (i32.const 1)) \
                (return (call $backend (i32.const 1)))";
    let guest = Guest { head: "(global $served (mut i32) (i32.const 0))", find, ..Guest::default() };
    let host = guest.before(&[&a, &b], "");
    eventually("three instances have found", || {
        assert_eq!(host.get("/").status, 200);
        found(&host) >= 3.0
    });
    let trapped = faults_of(&host, "trap");
    assert!(trapped >= 2.0, "{trapped}");
    assert!(b.requests() >= 3);
}

#[test]
fn one_that_traps_in_update_or_adjust_is_replaced() {
    let [a, b, c] = ["a", "b", "c"].map(Backend::echo);
    // The first table is taken, as it must be for an instance to start.
    let head = "(global $told (mut i32) (i32.const 0))";
    let second = "(if (global.get $told) (then (unreachable))) (global.set $told (i32.const 1))";
    for (update, adjust) in [(second, ""), ("", "(unreachable)")] {
        let guest = Guest { head, update, adjust, find: FIND_FIRST, ..Guest::default() };
        let host = guest.before(&[&a, &b], "");
        assert_eq!(order(&host, 2), "a a");
        if adjust.is_empty() {
            add(&host, &c)
        } else {
            set_state(&host, "b", "draining")
        }
        order(&host, 4);
        assert!(faults_of(&host, "trap") >= 1.0);
        eventually("a fresh instance has found", || {
            order(&host, 1);
            found(&host) > 2.0
        });
        assert_eq!(order(&host, 4), "a a a a", "it was told of the change when it was made");
    }
}

#[test]
fn one_that_loops_is_stopped() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    for (find, bind) in [("(loop $ever (br $ever))", ""), ("", "(loop $ever (br $ever))")] {
        let host = Guest { find, bind, ..Guest::default() }.before(&[&a, &b], "deadline = '5ms'");
        assert_eq!(order(&host, 10), ["a b"; 5].join(" "));
        assert!(faults_of(&host, "deadline") > 0.0);
    }
}

#[test]
fn one_that_finds_a_backend_that_is_down_is_invalid() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let host = Guest { find: FIND_FIRST, ..Guest::default() }.before(&[&a, &b], "");
    set_state(&host, "a", "down");
    assert_eq!(order(&host, 4), "b b b b");
    assert_eq!((faults_of(&host, "invalid"), faults(&host), found(&host)), (4.0, 4.0, 0.0));
    set_state(&host, "a", "draining");
    assert_eq!(order(&host, 4), "a a a a", "it is there for those who are bound");
    assert_eq!((faults(&host), found(&host)), (4.0, 4.0), "the instance went on");
}

#[test]
fn one_that_finds_what_is_not_there_is_invalid() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    for find in [
        "(return (call $backend (i32.const 2)))",
        "(return (call $backend (i32.const -1)))",
        "(return (call $refuse (i32.const 200)))",
        "(return (call $refuse (i32.const 600)))",
    ] {
        let host = Guest { find, ..Guest::default() }.before(&[&a, &b], "");
        assert_eq!(order(&host, 4), "a b a b", "{find}");
        assert_eq!((faults_of(&host, "invalid"), faults(&host), found(&host)), (4.0, 4.0, 0.0), "{find}");
    }
}

#[test]
fn one_that_answers_no_verdict_traps() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    for find in
        ["(return (call $verdict (i32.const 3) (i32.const 0)))", "(return (i32.const -4))", "(return (i32.const 65))"]
    {
        let host = Guest { find, ..Guest::default() }.before(&[&a, &b], "");
        assert_eq!(order(&host, 4), "a b a b", "{find}");
        assert!(faults_of(&host, "trap") > 0.0, "{find}");
    }
}

#[test]
fn it_may_refuse() {
    let a = Backend::echo("a");
    let host = Guest { find: "(return (call $refuse (i32.const 429)))", ..Guest::default() }.before(&[&a], "");
    let response = host.get("/");
    assert_eq!((response.status, response.reason()), (429, "refused-by-plugin"));
    assert_eq!((a.requests(), faults(&host), found(&host)), (0, 0.0, 0.0));
}

#[test]
fn one_that_finds_what_was_tried_is_invalid_and_bind_hears_whom_the_client_got() {
    let (refusing, b) = (Refusing::new(), Backend::echo("b"));
    // The value's last byte says whether the client was found, else to whom it went.
    let bind = "(i32.store8 (i32.const 65566) (i32.add (i32.const 48) (local.get $to))) \
                (if (local.get $was-found) (then (i32.store8 (i32.const 65566) (i32.const 102))))";
    let guest = Guest { find: FIND_FIRST, bind, headers: &[("x-served-by", b"at ?")], ..Guest::default() };
    let allowed = "response_headers = ['x-served-by']";
    let host = guest.before_entries([entry("a", refusing.address(), ""), b.entry()], allowed);
    let response = host.get("/");
    assert_eq!((response.status, response.backend()), (200, "b"));
    assert_eq!(response.headers.all("x-served-by"), ["at 1"], "bind runs once, for the final attempt");
    assert_eq!((faults_of(&host, "invalid"), faults(&host)), (1.0, 1.0));
    let host = guest.before(&[&b], allowed);
    assert_eq!(host.get("/").headers.all("x-served-by"), ["at f"]);
}

#[test]
fn the_response_can_be_asked_about_in_bind() {
    let [a, b] = ["a", "b"].map(|name| {
        Backend::new(name, |exchange| {
            let status = exchange.request.target[1..].parse().unwrap_or(200);
            exchange.respond(status, "", "")
        })
    });
    // Adds its header where the status is 404.
    let bind = "(if (i32.ne (call $status) (i32.const 404)) \
                (then (return (call $headers (i32.const 0) (i32.const 0)))))";
    let guest = Guest { head: STATUS, bind, headers: &[("set-cookie", b"seen=404")], ..Guest::default() };
    let host = guest.before(&[&a, &b], "");
    for (status, set) in [(200, None), (404, Some("seen=404")), (503, None)] {
        let response = host.get(&format!("/{status}"));
        assert_eq!((response.status, response.headers.get("set-cookie")), (status, set));
    }
    assert_eq!(faults(&host), 0.0);
}

#[test]
fn the_response_cannot_be_asked_about_in_find() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let host = Guest { head: STATUS, find: "(drop (call $status))", ..Guest::default() }.before(&[&a, &b], "");
    assert_eq!(order(&host, 10), ["a b"; 5].join(" "));
    let trapped = faults_of(&host, "trap");
    assert!(trapped > 0.0 && trapped == faults(&host), "a trap, and no other fault: {trapped}");
    eventually("it is said why", || host.log().contains("outside `bind`"));
}

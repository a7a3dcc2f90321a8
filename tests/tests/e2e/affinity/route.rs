//! The affinity `route`: the application names the backend.

use trimtab_tests::{Backend, Host, Setup};

use super::{Browser, entries, faults, found, set_state};

fn start(entries: impl IntoIterator<Item = String>, settings: &str) -> Host {
    Setup::of(entries).pool(&format!("affinity = {{ plugin = 'route'{settings} }}")).start()
}

fn order(host: &Host, cookie: &str) -> String {
    let mut browser = Browser::with("JSESSIONID", cookie);
    (0..4).map(|_| browser.get(host, "/").backend().to_owned()).collect::<Vec<_>>().join(" ")
}

#[test]
fn the_suffix_names_the_backend() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let host = start([a.entry(), b.entry()], ", cookie = 'JSESSIONID'");
    for (cookie, expected) in [("4711.b", "b b b b"), ("4711.a", "a a a a"), ("47.11.b", "b b b b"), (".b", "b b b b")]
    {
        assert_eq!(order(&host, cookie), expected, "{cookie}");
    }
    let (_, pools) = host.admin("GET", "/pools", "");
    assert_eq!(pools[0]["affinity"], "route");
    assert_eq!((found(&host), entries(&host, "route")), (16.0, 0.0), "nothing is remembered");
    assert_eq!(host.get("/").headers.get("set-cookie"), None, "and nothing set");
}

#[test]
fn a_name_that_nobody_has_is_no_binding_and_no_fault() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let host = start([a.entry(), b.entry()], ", cookie = 'JSESSIONID'");
    for cookie in ["4711", "4711.", "4711.c", "4711.A", "b", "b.4711", "\u{fffd}.\u{fffd}", "."] {
        assert_eq!(order(&host, cookie), "a b a b", "{cookie}");
    }
    assert_eq!((found(&host), faults(&host)), (0.0, 0.0));
}

#[test]
fn it_may_be_in_the_path_or_the_query() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let settings = ", cookie = 'JSESSIONID', path_parameter = 'jsessionid', query = 'sid'";
    let host = start([a.entry(), b.entry()], settings);
    for target in ["/app;jsessionid=4711.b", "/app;jsessionid=4711.b/page", "/?sid=4711.b", "/?x=1&sid=1.b"] {
        assert!((0..4).all(|_| host.get(target).backend() == "b"), "{target}");
    }
    let mut browser = Browser::with("JSESSIONID", "1.a");
    assert_eq!(browser.get(&host, "/;jsessionid=1.b?sid=1.b").backend(), "a", "the cookie comes first");
}

#[test]
fn names_may_be_labels_and_the_whole_value() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let entries = [("one", &a), ("two", &b)].map(|(name, b)| b.entry_with(&format!("labels = {{ route = '{name}' }}")));
    let host = start(entries.clone(), ", cookie = 'JSESSIONID', label = 'route'");
    assert_eq!([order(&host, "7.two"), order(&host, "7.b")], ["b b b b", "a b a b"]);
    let host = start(entries, ", cookie = 'JSESSIONID', label = 'route', separator = ''");
    assert_eq!([order(&host, "two"), order(&host, "7.two")], ["b b b b", "a b a b"]);
}

#[test]
fn a_draining_backend_is_found_and_one_that_is_down_is_not() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let host = start([a.entry(), b.entry()], ", cookie = 'JSESSIONID'");
    set_state(&host, "b", "draining");
    assert_eq!([order(&host, "7.b"), order(&host, "7.c")], ["b b b b", "a a a a"]);
    set_state(&host, "b", "down");
    assert_eq!(order(&host, "7.b"), "a a a a");
    set_state(&host, "b", "ready");
    assert_eq!(order(&host, "7.b"), "b b b b");
    assert_eq!(faults(&host), 0.0);
}

#[test]
fn one_that_does_not_accept_connections_is_tried_once() {
    let [a, mut b] = ["a", "b"].map(Backend::echo);
    let host = start([a.entry(), b.entry()], ", cookie = 'JSESSIONID'");
    b.stop();
    assert_eq!(order(&host, "7.b"), "a a a a");
    // Refused, or reset by a listener that is just being closed.
    let tried = [("pool", "web"), ("backend", "b")];
    assert_eq!(host.metrics().sum("trimtab_backend_requests_total", &tried), 4.0);
    assert_eq!(faults(&host), 0.0);
}

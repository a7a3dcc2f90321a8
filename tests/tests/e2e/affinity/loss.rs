//! The backend that a cookie names is not there: with `strict` the client is refused, otherwise bound anew.

use trimtab_tests::backend::entry;
use trimtab_tests::unreachable::Refusing;
use trimtab_tests::{Backend, Host, Setup};

use super::{Browser, add, faults, remove, set_state};

fn start(backends: &[&Backend], strict: bool) -> Host {
    Setup::over(backends).pool(&format!("affinity = {{ plugin = 'cookie', strict = {strict} }}")).start()
}

/// A browser that is bound to this backend.
fn bound_to(host: &Host, backend: &str) -> Browser {
    (0..16)
        .find_map(|_| {
            let mut browser = Browser::default();
            (browser.get(host, "/").backend() == backend).then_some(browser)
        })
        .unwrap_or_else(|| panic!("{backend} gets no new client"))
}

#[test]
fn strict_refuses_while_the_backend_is_down_and_takes_it_again() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let host = start(&[&a, &b], true);
    let mut browser = bound_to(&host, "a");
    let before = browser.clone();
    set_state(&host, "a", "down");
    let seen = (a.requests(), b.requests());
    for _ in 0..4 {
        let response = browser.get(&host, "/");
        assert_eq!((response.status, response.reason()), (503, "refused-by-plugin"));
        assert_eq!(response.headers.get("set-cookie"), None, "it stays bound");
    }
    assert_eq!((a.requests(), b.requests()), seen, "nobody was asked");
    let metrics = host.metrics();
    assert_eq!(metrics.sum("trimtab_refusals_total", &[("pool", "web")]), 4.0);
    assert_eq!(metrics.sum("trimtab_fallbacks_total", &[("pool", "web")]), 0.0);
    assert_eq!(host.get("/").backend(), "b", "others are served");
    set_state(&host, "a", "ready");
    assert_eq!(browser.get(&host, "/").backend(), "a");
    assert_eq!(browser.cookies, before.cookies);
    assert_eq!(faults(&host), 0.0, "a refusal is a decision");
}

#[test]
fn strict_refuses_at_once_where_a_shaper_has_to_weigh_first() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let pool = "affinity = { plugin = 'cookie', strict = true }\nbalancer = ['priority', 'round-robin']";
    let host = Setup::over(&[&a, &b]).pool(pool).start();
    let mut browser = bound_to(&host, "a");
    for _ in 0..30 {
        set_state(&host, "a", "down");
        assert_eq!(browser.get(&host, "/").status, 503, "by what is true, whatever shapers are about");
        set_state(&host, "a", "ready");
        assert_eq!(browser.get(&host, "/").backend(), "a");
    }
    remove(&host, "a");
    assert_eq!(browser.get(&host, "/").status, 503);
}

#[test]
fn strict_keeps_the_clients_of_a_draining_backend() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let host = start(&[&a, &b], true);
    let mut browser = bound_to(&host, "a");
    set_state(&host, "a", "draining");
    assert_eq!(browser.get(&host, "/").backend(), "a");
}

#[test]
fn strict_refuses_when_the_backend_was_removed() {
    let [mut a, b] = ["a", "b"].map(Backend::echo);
    let host = start(&[&a, &b], true);
    let mut browser = bound_to(&host, "a");
    remove(&host, "a");
    for _ in 0..4 {
        let response = browser.get(&host, "/");
        assert_eq!((response.status, response.reason()), (503, "refused-by-plugin"));
    }
    assert_eq!(host.get("/").backend(), "b");
    // The same backend, moved: it is the id that a client is bound to.
    a.stop();
    let moved = Backend::echo("a");
    add(&host, &moved);
    assert_eq!(browser.get(&host, "/").backend(), "a");
    assert_eq!(moved.requests(), 1);
}

#[test]
fn strict_refuses_when_the_backend_does_not_accept_connections() {
    let [mut a, b] = ["a", "b"].map(Backend::echo);
    let host = start(&[&a, &b], true);
    let mut browser = bound_to(&host, "a");
    a.stop();
    let seen = b.requests();
    let response = browser.get(&host, "/");
    assert_eq!((response.status, response.reason()), (503, "refused-by-plugin"));
    assert_eq!(b.requests(), seen, "no retry elsewhere");
    assert_eq!(faults(&host), 0.0);
}

#[test]
fn otherwise_the_client_is_bound_anew() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    for removed in [false, true] {
        let host = start(&[&a, &b], false);
        let mut browser = bound_to(&host, "a");
        let before = browser.clone();
        if removed {
            remove(&host, "a")
        } else {
            set_state(&host, "a", "down")
        }
        let response = browser.get(&host, "/");
        assert_eq!((response.backend(), response.headers.all("set-cookie").len()), ("b", 1));
        assert_ne!(browser.cookies, before.cookies);
        if removed {
            add(&host, &a)
        } else {
            set_state(&host, "a", "ready")
        }
        for _ in 0..4 {
            let response = browser.get(&host, "/");
            assert_eq!((response.backend(), response.headers.get("set-cookie")), ("b", None), "and stays");
        }
        assert_eq!(faults(&host), 0.0);
    }
}

#[test]
fn a_retry_goes_elsewhere_and_the_cookie_follows() {
    let [mut a, b] = ["a", "b"].map(Backend::echo);
    let host = start(&[&a, &b], false);
    let browser = bound_to(&host, "a");
    a.stop();
    for post in [false, true] {
        let mut browser = browser.clone();
        let mut client = host.client();
        let length = if post { "content-length: 4\r\n" } else { "" };
        let method = if post { "POST" } else { "GET" };
        client.send(format!("{method} / HTTP/1.1\r\nhost: test\r\n{length}{}\r\n", browser.lines()));
        let response = client.send(if post { "body" } else { "" }).response();
        assert_eq!((response.status, response.backend()), (200, "b"), "{method}: {}", response.text());
        assert_eq!(response.headers.all("set-cookie").len(), 1);
        browser.keep(&response);
        let next = browser.get(&host, "/");
        assert_eq!((next.backend(), next.headers.get("set-cookie")), ("b", None));
    }
    let failed = [("pool", "web"), ("backend", "a"), ("outcome", "connect-error")];
    assert_eq!(host.metrics().sum("trimtab_backend_requests_total", &failed), 2.0, "the bound backend is tried first");
    assert_eq!(faults(&host), 0.0);
}

#[test]
fn what_is_remembered_follows_a_retry_as_well() {
    let (refusing, b, c) = (Refusing::new(), Backend::echo("b"), Backend::echo("c"));
    let entries = [entry("a", refusing.address(), ""), b.entry(), c.entry()];
    let host = Setup::of(entries).pool("affinity = { plugin = 'header', name = 'x-user' }").start();
    let failed = || {
        let labels = [("pool", "web"), ("backend", "a"), ("outcome", "connect-error")];
        host.metrics().sum("trimtab_backend_requests_total", &labels)
    };
    let visit = |user: usize| host.client().get_with("/", &format!("x-user: {user}\r\n")).backend().to_owned();
    let homes: Vec<_> = (0..24).map(visit).collect();
    let once = failed();
    assert!(once > 0.0, "some were sent to the one that refuses");
    for _ in 0..4 {
        assert!((0..24).map(visit).eq(homes.clone()), "who was sent on stays where the answer came from");
    }
    assert_eq!(failed(), once, "so it is not tried again");
    assert_eq!(faults(&host), 0.0);
}

//! `/metrics`: every name that is promised, and that the numbers add up.

use trimtab_tests::backend::entry;
use trimtab_tests::unreachable::Refusing;
use trimtab_tests::{Backend, Setup, eventually};

#[test]
fn requests_are_counted_by_listener_pool_and_class() {
    let (a, b) = (Backend::echo("a"), Backend::status("b", 500));
    let more = format!("[[route]]\npath = '/bad'\npool = 'bad'\n[pool.bad]\nbackends = [{}]", b.entry());
    let host = Setup::over(&[&a]).more(&more).start();
    let mut client = host.client();
    for target in ["/", "/", "/", "/bad", "/bad"] {
        client.get(target);
    }
    let total = |pool, code| {
        host.metrics().sum("trimtab_requests_total", &[("listener", "web"), ("pool", pool), ("code", code)])
    };
    eventually("three good ones", || total("web", "2xx") == 3.0);
    eventually("two bad ones", || total("bad", "5xx") == 2.0);
    let metrics = host.metrics();
    assert_eq!(metrics.sum("trimtab_request_duration_seconds_count", &[("listener", "web")]), 5.0);
    assert_eq!(metrics.sum("trimtab_request_duration_seconds_bucket", &[("listener", "web"), ("le", "+Inf")]), 5.0);
    assert!(metrics.sum("trimtab_request_duration_seconds_sum", &[("listener", "web")]) > 0.0);
    assert_eq!(metrics.types.get("trimtab_request_duration_seconds").map(String::as_str), Some("histogram"));
    assert_eq!(metrics.types.get("trimtab_requests_total").map(String::as_str), Some("counter"));
}

#[test]
fn buckets_of_the_histogram_grow() {
    let a = Backend::echo("a");
    let host = Setup::over(&[&a]).start();
    assert_eq!(host.get("/").status, 200);
    let metrics = host.metrics();
    let buckets: Vec<f64> = metrics
        .all
        .iter()
        .filter(|s| s.name == "trimtab_request_duration_seconds_bucket" && s.labels["listener"] == "web")
        .map(|s| s.value)
        .collect();
    assert!(buckets.len() > 5, "{buckets:?}");
    assert!(buckets.is_sorted(), "{buckets:?}");
}

#[test]
fn what_is_in_flight_is_seen_and_ends() {
    let a = Backend::silent("a");
    let host = Setup::over(&[&a]).start();
    let mut client = host.client();
    client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
    eventually("the backend has it", || a.requests() == 1);
    let metrics = host.metrics();
    assert_eq!(metrics.sum("trimtab_requests_in_flight", &[("listener", "web")]), 1.0);
    assert_eq!(metrics.sum("trimtab_connections", &[("listener", "web")]), 1.0);
    assert_eq!(metrics.sum("trimtab_backend_in_flight", &[("pool", "web"), ("backend", "a")]), 1.0);
    drop(client);
    eventually("nothing is in flight", || {
        let metrics = host.metrics();
        ["trimtab_requests_in_flight", "trimtab_connections", "trimtab_backend_in_flight"]
            .iter()
            .all(|name| metrics.has(name, &[]) && metrics.sum(name, &[]) == 0.0)
    });
    assert_eq!(
        host.metrics().sum("trimtab_backend_requests_total", &[("backend", "a"), ("outcome", "cancelled")]),
        1.0
    );
}

#[test]
fn attempts_are_counted_by_outcome() {
    let (refusing, b) = (Refusing::new(), Backend::status("b", 404));
    let host = Setup::of([entry("a", refusing.address(), ""), b.entry()]).start();
    for _ in 0..4 {
        assert_eq!(host.get("/").status, 404);
    }
    let metrics = host.metrics();
    let count = |backend, outcome| {
        metrics.sum("trimtab_backend_requests_total", &[("pool", "web"), ("backend", backend), ("outcome", outcome)])
    };
    assert_eq!(count("b", "client-error"), 4.0);
    assert!(count("a", "connect-error") >= 1.0);
    assert_eq!(count("a", "success"), 0.0);
}

#[test]
fn readiness_is_shown() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let host = Setup::over(&[&a, &b]).start();
    let ready = |id| host.metrics().sum("trimtab_backend_ready", &[("pool", "web"), ("backend", id)]);
    assert_eq!((ready("a"), ready("b")), (1.0, 1.0));
    assert_eq!(host.admin("PATCH", "/pools/web/backends/a", r#"{"state":"down"}"#).0, 200);
    assert_eq!((ready("a"), ready("b")), (0.0, 1.0));
}

#[test]
fn decisions_are_timed() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let host = Setup::over(&[&a, &b]).start();
    let mut client = host.client();
    for _ in 0..1000 {
        assert_eq!(client.get("/").status, 200);
    }
    let metrics = host.metrics();
    let labels = [("plugin", "round-robin"), ("pool", "web")];
    // Decisions may be sampled; there must be some, and they cannot take as long as a request.
    let (count, sum) =
        (metrics.sum("trimtab_decision_seconds_count", &labels), metrics.sum("trimtab_decision_seconds_sum", &labels));
    assert!(count > 0.0 && sum > 0.0, "{count} in {sum} s");
    assert!(sum / count < 0.001, "{} s a decision", sum / count);
}

#[test]
fn what_the_host_answers_itself_is_counted() {
    let a = Backend::echo("a");
    let host = Setup::over(&[&a]).listener("max_body_size = 10").start();
    assert_eq!(host.client().post("/", "more than ten bytes").status, 413);
    let count = || host.metrics().sum("trimtab_requests_total", &[("listener", "web"), ("code", "4xx")]);
    eventually("it is counted", || count() == 1.0);
}

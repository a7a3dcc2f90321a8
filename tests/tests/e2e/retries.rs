//! Requests that are sent to another backend: when, with what, how often, and when not.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use trimtab_tests::{Backend, Gate, Next, Response, Setup, eventually};

/// Answers 503 to all, after it has read the body.
fn failing(name: &str) -> Backend {
    Backend::status(name, 503)
}

fn put(host: &trimtab_tests::Host, body: &str) -> Response {
    let mut client = host.client();
    client.send(format!("PUT / HTTP/1.1\r\nhost: test\r\ncontent-length: {}\r\n\r\n{body}", body.len()));
    client.response_to("PUT")
}

const ON_503: &str = "retry = { on = ['connect', 'reset', 'timeout', 503] }";

#[test]
fn a_status_that_is_named_is_retried() {
    let (a, b) = (failing("a"), Backend::echo("b"));
    let host = Setup::over(&[&a, &b]).pool(ON_503).workers(1).start();
    for _ in 0..10 {
        assert_eq!(host.get("/").backend(), "b");
    }
    assert_eq!((a.requests(), b.requests()), (5, 10), "round-robin asks for both, one of them twice in two");
    assert_eq!(host.metrics().sum("trimtab_retries_total", &[("pool", "web")]), 5.0);
}

#[test]
fn the_last_answer_is_passed_on_when_nobody_is_left() {
    let (a, b) = (failing("a"), failing("b"));
    let host = Setup::over(&[&a, &b]).pool(ON_503).start();
    let response = host.get("/");
    assert_eq!((response.status, response.reason()), (503, ""), "it is the backend's, not ours");
    assert_eq!((a.requests(), b.requests()), (1, 1), "each was tried once");
}

#[test]
fn other_statuses_and_methods_are_not() {
    let (a, b) = (failing("a"), failing("b"));
    let host = Setup::over(&[&a, &b]).pool("retry = { on = [502] }").start();
    assert_eq!(host.get("/").status, 503);
    assert_eq!(a.requests() + b.requests(), 1);
    let host = Setup::over(&[&a, &b]).pool(ON_503).start();
    assert_eq!(host.client().post("/", "body").status, 503);
    assert_eq!(a.requests() + b.requests(), 2, "a POST may have been carried out");
}

#[test]
fn a_body_is_sent_again_from_its_beginning() {
    let (a, b) = (failing("a"), Backend::echo("b"));
    let host = Setup::over(&[&a, &b]).pool(ON_503).workers(1).start();
    let body = "x".repeat(60_000);
    for _ in 0..4 {
        let echoed = put(&host, &body).json();
        assert_eq!((&echoed["backend"], &echoed["body_length"]), (&"b".into(), &60_000.into()));
        let hash = trimtab_tests::backend::hash(body.as_bytes());
        assert_eq!(echoed["body_hash"], hash);
    }
    // In chunks, of which nobody knows how many will come.
    for _ in 0..2 {
        let mut client = host.client();
        client.send("PUT / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n");
        for _ in 0..5 {
            client.wire.send_chunk("0123456789").expect("sent");
        }
        client.send("0\r\n\r\n");
        let echoed = client.response_to("PUT").json();
        assert_eq!((&echoed["backend"], &echoed["body_length"]), (&"b".into(), &50.into()));
    }
}

#[test]
fn a_body_above_the_limit_is_not_kept() {
    let (a, b) = (failing("a"), Backend::echo("b"));
    let pool = "retry = { on = [503], buffer = '1KiB' }";
    let host = Setup::over(&[&a, &b]).pool(pool).workers(1).start();
    let statuses: Vec<_> = (0..4).map(|_| put(&host, &"x".repeat(1025)).status).collect();
    assert_eq!(statuses, [503, 200, 503, 200]);
    assert_eq!(put(&host, &"x".repeat(1024)).status, 200, "as much as is kept");
    let mut client = host.client();
    client.send("PUT / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n");
    for _ in 0..3 {
        client.wire.send_chunk("x".repeat(500)).expect("sent");
    }
    client.send("0\r\n\r\n");
    assert!([200, 503].contains(&client.response_to("PUT").status), "whole, whichever backend it was");
}

#[test]
fn a_backend_that_does_not_answer_costs_one_timeout() {
    let (a, b) = (Backend::silent("a"), Backend::echo("b"));
    let host = Setup::over(&[&a, &b]).pool("response_timeout = '300ms'").workers(1).start();
    for _ in 0..2 {
        assert_eq!(host.get("/").backend(), "b");
    }
    assert_eq!(a.requests(), 1);
    let statuses: Vec<_> = (0..2).map(|_| host.client().post("/", "x").status).collect();
    assert_eq!(statuses, [504, 200], "a POST may have been carried out");
}

#[test]
fn the_last_try_has_all_the_time() {
    let slow = || {
        move |exchange: &mut trimtab_tests::Exchange<'_>| {
            exchange.body()?;
            // Longer than `per_try_timeout`, shorter than `response_timeout`.
            trimtab_tests::wait::until(Instant::now() + Duration::from_millis(700));
            exchange.respond(200, "", "")
        }
    };
    let (a, b) = (Backend::new("a", slow()), Backend::new("b", slow()));
    let pool = "retry = { per_try_timeout = '200ms' }\nresponse_timeout = '20s'";
    let host = Setup::over(&[&a, &b]).pool(pool).start();
    assert_eq!(host.get("/").status, 200);
    assert_eq!((a.requests(), b.requests()), (1, 1), "the first was left after its time");
}

#[test]
fn all_tries_together_have_their_time() {
    let silent: Vec<_> = ["a", "b", "c"].map(Backend::silent).into_iter().collect();
    let pool = "response_timeout = '30s'\nrequest_timeout = '400ms'";
    let host = Setup::over(&silent.iter().collect::<Vec<_>>()).pool(pool).start();
    let began = Instant::now();
    let response = host.get("/");
    assert_eq!((response.status, response.reason()), (504, "request-timeout"));
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!(silent.iter().map(Backend::requests).sum::<usize>(), 1);
}

#[test]
fn errors_of_grpc_count_and_are_retried_where_they_are_named() {
    let calls = AtomicUsize::new(0);
    let a = Backend::new("a", move |exchange| {
        exchange.body()?;
        let status = if calls.fetch_add(1, Ordering::SeqCst) == 0 { 14 } else { 5 };
        exchange.respond(200, &format!("content-type: application/grpc\r\ngrpc-status: {status}\r\n"), "")
    });
    let b = Backend::new("b", |exchange| {
        exchange.body()?;
        exchange.respond(200, "content-type: application/grpc\r\ngrpc-status: 0\r\n", "")
    });
    let host = Setup::over(&[&a, &b]).pool("retry = { on = ['grpc:unavailable'] }").workers(1).start();
    let call = || {
        let mut client = host.client();
        client.send(
            "POST /s/m HTTP/1.1\r\nhost: test\r\ncontent-type: application/grpc\r\ncontent-length: 4\r\n\r\nbody",
        );
        client.response_to("POST").headers.get("grpc-status").map(str::to_owned)
    };
    assert_eq!(call().as_deref(), Some("0"), "unavailable at the first, though it is a POST");
    eventually("what is not named is passed on", || call().as_deref() == Some("5"));
    let outcome = |kind| host.metrics().sum("trimtab_backend_requests_total", &[("backend", "a"), ("outcome", kind)]);
    eventually("both are counted", || (outcome("server-error"), outcome("success")) == (1.0, 1.0));
}

#[test]
fn a_storm_is_bounded_by_the_budget() {
    const REQUESTS: usize = 2000;
    let (a, b, c) = (failing("a"), failing("b"), failing("c"));
    let pool = "retries = 2\nretry = { on = [503], budget = 20, reserve = 0 }";
    let host = Setup::over(&[&a, &b, &c]).pool(pool).start();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut client = host.client();
                for _ in 0..REQUESTS / 4 {
                    assert_eq!(client.get("/").status, 503);
                }
            });
        }
    });
    let attempts = a.requests() + b.requests() + c.requests();
    assert!(attempts * 10 <= REQUESTS * 12, "{attempts} attempts for {REQUESTS} requests");
    assert!(attempts * 100 >= REQUESTS * 115, "{attempts}: the budget is there to be spent");
    let metrics = host.metrics();
    let value = |name| metrics.sum(name, &[("pool", "web")]) as usize;
    assert_eq!(value("trimtab_retries_total"), attempts - REQUESTS);
    assert!(value("trimtab_retries_denied_total") > 0);
}

#[test]
fn requests_leave_a_backend_that_leaves_the_pool() {
    let gate = Gate::default();
    let (a, b) = (gate.backend("a"), Backend::echo("b"));
    let host = Setup::over(&[&a, &b]).pool("response_timeout = '10m'").start();
    // Half of them wait at `a`, which answers nobody.
    let mut clients: Vec<_> = (0..8).map(|_| host.client()).collect();
    for client in &mut clients {
        client.send("GET /held HTTP/1.1\r\nhost: test\r\n\r\n");
    }
    let mut posting = host.client();
    eventually("requests wait", || a.requests() >= 4);
    loop {
        let before = a.requests();
        posting.send("POST /held HTTP/1.1\r\nhost: test\r\ncontent-length: 1\r\n\r\nx");
        eventually("it is somewhere", || a.requests() > before || b.requests() > 4);
        if a.requests() > before {
            break;
        }
        posting = host.client();
    }
    host.set_backend("web", "a", r#"{"state":"down"}"#);
    for client in &mut clients {
        assert_eq!(client.response().backend(), "b", "at once: the timeout is ten minutes");
    }
    gate.open();
    assert_eq!(posting.response_to("POST").backend(), "a", "what may not be sent again stays");
}

#[test]
fn who_has_nowhere_else_to_go_stays() {
    let gate = Gate::default();
    let a = gate.backend("a");
    let host = Setup::over(&[&a]).start();
    let mut clients = gate.hold(&host, 2, "");
    host.set_backend("web", "a", r#"{"state":"down"}"#);
    gate.open();
    for client in &mut clients {
        assert_eq!(client.response().status, 200);
    }
    assert_eq!(host.get("/").status, 503);
}

#[test]
fn a_connection_that_breaks_before_a_response_is_retried_unless_that_is_not_wanted() {
    let closing = || Backend::new("a", |exchange| exchange.body().map(|()| Next::Close));
    let (a, b) = (closing(), Backend::echo("b"));
    let host = Setup::over(&[&a, &b]).workers(1).start();
    for _ in 0..4 {
        assert_eq!(host.get("/").backend(), "b");
    }
    let host = Setup::over(&[&a, &b]).pool("retry = { on = ['connect'] }").workers(1).start();
    let statuses: Vec<_> = (0..4).map(|_| host.get("/").status).collect();
    assert_eq!(statuses, [502, 200, 502, 200]);
}

//! Backends that fail in every way, and what the client sees of it.

use std::sync::atomic::{AtomicUsize, Ordering};

use trimtab_tests::backend::entry;
use trimtab_tests::unreachable::{Refusing, Unreachable};
use trimtab_tests::{Backend, Next, Response, Setup, eventually};

fn failed(response: &Response, status: u16) {
    assert_eq!(response.status, status, "{}", response.text());
    assert!(!response.reason().is_empty(), "x-trimtab-reason in {:?}", response.headers);
    assert!((1..300).contains(&response.body.len()), "a short body: {:?}", response.text());
}

#[test]
fn a_backend_that_closes_before_it_answers_is_502() {
    let a = Backend::new("a", |exchange| exchange.body().map(|()| Next::Close));
    failed(&Setup::over(&[&a]).start().get("/"), 502);
}

#[test]
fn a_backend_that_resets_before_it_answers_is_502() {
    let a = Backend::new("a", |exchange| exchange.body().map(|()| Next::Reset));
    failed(&Setup::over(&[&a]).start().get("/"), 502);
}

#[test]
fn a_backend_that_does_not_speak_http_is_502() {
    let a = Backend::new("a", |exchange| {
        exchange.wire.send("220 smtp.test ESMTP\r\n\r\n")?;
        Ok(Next::Close)
    });
    failed(&Setup::over(&[&a]).start().get("/"), 502);
}

#[test]
fn a_response_that_breaks_off_breaks_off() {
    let a = Backend::new("a", |exchange| {
        exchange.wire.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc")?;
        Ok(Next::Close)
    });
    let host = Setup::over(&[&a]).start();
    let mut client = host.client();
    client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
    assert!(client.try_response("GET").is_err(), "the client must notice");
}

#[test]
fn a_chunked_response_that_breaks_off_breaks_off() {
    let a = Backend::new("a", |exchange| {
        exchange.start_chunks("")?;
        exchange.wire.send_chunk("abc")?;
        Ok(Next::Close)
    });
    let host = Setup::over(&[&a]).start();
    let mut client = host.client();
    client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
    assert!(client.try_response("GET").is_err(), "the client must notice");
}

#[test]
fn where_no_connection_can_be_made_the_next_backend_is_tried() {
    let (refusing, b) = (Refusing::new(), Backend::echo("b"));
    let host = Setup::of([entry("a", refusing.address(), ""), b.entry()]).start();
    for _ in 0..6 {
        assert_eq!(host.get("/").backend(), "b");
        assert_eq!(host.client().post("/", "body").json()["body_length"], 4, "nothing of the body was lost");
    }
}

#[test]
fn where_no_backend_can_be_connected_to_the_last_error_is_answered() {
    let (one, two) = (Refusing::new(), Refusing::new());
    let host = Setup::of([entry("a", one.address(), ""), entry("b", two.address(), "")]).start();
    failed(&host.get("/"), 502);
}

#[test]
fn retries_are_limited() {
    let (one, two, c) = (Refusing::new(), Refusing::new(), Backend::echo("c"));
    let entries = [entry("a", one.address(), ""), entry("b", two.address(), ""), c.entry()];
    let host = Setup::of(entries).pool("retries = 1").start();
    failed(&host.get("/"), 502);
    assert_eq!(c.requests(), 0);
}

#[test]
fn a_pool_without_backends_is_503() {
    failed(&Setup::default().start().get("/"), 503);
}

#[test]
fn a_pool_without_ready_backends_is_503() {
    let a = Backend::echo("a");
    let host = Setup::of([a.entry_with("state = 'draining'")]).start();
    failed(&host.get("/"), 503);
    assert_eq!(a.requests(), 0);
}

#[test]
fn no_response_in_time_is_504() {
    let a = Backend::silent("a");
    failed(&Setup::over(&[&a]).pool("response_timeout = '300ms'").start().get("/"), 504);
    eventually("the connection is given up", || a.open() == 0);
}

#[test]
fn no_connection_in_time_is_504() {
    let a = Unreachable::new();
    let setup = Setup::of([entry("a", a.address(), "")]).pool("connect_timeout = '200ms'");
    failed(&setup.start().get("/"), 504);
}

#[test]
fn where_no_connection_comes_in_time_the_next_backend_is_tried() {
    let (a, b) = (Unreachable::new(), Backend::echo("b"));
    let host = Setup::of([entry("a", a.address(), ""), b.entry()]).pool("connect_timeout = '200ms'").start();
    assert_eq!(host.get("/").backend(), "b");
}

#[test]
fn a_response_that_stalls_is_cut() {
    let a = Backend::new("a", |exchange| {
        exchange.start_chunks("")?;
        exchange.wire.send_chunk("abc")?;
        exchange.wire.ended();
        Ok(Next::Close)
    });
    let host = Setup::over(&[&a]).pool("response_timeout = '300ms'").start();
    let mut client = host.client();
    client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
    assert!(client.try_response("GET").is_err(), "the client must notice");
}

#[test]
fn a_kept_connection_that_was_closed_is_replaced_unnoticed() {
    let a = Backend::echo("a");
    let host = Setup::over(&[&a]).workers(1).start();
    let mut client = host.client();
    for round in 1..=5 {
        assert_eq!(client.get("/").status, 200, "round {round}");
        a.close_connections();
    }
    assert_eq!(a.requests(), 5);
}

#[test]
fn a_kept_connection_that_closes_on_use_is_replaced_by_one_to_the_same_backend() {
    // The second request on a connection finds it closing: the server had given it up already.
    let handler = |exchange: &mut trimtab_tests::Exchange<'_>| {
        if exchange.nth > 0 {
            return Ok(Next::Close);
        }
        exchange.echo()
    };
    let (a, b) = (Backend::new("a", handler), Backend::new("b", handler));
    let host = Setup::over(&[&a, &b]).workers(1).start();
    let mut client = host.client();
    let order: Vec<_> = (0..6).map(|_| client.get("/").backend().to_owned()).collect();
    assert_eq!(order.join(" "), "a b a b a b", "no new pick");
    let metrics = host.metrics();
    let attempts = |outcome| metrics.sum("trimtab_backend_requests_total", &[("pool", "web"), ("outcome", outcome)]);
    assert_eq!(attempts("success"), 6.0, "no attempt either");
    assert_eq!(attempts("reset"), 0.0);
}

#[test]
fn a_post_that_was_partly_sent_is_not_sent_again() {
    static BODIES: AtomicUsize = AtomicUsize::new(0);
    let a = Backend::new("a", |exchange| {
        if exchange.nth > 0 {
            exchange.leave_body();
            exchange.wire.exact(5)?;
            BODIES.fetch_add(1, Ordering::SeqCst);
            return Ok(Next::Reset);
        }
        exchange.echo()
    });
    let b = Backend::echo("b");
    let host = Setup::of([a.entry(), b.entry_with("backup = true")]).workers(1).start();
    let mut client = host.client();
    assert_eq!(client.get("/").status, 200);
    failed(&client.post("/", "x".repeat(100_000)), 502);
    assert_eq!(BODIES.load(Ordering::SeqCst), 1);
    assert_eq!(a.requests() + b.requests(), 2);
}

#[test]
fn a_request_that_a_fresh_connection_swallowed_is_not_sent_again() {
    let a = Backend::new("a", |exchange| exchange.body().map(|()| Next::Close));
    let b = Backend::echo("b");
    let host = Setup::over(&[&a, &b]).start();
    failed(&host.client().post("/", "body"), 502);
    assert_eq!((a.requests(), b.requests()), (1, 0));
}

#[test]
fn a_client_that_goes_away_ends_the_attempt() {
    let a = Backend::silent("a");
    let host = Setup::over(&[&a]).start();
    let mut client = host.client();
    client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
    eventually("the backend has it", || a.requests() == 1);
    drop(client);
    eventually("the connection to the backend is given up", || a.open() == 0);
    eventually("nothing is in flight", || host.backend("web", "a")["in_flight"] == 0);
}

//! Requests that two parties could read in two ways, as raw bytes: what each gets, and that no backend gets any of it.
//!
//! The statuses are nginx's where it refuses the same, else those of RFC 9112. nginx 1.22 and HAProxy 2.6 let bare LF
//! through, and HAProxy two equal lengths; here they are refused, as no client of today sends them.

use trimtab_tests::{Backend, Next, Setup, eventually};

/// The status, or 0 for a connection that is closed without one.
type Vector = (&'static str, u16);

const LENGTHS: [Vector; 14] = [
    ("content-length: 3\r\ncontent-length: 4\r\n\r\nabcd", 400),
    ("content-length: 3\r\ncontent-length: 3\r\n\r\nabc", 400),
    ("content-length: 3, 3\r\n\r\nabc", 400),
    ("content-length: 3,4\r\n\r\nabcd", 400),
    ("content-length: +3\r\n\r\nabc", 400),
    ("content-length: -3\r\n\r\nabc", 400),
    ("content-length: 0x3\r\n\r\nabc", 400),
    ("content-length: 3 3\r\n\r\nabc", 400),
    ("content-length: 3;\r\n\r\nabc", 400),
    ("content-length: 3.0\r\n\r\nabc", 400),
    ("content-length: \r\n\r\n", 400),
    ("content-length: 18446744073709551617\r\n\r\na", 400),
    ("content-length: 99999999999999999999999999999999999\r\n\r\na", 400),
    ("content-length\t: 3\r\n\r\nabc", 400),
];

const CODINGS: [Vector; 16] = [
    ("content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n", 400),
    ("transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n0\r\n\r\n", 400),
    ("transfer-encoding: identity\r\ncontent-length: 5\r\n\r\n0\r\n\r\n", 501),
    ("transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n", 501),
    ("transfer-encoding: identity, chunked\r\n\r\n0\r\n\r\n", 501),
    ("transfer-encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 501),
    ("transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    ("transfer-encoding: xchunked\r\n\r\n0\r\n\r\n", 501),
    ("transfer-encoding: \"chunked\"\r\n\r\n0\r\n\r\n", 501),
    ("transfer-encoding:\tchunked\r\n\r\n0\r\n\r\n", 501),
    ("transfer-encoding: chunked\x0b\r\n\r\n0\r\n\r\n", 501),
    ("transfer-encoding:\r\n chunked\r\n\r\n0\r\n\r\n", 501),
    ("transfer-encoding : chunked\r\n\r\n0\r\n\r\n", 400),
    (" transfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400),
];

const CHUNKS: [Vector; 17] = [
    ("3\nabc\r\n0\r\n\r\n", 400),
    ("3\r\nabc\n0\r\n\r\n", 400),
    ("3\r\nabc0\r\n\r\n", 400),
    ("3\r\nabcd\r\n0\r\n\r\n", 400),
    ("3 \r\nabc\r\n0\r\n\r\n", 400),
    (" 3\r\nabc\r\n0\r\n\r\n", 400),
    ("0x3\r\nabc\r\n0\r\n\r\n", 400),
    ("+3\r\nabc\r\n0\r\n\r\n", 400),
    ("-3\r\nabc\r\n0\r\n\r\n", 400),
    ("\r\nabc\r\n0\r\n\r\n", 400),
    ("g\r\nabc\r\n0\r\n\r\n", 400),
    ("100000000000000003\r\nabc\r\n0\r\n\r\n", 400),
    ("3;a=\nb\r\nabc\r\n0\r\n\r\n", 400),
    ("3;a=\rb\r\nabc\r\n0\r\n\r\n", 400),
    ("0\r\ncontent-length: 5\r\n\r\n", 400),
    ("0\r\nhost: evil\r\n\r\n", 400),
    ("0\r\nx-a: b\n\r\n", 400),
];

const HEADS: [Vector; 44] = [
    ("GET / HTTP/1.1\nhost: test\n\n", 400),
    ("GET / HTTP/1.1\r\nhost: test\n\r\n", 400),
    ("GET / HTTP/1.1\r\nhost: test\r\nx-a: b\rx-c: d\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nhost: test\r\nx-a: b\r\n c\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nhost: test\r\nx-a: b\r\n\tc\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\n host: test\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nhost : test\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nhost: test\r\nx a: b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nhost: test\r\nx-a\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nhost: test\r\n: b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nhost: test\r\nx-a: b\0c\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nhost: test\r\nx-a: b\x01c\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nhost: test\r\nx-a: b\x7fc\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nhost: test\r\nx\x01a: b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nhost: test\r\nx(a): b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nhost: \r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nhost: a, b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nhost: user@test\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nhost: test/path\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nhost: a b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nhost: test:port\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nhost: test:1:2\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nhost: [::1\r\n\r\n", 400),
    ("GET http://a/ HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", 400),
    ("GET http://user:secret@test/ HTTP/1.1\r\nhost: test\r\n\r\n", 400),
    ("GET http:///x HTTP/1.1\r\nhost: test\r\n\r\n", 400),
    ("GET ftp://test/ HTTP/1.1\r\nhost: test\r\n\r\n", 400),
    ("GET test/x HTTP/1.1\r\nhost: test\r\n\r\n", 400),
    ("GET test:80 HTTP/1.1\r\nhost: test\r\n\r\n", 400),
    ("GET * HTTP/1.1\r\nhost: test\r\n\r\n", 400),
    ("GET /\x01 HTTP/1.1\r\nhost: test\r\n\r\n", 400),
    ("GET /\u{e9} HTTP/1.1\r\nhost: test\r\n\r\n", 400),
    ("GET /#top HTTP/1.1\r\nhost: test\r\n\r\n", 400),
    ("G(T / HTTP/1.1\r\nhost: test\r\n\r\n", 400),
    ("GET  / HTTP/1.1\r\nhost: test\r\n\r\n", 400),
    ("GET /\r\n\r\n", 400),
    ("GET / HTTP/1.2\r\nhost: test\r\n\r\n", 505),
    ("GET / HTTP/2.0\r\nhost: test\r\n\r\n", 505),
    ("GET / HTTP/1.10\r\nhost: test\r\n\r\n", 400),
    ("POST / HTTP/1.0\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nhost: test\r\nexpect: 200-ok\r\ncontent-length: 1\r\n\r\na", 417),
];

const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nhost: test\r\n\r\n";

/// Sends each, followed by a request that must not be answered.
#[track_caller]
fn refused(vectors: &[(String, u16)]) {
    let a = Backend::echo("a");
    let host = Setup::over(&[&a]).workers(1).start();
    let mut wrong = Vec::new();
    for (text, status) in vectors {
        let mut client = host.client();
        let _ = client.wire.send([text, SMUGGLED].concat());
        let answer = client.try_response("GET").map(|response| (response.status, response.reason().to_owned()));
        let answer = answer.unwrap_or_default();
        if answer.0 != *status || answer.1.is_empty() || !client.wire.ended() {
            wrong.push(format!("{text:?} got {answer:?}, not {status}"));
        }
        if a.requests() > 0 {
            wrong.push(format!("{text:?} reached the backend as {:?}", a.seen().last().map(|r| r.target.clone())));
            break;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(host.get("/").status, 200, "the next client is served");
}

fn post(vectors: &[Vector]) -> Vec<(String, u16)> {
    let whole = |rest: &str| format!("POST / HTTP/1.1\r\nhost: test\r\n{rest}");
    vectors.iter().map(|(rest, status)| (whole(rest), *status)).collect()
}

#[test]
fn lengths_that_are_not_clear() {
    refused(&post(&LENGTHS));
}

#[test]
fn codings_that_are_not_clear() {
    refused(&post(&CODINGS));
}

#[test]
fn chunks_that_are_not_clear() {
    let whole = |body: &str| format!("POST / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n{body}");
    refused(&CHUNKS.map(|(body, status)| (whole(body), status)));
}

#[test]
fn heads_that_are_not_clear() {
    refused(&HEADS.map(|(text, status)| (text.to_owned(), status)));
}

#[test]
fn what_came_before_is_answered_and_what_follows_is_not() {
    let a = Backend::echo("a");
    let host = Setup::over(&[&a]).workers(1).start();
    let mut client = host.client();
    client.send(["GET /1 HTTP/1.1\r\nhost: test\r\n\r\nGET /2 HTTP/1.1\r\nhost: test\n\r\n", SMUGGLED].concat());
    assert_eq!(client.response().json()["uri"], "/1");
    assert_eq!(client.response().status, 400);
    assert!(client.wire.ended());
    assert_eq!(a.requests(), 1);
}

#[test]
fn a_body_that_goes_wrong_later_breaks_off_at_the_backend_too() {
    let a = Backend::echo("a");
    let host = Setup::over(&[&a]).workers(1).start();
    let mut client = host.client();
    client.send("POST / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n");
    eventually("the backend has the head", || a.open() == 1);
    client.send(["zz\r\n", SMUGGLED].concat());
    assert_eq!(client.response().status, 400);
    assert!(client.wire.ended());
    eventually("the backend is left", || a.open() == 0);
    assert!(a.seen().iter().all(|request| request.target != "/smuggled"));
}

#[test]
fn what_is_sent_early_for_another_protocol_is_no_request() {
    let a = Backend::echo("a");
    let host = Setup::over(&[&a]).workers(1).start();
    let mut client = host.client();
    client.send(["GET /1 HTTP/1.1\r\nhost: test\r\nconnection: upgrade\r\nupgrade: other\r\n\r\n", SMUGGLED].concat());
    assert_eq!(client.response().status, 200, "it is not upgraded");
    assert!(client.wire.ended());
    assert_eq!(a.requests(), 1);
    eventually("it has been handled", || a.seen().iter().any(|request| request.target == "/1"));
}

#[test]
fn a_refused_upgrade_leaves_the_connection_as_it_is() {
    let a = Backend::echo("a");
    let host = Setup::over(&[&a]).workers(1).start();
    let mut client = host.client();
    assert_eq!(client.get_with("/1", "connection: upgrade\r\nupgrade: other\r\n").status, 200);
    assert_eq!(client.get("/2").status, 200);
    let _ = client.wire.send("GET /3 HTTP/1.1\nhost: test\n\n");
    assert_eq!(client.response().status, 400, "the same rules hold again");
}

/// Heads of responses, and what follows them, that a backend gets 502 for.
const RESPONSES: [&str; 14] = [
    "HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd",
    "HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 3\r\n\r\nabc",
    "HTTP/1.1 200 OK\r\ncontent-length: 3, 3\r\n\r\nabc",
    "HTTP/1.1 200 OK\r\ncontent-length: +3\r\n\r\nabc",
    "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nx-a: b\r\n c\r\n\r\n",
    "HTTP/1.1 200 OK\r\nx-a: b\0c\r\n\r\n",
    "HTTP/1.1 200 OK\r\nx-a : b\r\n\r\n",
    "HTTP/1.1 2000 OK\r\n\r\n",
];

#[test]
fn responses_that_are_not_clear_are_502_and_their_connection_is_left() {
    for text in RESPONSES {
        let a = Backend::new("a", move |exchange| exchange.wire.send(text).map(|()| Next::Keep));
        let host = Setup::over(&[&a]).pool("retries = 0").workers(1).start();
        let response = host.get("/");
        assert_eq!(response.status, 502, "{text:?}: {response:?}");
        assert!(!response.reason().is_empty(), "{text:?}");
        eventually("the backend is left", || a.open() == 0);
    }
}

#[test]
fn trailers_say_nothing_of_the_client() {
    let a = Backend::new("a", |exchange| {
        exchange.body()?;
        let trailers = format!("{:?}", exchange.request.trailers);
        exchange.respond(200, "", trailers)
    });
    let host = Setup::over(&[&a]).start();
    let head = "POST / HTTP/1.1\r\nhost: test\r\ntrailer: x-sum, x-forwarded-for, authorization\r\n\
                transfer-encoding: chunked\r\n\r\n";
    let body = "1\r\na\r\n0\r\nx-sum: 1\r\nx-forwarded-for: 1.2.3.4\r\nauthorization: x\r\n\r\n";
    let seen = host.client().send([head, body].concat()).response().text();
    assert!(seen.contains("x-sum") && !seen.contains("1.2.3.4") && !seen.contains("authorization"), "{seen}");
}

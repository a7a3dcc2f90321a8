//! HTTP/2 with clients: requests, resets, timeouts of each stream, and how a connection ends.

#[path = "http2/clients.rs"]
mod clients;
#[path = "http2/closed_streams.rs"]
mod closed_streams;
#[path = "http2/compression.rs"]
mod compression;
#[path = "http2/floods.rs"]
mod floods;
#[path = "http2/slow_clients.rs"]
mod slow_clients;
#[path = "http2/windows.rs"]
mod windows;

use std::sync::Mutex;
use std::sync::mpsc::channel;

use rustix::process::Signal;
use trimtab_tests::frames::{self, DATA, END_HEADERS, END_STREAM, Frames, GOAWAY, HEADERS, RST_STREAM};
use trimtab_tests::{Backend, Next, Setup, eventually};

/// Error codes (RFC 9113 §7).
const NO_ERROR: u32 = 0;
const PROTOCOL_ERROR: u32 = 1;

/// `SETTINGS_INITIAL_WINDOW_SIZE`
const INITIAL_WINDOW_SIZE: u16 = 4;

#[test]
fn a_request_is_one_of_http_1_1_to_the_backend() {
    let a = Backend::echo("a");
    let host = Setup::over(&[&a]).start();
    let mut client = Frames::connect(host.address());
    let fields = [("cookie", "a=1"), ("te", "trailers"), ("cookie", "b=2")];
    client.send(HEADERS, END_HEADERS | END_STREAM, 1, &frames::head("GET", "/path?query", &fields));
    assert!(client.answered(1));
    let seen = a.seen().pop().expect("a request");
    assert_eq!((seen.method.as_str(), seen.target.as_str(), seen.version), ("GET", "/path?query", 1));
    assert_eq!(seen.headers.all("host"), ["test"]);
    assert_eq!(seen.headers.all("cookie"), ["a=1; b=2"]);
    assert_eq!(seen.headers.all("x-forwarded-proto"), ["http"]);
}

#[test]
fn a_body_and_its_trailers_go_through() {
    let a = Backend::echo("a");
    let host = Setup::over(&[&a]).start();
    let mut client = Frames::connect(host.address());
    client.send(HEADERS, END_HEADERS, 1, &frames::head("POST", "/", &[("trailer", "x-sum")]));
    client.send(DATA, 0, 1, b"one ");
    client.send(DATA, 0, 1, b"two");
    client.send(HEADERS, END_HEADERS | END_STREAM, 1, &frames::fields_of(&[("x-sum", "7")]));
    assert!(client.answered(1));
    let seen = a.seen().pop().expect("a request");
    assert_eq!(seen.body, b"one two");
    assert_eq!(seen.trailers.get("x-sum"), Some("7"));
}

#[test]
fn a_hundred_streams_at_a_time() {
    let a = Backend::echo("a");
    let host = Setup::over(&[&a]).start();
    let mut client = Frames::connect(host.address());
    for stream in 0..100 {
        client.get(2 * stream + 1, "/");
    }
    let (mut ok, mut ended) = (0, 0);
    while ended < 100 {
        let frame = client.frame().expect("the connection stays");
        assert_ne!(frame.kind, RST_STREAM);
        ok += usize::from(frame.is_ok());
        ended += usize::from(frame.ends());
    }
    assert_eq!((ok, a.requests()), (100, 100));
}

#[test]
fn a_reset_ends_the_attempt_at_once() {
    let a = Backend::silent("a");
    let host = Setup::over(&[&a]).start();
    let mut client = Frames::connect(host.address());
    client.get(1, "/");
    eventually("the backend has it", || a.requests() == 1);
    client.send(RST_STREAM, 0, 1, &8u32.to_be_bytes());
    eventually("its connection is closed", || a.open() == 0);
}

#[test]
fn a_backend_that_breaks_off_resets_its_stream_alone() {
    let a = Backend::new("a", |exchange| {
        if exchange.request.target == "/" {
            return exchange.echo();
        }
        exchange.wire.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")?;
        Ok(Next::Close)
    });
    let host = Setup::over(&[&a]).start();
    let mut client = Frames::connect(host.address());
    client.get(1, "/broken");
    let reset = client.find("reset", |frame| frame.kind == RST_STREAM);
    assert_eq!((reset.stream, reset.code()), (1, 2), "INTERNAL_ERROR");
    client.get(3, "/");
    assert!(client.answered(3));
}

#[test]
fn a_client_that_takes_nothing_is_reset_and_others_are_served() {
    let a = Backend::echo("a");
    let host = Setup::over(&[&a]).listener("write_timeout = \"200ms\"").start();
    let mut client = Frames::connect_with(host.address(), &[(INITIAL_WINDOW_SIZE, 0)]);
    client.get(1, "/");
    let reset = client.find("reset", |frame| frame.kind == RST_STREAM);
    assert_eq!((reset.stream, reset.code()), (1, 8), "CANCEL");
    client.send(HEADERS, END_HEADERS | END_STREAM, 3, &frames::head("HEAD", "/", &[]));
    assert!(client.answered(3), "the connection goes on");
}

#[test]
fn a_body_that_stops_is_a_timeout_of_its_stream() {
    let a = Backend::echo("a");
    let host = Setup::over(&[&a]).listener("body_timeout = \"200ms\"").start();
    let mut client = Frames::connect(host.address());
    client.send(HEADERS, END_HEADERS, 1, &frames::head("POST", "/", &[("content-length", "10")]));
    client.send(DATA, 0, 1, b"half");
    client.get(3, "/");
    assert!(client.answered(3), "while the other waits");
    assert!(!client.answered(1), "408");
    let reset = client.find("reset", |frame| frame.kind == RST_STREAM);
    assert_eq!((reset.stream, reset.code()), (1, NO_ERROR), "the rest of the body is not wanted");
}

#[test]
fn trailers_of_http_1_1_come_without_what_is_of_its_connection() {
    let a = Backend::new("a", |exchange| {
        exchange.start_chunks("trailer: x-sum\r\n")?;
        exchange.wire.send_chunk("abc")?;
        exchange.finish_chunks("x-sum: 6\r\nconnection: x-sum\r\nkeep-alive: 5\r\n")
    });
    let host = Setup::over(&[&a]).start();
    let mut client = Frames::connect(host.address());
    client.send(HEADERS, END_HEADERS | END_STREAM, 1, &frames::head("GET", "/", &[("te", "trailers")]));
    assert!(client.answered(1));
}

#[test]
fn a_length_that_may_be_read_otherwise_is_400() {
    let a = Backend::echo("a");
    let host = Setup::over(&[&a]).start();
    let mut client = Frames::connect(host.address());
    let lengths: [&[(&str, &str)]; 3] = [
        &[("content-length", "3"), ("content-length", "0003")],
        &[("content-length", "3"), ("content-length", "3")],
        &[("content-length", "0000000000000000003")],
    ];
    for (number, lengths) in lengths.into_iter().enumerate() {
        let stream = 2 * number as u32 + 1;
        client.send(HEADERS, END_HEADERS, stream, &frames::head("POST", "/", lengths));
        client.send(DATA, END_STREAM, stream, b"abc");
        assert!(!client.answered(stream), "{lengths:?}");
    }
    assert_eq!(a.requests(), 0);
}

#[test]
fn what_is_malformed_is_an_error_of_the_protocol() {
    let a = Backend::echo("a");
    let host = Setup::over(&[&a]).start();
    let sound = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "test")];
    let with = |more: &[(&'static str, &'static str)]| frames::fields_of(&[&sound[..], more].concat());
    let malformed = [
        with(&[("connection", "close")]),
        with(&[("transfer-encoding", "chunked")]),
        with(&[("keep-alive", "1")]),
        with(&[("upgrade", "websocket")]),
        with(&[("te", "gzip")]),
        with(&[("X-Upper", "1")]),
        with(&[(":path", "/again")]),
        with(&[(":status", "200")]),
        with(&[("content-length", "5")]),
        frames::fields_of(&sound[..2]),
        frames::fields_of(&[sound[0], sound[2], sound[3]]),
        frames::fields_of(&[&[("x-first", "1")], &sound[..]].concat()),
    ];
    for (i, fields) in malformed.iter().enumerate() {
        let mut client = Frames::connect(host.address());
        client.send(HEADERS, END_HEADERS | END_STREAM, 1, fields);
        // Of the stream, or (as h2 has it for some) of the connection.
        let end = client.find("end", |frame| matches!(frame.kind, RST_STREAM | GOAWAY | HEADERS));
        // What is without an authority is our own to refuse.
        match end.kind {
            HEADERS => assert!(!end.is_ok(), "the {i}th was answered"),
            _ => assert_eq!(end.code(), PROTOCOL_ERROR, "the {i}th"),
        }
    }
    assert_eq!(a.requests(), 0);
}

#[test]
fn a_drain_lets_streams_finish() {
    let (go, told) = channel::<()>();
    let told = Mutex::new(told);
    let a = Backend::new("a", move |exchange| {
        let _ = told.lock().expect("one request").recv();
        exchange.echo()
    });
    let mut host = Setup::over(&[&a]).start();
    let mut client = Frames::connect(host.address());
    client.get(1, "/");
    eventually("the backend has it", || a.requests() == 1);
    host.signal(Signal::TERM);
    let goaway = client.find("GOAWAY", |frame| frame.kind == GOAWAY);
    assert_eq!(goaway.code(), NO_ERROR);
    go.send(()).expect("the backend waits");
    assert!(client.answered(1));
    drop(client);
    assert!(host.wait().success());
}

#[test]
fn an_idle_connection_is_told_to_go() {
    let a = Backend::echo("a");
    let host = Setup::over(&[&a]).listener("idle_timeout = \"200ms\"").start();
    let mut client = Frames::connect(host.address());
    client.get(1, "/");
    assert!(client.answered(1));
    let goaway = client.find("GOAWAY", |frame| frame.kind == GOAWAY);
    assert_eq!(goaway.code(), NO_ERROR);
    while client.frame().is_some() {}
}

#[test]
fn where_it_is_off_it_is_no_request() {
    let a = Backend::echo("a");
    let host = Setup::over(&[&a]).listener("http2 = false").start();
    assert_eq!(host.client().send(frames::PREFACE).response().status, 400);
    assert_eq!(a.requests(), 0);
}

#[test]
fn an_upgrade_to_it_is_not_passed_on() {
    let a = Backend::echo("a");
    let host = Setup::over(&[&a]).start();
    let lines = "connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n";
    assert_eq!(host.client().get_with("/", lines).status, 200);
    let seen = a.seen().pop().expect("a request");
    assert_eq!((seen.headers.get("upgrade"), seen.headers.get("http2-settings")), (None, None));
}

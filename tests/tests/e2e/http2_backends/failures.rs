//! Streams that are reset, connections that end, and what of that clients see.

use std::net::TcpListener;
use std::sync::mpsc::channel;

use trimtab_tests::backend::entry;
use trimtab_tests::frames::{self, DATA, END_HEADERS, END_STREAM, Frames, GOAWAY, HEADERS, RST_STREAM, WINDOW_UPDATE};
use trimtab_tests::{Setup, Streams, eventually, under_load};

use super::{H2, framed, over};

/// Settings (RFC 9113 §6.5.2).
const MAX_CONCURRENT_STREAMS: u16 = 3;
const INITIAL_WINDOW_SIZE: u16 = 4;
/// Error codes (RFC 9113 §7).
const INTERNAL_ERROR: u32 = 2;
const REFUSED_STREAM: u32 = 7;
const CANCEL: u32 = 8;

#[test]
fn no_request_fails_when_a_backend_leaves_its_connections() {
    let a = Streams::start("a", None, 100);
    let host = over(&[&a]).start();
    let mut seen = 0;
    let ((), requests) = under_load(host.address(), || {
        for _ in 0..20 {
            eventually("there are further requests", || a.seen().len() > seen + 20);
            seen = a.seen().len();
            a.leave();
        }
    });
    assert!(requests > 400 && a.accepted() > 20, "{requests} on {}", a.accepted());
    eventually("old ones are closed", || a.open() <= 2);
}

#[test]
fn what_a_goaway_says_was_not_processed_is_sent_again() {
    let (entry, backend) = framed(|listener| {
        let mut first = Frames::accept(listener, &[]);
        let (one, two) = (first.asked(), first.asked());
        first.send(GOAWAY, 0, 0, &[one.to_be_bytes(), 0u32.to_be_bytes()].concat());
        let mut second = Frames::accept(listener, &[]);
        let again = second.asked();
        second.ok(again);
        first.ok(one);
        (two, again)
    });
    let host = Setup::of([entry]).pool(H2).workers(1).start();
    let mut client = Frames::connect(host.address());
    client.get(1, "/");
    client.get(3, "/");
    let mut ok = 0;
    client.find("both", |frame| {
        ok += usize::from(frame.is_ok());
        ok == 2
    });
    assert_eq!(backend.join().expect("it goes on"), (3, 1));
}

#[test]
fn a_refused_stream_goes_elsewhere_once() {
    let (entry, backend) = framed(|listener| {
        let mut frames = Frames::accept(listener, &[]);
        let mut refused = 0;
        while let Some(frame) = frames.frame() {
            if frame.kind == HEADERS {
                frames.send(RST_STREAM, 0, frame.stream, &REFUSED_STREAM.to_be_bytes());
                refused += 1;
            }
        }
        refused
    });
    let b = Streams::start("b", None, 100);
    let host = Setup::of([entry, b.entry()]).pool(H2).workers(1).start();
    for _ in 0..10 {
        // Not idempotent, but nothing was done of it.
        let response = host.client().send("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 0\r\n\r\n").response();
        assert_eq!((response.status, response.backend()), (200, "b"));
    }
    drop(host);
    assert_eq!(backend.join().expect("it goes on"), 5, "once for each that was sent there");
}

#[test]
fn a_client_that_leaves_resets_its_stream_alone() {
    let a = Streams::start("a", None, 100);
    let host = over(&[&a]).workers(1).start();
    let mut client = Frames::connect(host.address());
    client.get(1, "/wait");
    client.send(HEADERS, END_HEADERS, 3, &frames::head("POST", "/", &[]));
    client.send(DATA, 0, 3, b"half");
    client.get(5, "/wait");
    eventually("they run", || a.seen().len() == 3);
    let running = a.running();
    client.send(RST_STREAM, 0, 1, &CANCEL.to_be_bytes());
    eventually("one is cancelled", || a.running() < running);
    client.send(RST_STREAM, 0, 3, &CANCEL.to_be_bytes());
    let gone = host.client();
    drop(gone);
    a.release();
    assert!(client.answered(5));
    assert_eq!((a.accepted(), a.open()), (1, 1));
}

#[test]
fn a_client_of_http_1_1_that_leaves_does_too() {
    let a = Streams::start("a", None, 100);
    let host = over(&[&a]).workers(1).start();
    let mut client = host.client();
    client.send("GET /wait HTTP/1.1\r\nhost: test\r\n\r\n");
    eventually("it runs", || a.running() == 1);
    drop(client);
    eventually("it is cancelled", || a.running() == 0);
    assert_eq!((a.accepted(), a.open()), (1, 1));
}

#[test]
fn what_a_backend_resets_is_not_sent_to_it_again() {
    let (entry, backend) = framed(|listener| {
        let mut frames = Frames::accept(listener, &[]);
        let first = frames.asked();
        frames.ok(first);
        let mut asked = 0;
        while let Some(frame) = frames.frame() {
            if frame.kind == HEADERS {
                asked += 1;
                frames.send(RST_STREAM, 0, frame.stream, &INTERNAL_ERROR.to_be_bytes());
            }
        }
        asked
    });
    let mut host = Setup::of([entry]).pool(&format!("{H2}\nretries = 0")).workers(1).start();
    assert_eq!(host.get("/").status, 200);
    assert_eq!(host.get("/").status, 502);
    host.stop();
    assert_eq!(backend.join().expect("it goes on"), 1, "once");
}

#[test]
fn an_answer_ends_the_upload_that_it_did_not_wait_for() {
    let (entry, backend) = framed(|listener| {
        let mut frames = Frames::accept(listener, &[(MAX_CONCURRENT_STREAMS, 1)]);
        let upload = frames.asked();
        frames.find("data", |frame| frame.kind == DATA);
        frames.ok(upload);
        let reset = frames.find("reset", |frame| frame.kind == RST_STREAM);
        assert_eq!((reset.stream, reset.code()), (upload, CANCEL));
        let next = frames.asked();
        frames.ok(next);
    });
    let host = Setup::of([entry]).pool(H2).workers(1).start();
    let mut client = Frames::connect(host.address());
    client.send(HEADERS, END_HEADERS, 1, &frames::head("POST", "/", &[]));
    client.send(DATA, 0, 1, b"some");
    assert!(client.answered(1));
    assert_eq!(host.get("/").status, 200, "there is room for another");
    backend.join().expect("it goes on");
}

#[test]
fn a_connection_that_is_not_read_from_is_closed_all_the_same() {
    let (entry, backend) = framed(|listener| {
        // A window that is larger than what sockets hold: what is sent is stuck there.
        let settings = [(MAX_CONCURRENT_STREAMS, 10), (INITIAL_WINDOW_SIZE, 1 << 30)];
        let mut frames = Frames::accept(listener, &settings);
        frames.send(WINDOW_UPDATE, 0, 0, &(1u32 << 30).to_be_bytes());
        frames.asked();
        frames
    });
    let host = Setup::of([entry]).pool(&format!("{H2}\nresponse_timeout = '500ms'\nretries = 0")).workers(1).start();
    let before = host.descriptors();
    let mut client = host.client();
    client.send("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 100000000\r\n\r\n");
    let _ = client.wire.send(vec![b'x'; 100_000_000]);
    let _frames = backend.join().expect("it is stuck");
    drop(client);
    eventually("it is closed", || host.descriptors() <= before);
}

#[test]
fn a_client_that_cancels_an_upload_is_heard() {
    let (told, asked) = channel::<()>();
    let (entry, backend) = framed(move |listener| {
        let mut frames = Frames::accept(listener, &[]);
        let mut codes = Vec::new();
        for answered in [false, true] {
            let stream = frames.asked();
            told.send(()).expect("the test waits");
            if answered {
                frames.send(HEADERS, END_HEADERS, stream, &[0x88]);
            }
            let reset = frames.find("reset", |frame| frame.kind == RST_STREAM);
            codes.push((reset.stream == stream, reset.code()));
        }
        codes
    });
    let host = Setup::of([entry]).pool(H2).workers(1).start();
    let mut client = Frames::connect(host.address());
    client.send(HEADERS, END_HEADERS, 1, &frames::head("POST", "/", &[]));
    client.send(DATA, 0, 1, b"some");
    asked.recv().expect("the backend has it");
    client.send(RST_STREAM, 0, 1, &CANCEL.to_be_bytes());
    client.send(HEADERS, END_HEADERS, 3, &frames::head("POST", "/", &[]));
    client.send(DATA, 0, 3, b"some");
    client.find("a head", |frame| frame.stream == 3 && frame.is_ok());
    client.send(RST_STREAM, 0, 3, &CANCEL.to_be_bytes());
    assert_eq!(backend.join().expect("resets"), [(true, CANCEL); 2]);
}

#[test]
fn a_call_whose_time_is_over_ends_in_the_middle_of_its_response() {
    let (entry, backend) = framed(|listener| {
        let mut frames = Frames::accept(listener, &[]);
        let stream = frames.asked();
        let kind = frames::fields_of(&[(":status", "200"), ("content-type", "application/grpc")]);
        frames.send(HEADERS, END_HEADERS, stream, &kind);
        frames.send(DATA, 0, stream, &[0; 5]);
        frames.find("reset", |frame| frame.kind == RST_STREAM).code()
    });
    let host = Setup::of([entry]).pool(H2).workers(1).start();
    let mut client = Frames::connect(host.address());
    let call = [("content-type", "application/grpc"), ("te", "trailers"), ("grpc-timeout", "300m")];
    client.send(HEADERS, END_HEADERS | END_STREAM, 1, &frames::head("POST", "/", &call));
    let end = client.find("end", |frame| frame.ends());
    assert_eq!(end.kind, HEADERS, "trailers");
    let text = String::from_utf8_lossy(&end.payload);
    assert!(text.contains("grpc-status") || end.payload.len() > 4, "{text}");
    assert_eq!(backend.join().expect("a reset"), CANCEL);
}

#[test]
fn a_reset_in_a_response_is_one_for_its_client() {
    let (entry, backend) = framed(|listener| {
        let mut frames = Frames::accept(listener, &[]);
        let broken = frames.asked();
        frames.send(HEADERS, END_HEADERS, broken, &[0x88]);
        frames.send(DATA, 0, broken, b"half");
        frames.send(RST_STREAM, 0, broken, &INTERNAL_ERROR.to_be_bytes());
        let next = frames.asked();
        frames.ok(next);
        next
    });
    let host = Setup::of([entry]).pool(H2).workers(1).start();
    let mut client = Frames::connect(host.address());
    client.get(1, "/");
    let reset = client.find("reset", |frame| frame.kind == RST_STREAM);
    assert_eq!((reset.stream, reset.code()), (1, INTERNAL_ERROR));
    client.get(3, "/");
    assert!(client.answered(3));
    assert_eq!(backend.join().expect("it goes on"), 3, "on the same connection");
}

#[test]
fn a_connection_that_breaks_is_tried_anew() {
    let (entry, backend) = framed(|listener| {
        let mut first = Frames::accept(listener, &[]);
        let stream = first.asked();
        first.ok(stream);
        first.asked();
        drop(first);
        let mut second = Frames::accept(listener, &[]);
        let stream = second.asked();
        second.ok(stream);
    });
    let host = Setup::of([entry]).pool(H2).workers(1).start();
    assert_eq!(host.get("/").status, 200);
    assert_eq!(host.get("/").status, 200);
    backend.join().expect("it goes on");
}

#[test]
fn one_that_says_nothing_any_more_is_left() {
    let (entry, backend) = framed(|listener| {
        let first = Frames::accept(listener, &[]);
        let mut second = Frames::accept(listener, &[]);
        let stream = second.asked();
        second.ok(stream);
        drop(first);
    });
    let pool = "response_timeout = \"200ms\"\nretries = 0";
    let host = Setup::of([entry]).pool(H2).pool(pool).workers(1).start();
    let response = host.get("/");
    assert_eq!((response.status, response.reason()), (504, "response-timeout"));
    assert_eq!(host.get("/").status, 200);
    backend.join().expect("it goes on");
}

#[test]
fn a_backend_that_never_begins_is_a_connect_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let entry = entry("mute", listener.local_addr().expect("an address"), "");
    let host = Setup::of([entry]).pool(H2).pool("connect_timeout = \"200ms\"\nretries = 0").start();
    let response = host.get("/");
    assert_eq!((response.status, response.reason()), (504, "connect-timeout"));
}

#[test]
fn a_body_that_stops_is_a_timeout_of_its_client() {
    let a = Streams::start("a", None, 100);
    let host = over(&[&a]).listener("body_timeout = \"200ms\"").workers(1).start();
    let mut client = host.client();
    client.send("POST /wait HTTP/1.1\r\nhost: test\r\ncontent-length: 10\r\n\r\nhalf");
    let response = client.response_to("POST");
    assert_eq!((response.status, response.reason()), (408, "body-timeout"));
    eventually("it is cancelled", || a.running() == 0);
    assert_eq!(host.get("/").status, 200);
    assert_eq!(a.accepted(), 1);
}

#[test]
fn a_body_beyond_its_limit_is_refused() {
    let a = Streams::start("a", None, 100);
    let host = over(&[&a]).listener("max_body_size = \"10B\"").start();
    let mut client = host.client();
    client.send("POST /wait HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n8\r\n12345678\r\n8\r\n");
    client.send("12345678\r\n0\r\n\r\n");
    let response = client.response_to("POST");
    assert_eq!((response.status, response.reason()), (413, "body-too-large"));
    eventually("it is cancelled", || a.running() == 0);
}

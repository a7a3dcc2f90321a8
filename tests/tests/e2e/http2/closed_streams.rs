//! Frames where none may be: on streams that have ended, that never began, or that are no client's (RFC 9113 §5.1).

use trimtab_tests::frames::{self, CONTINUATION, DATA, END_HEADERS, END_STREAM, Frames, GOAWAY, HEADERS, PING};
use trimtab_tests::frames::{RST_STREAM, WINDOW_UPDATE};
use trimtab_tests::{Backend, Host, Setup};

use super::PROTOCOL_ERROR;

const STREAM_CLOSED: u32 = 5;

/// A connection on which stream 5 was answered.
fn after_an_answer(host: &Host) -> Frames {
    let mut client = Frames::connect(host.address());
    client.get(5, "/");
    assert!(client.answered(5));
    client
}

#[test]
fn they_end_the_connection() {
    let a = Backend::echo("a");
    let host = Setup::over(&[&a]).start();
    let head = frames::head("GET", "/again", &[]);
    let all = END_HEADERS | END_STREAM;
    for (what, kind, flags, stream, payload, codes) in [
        ("DATA of no stream", DATA, 0, 7, &b"abc"[..], &[PROTOCOL_ERROR, STREAM_CLOSED][..]),
        ("DATA of the connection", DATA, 0, 0, b"abc", &[PROTOCOL_ERROR]),
        ("a reset of no stream", RST_STREAM, 0, 7, &[0, 0, 0, 8], &[PROTOCOL_ERROR]),
        ("a window of no stream", WINDOW_UPDATE, 0, 7, &[0, 0, 0, 8], &[PROTOCOL_ERROR]),
        ("more of no head", CONTINUATION, END_HEADERS, 7, b"", &[PROTOCOL_ERROR]),
        ("a stream of the other side's", HEADERS, all, 8, &head, &[PROTOCOL_ERROR]),
        ("a stream below the last", HEADERS, all, 3, &head, &[PROTOCOL_ERROR, STREAM_CLOSED]),
        ("a PING of a stream", PING, 0, 5, &[0; 8], &[PROTOCOL_ERROR]),
    ] {
        let mut client = after_an_answer(&host);
        client.send(kind, flags, stream, payload);
        let end = client.find(what, |frame| matches!(frame.kind, GOAWAY | RST_STREAM) || frame.ends());
        assert_eq!(end.kind, GOAWAY, "{what}");
        assert!(codes.contains(&end.code()), "{what}: {}", end.code());
    }
    assert!(a.seen().iter().all(|request| request.target == "/"));
}

#[test]
fn what_may_have_crossed_the_end_is_passed_over() {
    let a = Backend::echo("a");
    let host = Setup::over(&[&a]).start();
    let mut client = after_an_answer(&host);
    client.send(WINDOW_UPDATE, 0, 5, &[0, 0, 0, 8]);
    client.send(RST_STREAM, 0, 5, &[0, 0, 0, 8]);
    client.get(7, "/");
    assert!(client.answered(7));
}

#[test]
fn a_body_does_not_go_on_behind_its_end() {
    let a = Backend::silent("a");
    let host = Setup::over(&[&a]).start();
    let mut client = Frames::connect(host.address());
    client.get(1, "/");
    client.send(DATA, END_STREAM, 1, b"more");
    let end = client.find("end", |frame| matches!(frame.kind, GOAWAY | RST_STREAM));
    assert!([PROTOCOL_ERROR, STREAM_CLOSED].contains(&end.code()), "{}", end.code());
}

#[test]
fn an_interrupted_head_ends_the_connection() {
    let a = Backend::echo("a");
    let host = Setup::over(&[&a]).start();
    let mut client = Frames::connect(host.address());
    client.send(HEADERS, END_STREAM, 1, &frames::head("GET", "/", &[]));
    client.send(PING, 0, 0, &[0; 8]);
    assert_eq!(client.find("GOAWAY", |frame| frame.kind == GOAWAY).code(), PROTOCOL_ERROR);
    assert_eq!(a.requests(), 0);
}

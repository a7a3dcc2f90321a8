//! What follows an answer of our own: the connection is as it is after a backend's.

use rustix::process::Signal;
use trimtab_tests::frames::{self, DATA, END_HEADERS, END_STREAM, Frames, HEADERS, RST_STREAM};
use trimtab_tests::{Backend, Client, Host, Setup};

/// Answers `/` by a backend, and `/own` itself.
fn host(backend: &Backend, listener: &str) -> Host {
    let own = "[[route]]\npath = '/own'\nrespond = { status = 200, body = 'all that there is' }";
    Setup::over(&[backend]).server("drain_timeout = '60s'").listener(listener).more(own).start()
}

/// A connection that has got such an answer.
fn answered(host: &Host) -> Client {
    let mut client = host.client();
    assert_eq!(client.get("/own").text(), "all that there is");
    client
}

#[test]
fn a_stop_closes_its_connection_at_once() {
    let a = Backend::echo("a");
    let mut host = host(&a, "write_timeout = '60s'");
    let mut client = answered(&host);
    let mut other = host.client();
    other.send("HEAD /own HTTP/1.1\r\nhost: test\r\n\r\n");
    assert_eq!(other.response_to("HEAD").headers.get("content-length"), Some("17"));
    host.signal(Signal::TERM);
    assert!(client.wire.ended() && other.wire.ended());
    assert_eq!(host.wait().code(), Some(0));
}

#[test]
fn what_is_wrong_then_is_answered_at_once() {
    let a = Backend::echo("a");
    let host = host(&a, "write_timeout = '60s'");
    for wrong in ["GET / HTTP/1.1\nhost: a\n\n", "GET / HTTP/1.1\r\nho st: a\r\n\r\n"] {
        let mut client = answered(&host);
        let response = client.send(wrong).response();
        assert_eq!((response.status, response.reason()), (400, "bad-request"), "{wrong:?}");
        assert!(client.wire.ended());
    }
}

#[test]
fn a_slow_head_then_is_408() {
    let a = Backend::echo("a");
    let host = host(&a, "write_timeout = '60s'\nheader_timeout = '300ms'");
    let mut client = answered(&host);
    assert_eq!(client.send("GET / HT").response().status, 408);
}

#[test]
fn silence_then_is_held_to_the_idle_timeout() {
    let a = Backend::echo("a");
    let host = host(&a, "write_timeout = '60s'\nidle_timeout = '300ms'");
    assert!(answered(&host).wire.ended());
}

#[test]
fn a_large_upload_that_nobody_wants_hears_why() {
    let a = Backend::echo("a");
    let host = host(&a, "");
    let mut client = host.client();
    client.send("POST /own HTTP/1.1\r\nhost: test\r\ncontent-length: 3000000\r\n\r\n");
    client.send(vec![b'x'; 3_000_000]);
    assert_eq!(client.response().text(), "all that there is");
}

#[test]
fn http_2_gets_no_body_in_answer_to_head() {
    let a = Backend::echo("a");
    let host = host(&a, "");
    let mut client = Frames::connect(host.address());
    for (stream, path) in [(1, "/own"), (3, "/")] {
        let head = frames::head("HEAD", path, &[]);
        client.send(HEADERS, END_HEADERS | END_STREAM, stream, &head);
        let ended = client.find("an end", |frame| frame.stream == stream && frame.ends());
        assert_eq!((ended.kind, ended.kind == DATA || ended.kind == RST_STREAM), (HEADERS, false), "{path}");
    }
}

#[test]
fn http_2_may_begin_in_pieces() {
    let a = Backend::echo("a");
    let host = host(&a, "");
    for cut in [1, 4, 6, 13, 20] {
        let mut client = host.client();
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
        client.send(&preface[..cut]);
        // Whether the host has read the one before the other comes is its own affair: both must do.
        client.send(&preface[cut..]);
        assert_eq!(client.wire.exact(5).expect("SETTINGS")[3..], [4, 0], "cut at {cut}");
    }
    let mut client = host.client();
    client.send("PRI ");
    assert_eq!(client.send("/ HTTP/1.1\r\nhost: test\r\n\r\n").response().status, 200, "it is a method like others");
}

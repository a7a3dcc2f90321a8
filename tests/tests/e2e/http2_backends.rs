//! HTTP/2 towards backends: what goes through, and how many streams and connections it takes.

#[path = "http2_backends/deadlines.rs"]
mod deadlines;
#[path = "http2_backends/failures.rs"]
mod failures;
#[path = "http2_backends/limits.rs"]
mod limits;
#[path = "http2_backends/uploads.rs"]
mod uploads;

use std::net::TcpListener;
use std::thread::{JoinHandle, spawn};

use trimtab_tests::backend::entry;
use trimtab_tests::frames::{self, DATA, END_HEADERS, END_STREAM, Frames, HEADERS, RST_STREAM, WINDOW_UPDATE};
use trimtab_tests::{Authority, Backend, Folder, Host, Setup, Streams, eventually};

const H2: &str = "protocol = \"h2\"";

/// A backend of frames: its entry, and what `converse` does with its connections.
fn framed<R: Send + 'static>(converse: impl FnOnce(&TcpListener) -> R + Send + 'static) -> (String, JoinHandle<R>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let entry = entry("framed", listener.local_addr().expect("an address"), "");
    (entry, spawn(move || converse(&listener)))
}

/// A pool of these, with prior knowledge.
fn over(backends: &[&Streams]) -> Setup {
    Setup::of(backends.iter().map(|backend| backend.entry())).pool(H2)
}

/// A host before a backend `a` with TLS, which takes these protocols; the pool is of this one.
fn secured(protocol: &str, offered: &[&str]) -> (Streams, Host) {
    let (authority, folder) = (Authority::new(), Folder::new());
    authority.write(&folder);
    let tls = authority.server(&authority.issue(&["127.0.0.1"]), offered, false);
    let a = Streams::start("a", Some(tls), 100);
    let setup = Setup::of([a.entry()]).pool("tls = { ca = \"ca.pem\" }").pool(protocol);
    (a, setup.start_in(folder))
}

/// A request with a body and trailers by HTTP/1.1 and by HTTP/2, which come back; the backend saw this version and scheme.
fn goes_through(a: &Streams, host: &Host, version: &str, scheme: &str) {
    let mut client = host.client();
    let chunked = "POST /path?query HTTP/1.1\r\nhost: example.com\r\nte: trailers\r\nconnection: te\r\n\
                   transfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n4\r\none \r\n3\r\ntwo\r\n0\r\nx-sum: 7\r\n\r\n";
    let response = client.send(chunked).response_to("POST");
    assert_eq!((response.status, response.backend(), response.text().as_str()), (200, "a", "one two"));
    let mut client = Frames::connect(host.address());
    client.send(
        HEADERS,
        END_HEADERS,
        1,
        &frames::head("POST", "/path?query", &[("te", "trailers"), ("cookie", "a=1")]),
    );
    client.send(DATA, 0, 1, b"one ");
    client.send(DATA, 0, 1, b"two");
    client.send(HEADERS, END_HEADERS | END_STREAM, 1, &frames::fields_of(&[("x-sum", "7")]));
    let mut body: Vec<u8> = Vec::new();
    let end = client.find("end", |frame| {
        if frame.kind == DATA {
            body.extend_from_slice(&frame.payload);
        }
        assert_ne!(frame.kind, RST_STREAM);
        frame.ends()
    });
    assert_eq!(body, b"one two");
    if version == "HTTP/2.0" {
        assert_eq!(end.kind, HEADERS, "trailers, though nothing announced them");
    }
    let seen = a.seen();
    assert_eq!(seen.len(), 2);
    for (seen, host) in seen.iter().zip(["example.com", "test"]) {
        assert_eq!(seen.version, version);
        match version {
            "HTTP/2.0" => {
                assert_eq!(seen.target, format!("{scheme}://{host}/path?query"));
                assert!(!seen.headers.contains_key("host") && !seen.headers.contains_key("transfer-encoding"));
            }
            _ => assert_eq!(seen.headers["host"], host),
        }
        assert!(!seen.headers.contains_key("connection"));
    }
    assert_eq!(seen[1].headers["cookie"], "a=1");
}

#[test]
fn with_prior_knowledge() {
    let a = Streams::start("a", None, 100);
    let host = over(&[&a]).workers(1).start();
    goes_through(&a, &host, "HTTP/2.0", "http");
    assert_eq!(a.accepted(), 1);
}

#[test]
fn by_alpn() {
    let (a, host) = secured(H2, &["h2", "http/1.1"]);
    goes_through(&a, &host, "HTTP/2.0", "https");
}

#[test]
fn whichever_the_backend_chooses() {
    let (a, host) = secured("protocol = \"auto\"", &["h2", "http/1.1"]);
    goes_through(&a, &host, "HTTP/2.0", "https");
    let (a, host) = secured("protocol = \"auto\"", &["http/1.1"]);
    goes_through(&a, &host, "HTTP/1.1", "https");
    let (_a, host) = secured("protocol = \"auto\"", &[]);
    assert_eq!(host.get("/").status, 200, "without ALPN");
}

#[test]
fn http_1_1_is_no_answer() {
    let a = Backend::echo("a");
    let host = Setup::over(&[&a]).pool(H2).pool("retries = 0").start();
    let response = host.get("/");
    assert_eq!((response.status, response.reason()), (502, "connect-error"));
    let (a, host) = secured(H2, &["http/1.1"]);
    assert_eq!((host.get("/").status, a.seen().len()), (502, 0));
}

#[test]
fn both_directions_stream_at_once() {
    let a = Streams::start("a", None, 100);
    let host = over(&[&a]).start();
    let mut client = Frames::connect(host.address());
    client.send(HEADERS, END_HEADERS, 1, &frames::head("POST", "/", &[]));
    for word in ["one", "two", "three"] {
        client.send(DATA, 0, 1, word.as_bytes());
        let echoed = client.find("echo", |frame| frame.kind == DATA && !frame.payload.is_empty());
        assert_eq!(echoed.payload, word.as_bytes());
    }
    client.send(DATA, END_STREAM, 1, b"");
    client.find("end", |frame| frame.ends());
}

#[test]
fn large_bodies_both_ways() {
    let a = Streams::start("a", None, 100);
    let host = over(&[&a]).start();
    let mut client = host.client();
    let body = vec![b'x'; 3 << 20];
    assert!(client.post("/", &body).body == body);
    assert_eq!(client.get("/large").body.len(), 4 << 20);
    assert_eq!(client.get("/").status, 200);
}

#[test]
fn a_client_that_takes_nothing_holds_up_no_other() {
    let a = Streams::start("a", None, 100);
    let host = over(&[&a]).workers(1).start();
    let mut slow = Frames::connect(host.address());
    // Room for all of them on its connection, and none beyond the first bytes on its streams.
    slow.send(WINDOW_UPDATE, 0, 0, &(1u32 << 30).to_be_bytes());
    for stream in 0..20 {
        slow.get(2 * stream + 1, "/large");
    }
    eventually("all of them have begun", || a.seen().len() == 20);
    for _ in 0..5 {
        assert_eq!(host.get("/large").body.len(), 4 << 20);
    }
    assert_eq!(a.accepted(), 1, "on the same connection");
}

#[test]
fn how_a_call_of_grpc_ended_is_in_its_trailers() {
    let a = Streams::start("a", None, 100);
    let host = over(&[&a]).start();
    for (stream, status) in [(1, 0), (3, 5), (5, 14)] {
        let mut client = Frames::connect(host.address());
        let fields = [("content-type", "application/grpc"), ("te", "trailers")];
        let head = frames::head("POST", &format!("/status/{status}"), &fields);
        client.send(HEADERS, END_HEADERS | END_STREAM, stream, &head);
        let end = client.find("end", |frame| frame.ends());
        assert_eq!(end.kind, HEADERS);
    }
    let ended = |outcome| host.metrics().sum("trimtab_backend_requests_total", &[("outcome", outcome)]);
    eventually("they are counted", || ended("success") + ended("server-error") >= 3.0);
    assert_eq!((ended("success"), ended("server-error")), (2.0, 1.0));
}

#[test]
fn an_upgrade_has_nowhere_to_go() {
    let a = Streams::start("a", None, 100);
    let host = over(&[&a]).start();
    let response = host.client().get_with("/", "connection: upgrade\r\nupgrade: websocket\r\n");
    assert_eq!((response.status, response.reason()), (501, "no-upgrade"));
    assert!(a.seen().is_empty());
}

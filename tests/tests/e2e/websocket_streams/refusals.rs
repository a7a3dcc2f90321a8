//! What is no WebSocket after all, and who does not take any.

use trimtab_tests::frames::{self, END_HEADERS, Frames, HEADERS};
use trimtab_tests::websocket::Connected;
use trimtab_tests::{Authority, Backend, Folder, Host, Next, Response, Setup, Streams};

use super::{ASK, H2, WAYS};

/// What a client of HTTP/2 gets who opens a WebSocket.
fn asked(host: &Host, path: &str) -> Response {
    Connected::open(host.address(), None, path, &[]).head.clone()
}

#[test]
fn other_responses_are_passed_on() {
    for upstream in [WAYS[0], WAYS[2]] {
        let a = Streams::websockets("a", None, upstream.http2, true);
        let host = Setup::of([a.entry()]).pool(if upstream.http2 { H2 } else { "" }).start();
        assert_eq!((asked(&host, "/closed").status, asked(&host, "/closed").backend()), (403, "a"));
        let response = host.client().send([&ASK.replace("/chat", "/closed"), "\r\n"].concat()).response();
        assert_eq!((response.status, response.backend()), (403, "a"));
    }
}

#[test]
fn success_without_a_switch_is_none() {
    let a = Backend::status("a", 200);
    let host = Setup::over(&[&a]).start();
    let response = asked(&host, "/");
    assert_eq!(
        (response.status, response.reason()),
        (502, "bad-response"),
        "200 would be the beginning of a WebSocket"
    );
    let host = Setup::over(&[&a]).more("[[route]]\npath = '/'\nrespond = { status = 200, body = 'no' }").start();
    assert_eq!(asked(&host, "/").status, 502, "nor may a route say so");
}

#[test]
fn a_wrong_answer_to_our_key_is_502() {
    for accept in ["", "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"] {
        let a = Backend::new("a", move |exchange| {
            let head = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n";
            exchange.wire.send([head, accept, "\r\n"].concat())?;
            Ok(Next::Close)
        });
        let host = Setup::over(&[&a]).start();
        let response = asked(&host, "/");
        assert_eq!((response.status, response.reason()), (502, "bad-response"));
    }
}

#[test]
fn other_protocols_and_proxying_are_refused() {
    let a = Backend::echo("a");
    let host = Setup::over(&[&a]).start();
    for protocol in ["connect-udp", "webtransport", "websockets"] {
        let response = Connected::open_as(protocol, host.address(), None, "/", &[]).head.clone();
        assert_eq!((response.status, response.reason()), (501, "no-upgrade"), "{protocol}");
    }
    let mut client = Frames::connect(host.address());
    let plain = frames::fields_of(&[(":method", "CONNECT"), (":authority", "test:443")]);
    client.send(HEADERS, END_HEADERS, 1, &plain);
    assert!(!client.find("response", |frame| frame.kind == HEADERS).is_ok());
    client.get(3, "/");
    assert!(client.answered(3), "the connection goes on");
    assert_eq!(a.requests(), 1, "none but what followed");
}

#[test]
fn who_takes_no_extended_connect_is_not_sent_any() {
    let a = Streams::websockets("a", None, true, false);
    let host = Setup::of([a.entry()]).pool(H2).start();
    let response = host.client().send([ASK, "\r\n"].concat()).response();
    assert_eq!((response.status, response.reason()), (501, "no-upgrade"));
    assert_eq!((asked(&host, "/").status, asked(&host, "/").reason()), (501, "no-upgrade"));
    assert!(a.seen().is_empty());
    assert_eq!(host.get("/").status, 200);
}

#[test]
fn where_the_backend_speaks_both_it_is_asked_in_the_other() {
    let (authority, folder) = (Authority::new(), Folder::new());
    authority.write(&folder);
    let tls = authority.server(&authority.issue(&["127.0.0.1"]), &["h2", "http/1.1"], false);
    let a = Streams::websockets("a", Some(tls), true, false);
    let setup = Setup::of([a.entry()]).pool("tls = { ca = 'ca.pem' }\nprotocol = 'auto'").workers(1);
    let host = setup.start_in(folder);
    for _ in 0..2 {
        let mut stream = Connected::open(host.address(), None, "/", &[]);
        assert_eq!(stream.head.status, 200);
        stream.send(b"hello");
        assert_eq!(stream.exact(5).expect("the echo"), b"hello");
        let mut client = host.client();
        client.send([ASK, "\r\nhello"].concat());
        assert_eq!(client.head("GET").expect("a head").0.status, 101);
        assert_eq!(client.wire.exact(5).expect("the echo"), b"hello");
        assert_eq!(host.get("/").status, 200);
    }
    let versions: Vec<_> = a.seen().iter().map(|seen| seen.version.clone()).collect();
    assert_eq!(versions, ["HTTP/1.1", "HTTP/1.1", "HTTP/2.0"].repeat(2), "requests go on as they did");
}

#[test]
fn what_is_no_opening_of_a_websocket_cannot_be_made_one() {
    let a = Streams::websockets("a", None, true, true);
    let host = Setup::of([a.entry()]).pool(H2).start();
    let upgrade = "connection: upgrade\r\nupgrade: websocket\r\n";
    let key = "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let mut client = host.client();
    assert_eq!(client.get_with("/", upgrade).status, 400, "no key");
    let mut client = host.client();
    assert_eq!(client.get_with("/", &format!("{upgrade}sec-websocket-key: short\r\n")).status, 400);
    let mut client = host.client();
    let response = client.get_with("/", &format!("connection: upgrade\r\nupgrade: other\r\n{key}"));
    assert_eq!((response.status, response.reason()), (501, "no-upgrade"), "another protocol");
    let mut client = host.client();
    let post = format!("POST / HTTP/1.1\r\nhost: test\r\n{upgrade}{key}content-length: 1\r\n\r\nx");
    assert_eq!(client.send(post).response_to("POST").status, 501);
    assert!(a.seen().is_empty());
}

#[test]
fn another_backend_is_tried() {
    let gone = Backend::new("gone", |_| Ok(Next::Reset));
    let b = Streams::websockets("b", None, false, true);
    let host = Setup::of([gone.entry(), b.entry()]).pool("retries = 1").start();
    for _ in 0..4 {
        assert_eq!(Connected::open(host.address(), None, "/", &[]).head.backend(), "b");
    }
    assert!(gone.requests() > 0);
}

#[test]
fn a_backend_that_says_nothing_is_not_waited_for() {
    let a = Backend::silent("a");
    let host = Setup::over(&[&a]).pool("response_timeout = '200ms'\nretries = 0").start();
    let response = asked(&host, "/");
    assert_eq!((response.status, response.reason()), (504, "response-timeout"));
}

//! The limits and timeouts of a listener, and the responses that name them.

use trimtab_tests::{Backend, Client, Host, Response, Setup};

fn host(backend: &Backend, lines: &str) -> Host {
    Setup::over(&[backend]).listener(lines).start()
}

/// The status, a short body, and a reason in a header, by the host and not by a backend.
fn refused(response: &Response, status: u16) {
    assert_eq!(response.status, status, "{}", response.text());
    assert!(!response.reason().is_empty(), "x-trimtab-reason in {:?}", response.headers);
    assert!((1..300).contains(&response.body.len()), "a short body: {:?}", response.text());
    assert_eq!(response.backend(), "");
}

/// Sends a request that the host refuses before it has read all of it.
fn send_refused(client: &mut Client, bytes: impl AsRef<[u8]>) -> Response {
    let _ = client.wire.send(bytes);
    client.response()
}

#[test]
fn a_head_that_is_too_large_is_431() {
    let a = Backend::echo("a");
    let host = host(&a, "max_head_size = 8192");
    let head = format!("GET / HTTP/1.1\r\nhost: test\r\nx-big: {}\r\n\r\n", "x".repeat(9000));
    refused(&send_refused(&mut host.client(), head), 431);
    let head = format!("GET / HTTP/1.1\r\nhost: test\r\nx-big: {}\r\n\r\n", "x".repeat(6000));
    assert_eq!(host.client().send(head).response().status, 200, "one below the limit passes");
    assert_eq!(a.requests(), 1);
}

#[test]
fn too_many_fields_are_431() {
    let a = Backend::echo("a");
    let host = host(&a, "max_headers = 20");
    let head = |count: usize| {
        let lines: String = (0..count).map(|i| format!("x-{i}: y\r\n")).collect();
        format!("GET / HTTP/1.1\r\nhost: test\r\n{lines}\r\n")
    };
    refused(&send_refused(&mut host.client(), head(40)), 431);
    assert_eq!(host.client().send(head(10)).response().status, 200);
}

#[test]
fn a_target_that_is_too_long_is_414() {
    let a = Backend::echo("a");
    let host = host(&a, "max_head_size = 8192");
    let head = format!("GET /{} HTTP/1.1\r\nhost: test\r\n\r\n", "x".repeat(9000));
    refused(&send_refused(&mut host.client(), head), 414);
}

#[test]
fn a_body_that_says_it_is_too_large_is_413() {
    let a = Backend::echo("a");
    let host = host(&a, "max_body_size = 1000");
    let head = "POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 1001\r\n\r\n";
    refused(&send_refused(&mut host.client(), head), 413);
    assert_eq!(a.requests(), 0, "nobody is bothered with it");
    assert_eq!(host.client().post("/", "x".repeat(1000)).status, 200);
}

#[test]
fn a_body_that_says_it_is_too_large_gets_no_100() {
    let a = Backend::echo("a");
    let host = host(&a, "max_body_size = 1000");
    let head = "POST / HTTP/1.1\r\nhost: test\r\nexpect: 100-continue\r\ncontent-length: 1001\r\n\r\n";
    let response = send_refused(&mut host.client(), head);
    refused(&response, 413);
    assert_eq!(response.interim, [0; 0]);
}

#[test]
fn a_chunked_body_that_becomes_too_large_is_413() {
    let a = Backend::echo("a");
    let host = host(&a, "max_body_size = 1000");
    let mut client = host.client();
    client.send("POST / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n");
    let _ = client.wire.send_chunk("x".repeat(600));
    let _ = client.wire.send_chunk("x".repeat(600));
    refused(&client.response(), 413);
}

#[test]
fn a_slow_head_is_408() {
    let a = Backend::echo("a");
    let host = host(&a, "header_timeout = '300ms'");
    let mut client = host.client();
    client.send("GET / HTTP/1.1\r\nhost: te");
    refused(&client.response(), 408);
    assert!(client.wire.ended());
}

#[test]
fn a_slow_head_is_408_on_a_kept_connection_too() {
    let a = Backend::echo("a");
    let host = host(&a, "header_timeout = '300ms'");
    let mut client = host.client();
    assert_eq!(client.get("/").status, 200);
    client.send("GET / HTTP/1.1\r\nhost: te");
    refused(&client.response(), 408);
    assert!(client.wire.ended());
}

#[test]
fn a_connection_that_never_says_anything_is_closed() {
    let a = Backend::echo("a");
    let host = host(&a, "header_timeout = '300ms'");
    let mut client = host.client();
    // Whether a 408 comes first is left open: some clients connect ahead of need.
    let _ = client.wire.some();
    assert!(client.wire.ended());
}

#[test]
fn a_slow_body_is_408() {
    let a = Backend::echo("a");
    let host = host(&a, "body_timeout = '300ms'");
    let mut client = host.client();
    client.send("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 10\r\n\r\nabc");
    refused(&client.response(), 408);
    assert!(client.wire.ended());
}

#[test]
fn an_idle_connection_is_closed() {
    let a = Backend::echo("a");
    let host = host(&a, "idle_timeout = '300ms'");
    let mut client = host.client();
    assert_eq!(client.get("/").status, 200);
    assert!(client.wire.ended(), "in order, without a word");
}

#[test]
fn what_is_not_http_is_400() {
    let a = Backend::echo("a");
    let host = host(&a, "");
    let mut client = host.client();
    refused(&send_refused(&mut client, "\x16\x03\x01 hello\r\n\r\n"), 400);
    assert!(client.wire.ended());
    assert_eq!(a.requests(), 0);
}

#[test]
fn what_could_be_understood_in_two_ways_is_400() {
    let a = Backend::echo("a");
    let host = host(&a, "");
    for lines in [
        "content-length: 3\r\ncontent-length: 4\r\n\r\nabc",
        "content-length: x\r\n\r\n",
        "transfer-encoding: gzip\r\n\r\n",
        "x y: z\r\n\r\n",
    ] {
        let mut client = host.client();
        let response = send_refused(&mut client, format!("POST / HTTP/1.1\r\nhost: test\r\n{lines}"));
        assert!(matches!(response.status, 400 | 501), "{lines:?}: {}", response.status);
    }
    refused(&send_refused(&mut host.client(), "GET / HTTP/1.1\r\n\r\n"), 400);
    refused(&send_refused(&mut host.client(), "GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n"), 400);
    assert_eq!(a.requests(), 0);
}

#[test]
fn a_client_that_takes_nothing_is_let_go() {
    let a = Backend::new("a", |exchange| {
        exchange.start_chunks("")?;
        loop {
            exchange.wire.send_chunk([b'x'; 16 * 1024])?;
        }
    });
    let host = host(&a, "write_timeout = '300ms'");
    let mut client = host.client();
    client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
    trimtab_tests::eventually("the request ends", || a.requests() == 1 && a.open() == 0);
}

//! HTTP/1.1 as such: connections kept on both sides, pipelining, and how bodies are framed.

use trimtab_tests::backend::hash;
use trimtab_tests::{Backend, Next, Setup};

#[test]
fn connections_are_kept_on_both_sides() {
    let a = Backend::echo("a");
    let host = Setup::over(&[&a]).workers(1).start();
    let mut client = host.client();
    for _ in 0..10 {
        assert_eq!(client.get("/").status, 200);
    }
    assert_eq!((a.requests(), a.connections()), (10, 1));
}

#[test]
fn one_clients_connection_serves_the_next_client() {
    let a = Backend::echo("a");
    let host = Setup::over(&[&a]).workers(1).start();
    for _ in 0..5 {
        assert_eq!(host.get("/").status, 200);
    }
    assert_eq!((a.requests(), a.connections()), (5, 1));
}

#[test]
fn a_backend_may_close_after_each_response() {
    let a = Backend::new("a", |exchange| {
        exchange.respond(200, "connection: close\r\n", "bye")?;
        Ok(Next::Close)
    });
    let host = Setup::over(&[&a]).start();
    let mut client = host.client();
    for _ in 0..3 {
        let response = client.get("/");
        assert_eq!((response.status, response.text().as_str()), (200, "bye"));
        assert_eq!(response.headers.get("connection"), None, "our own connection is kept");
    }
    assert_eq!(a.connections(), 3);
}

#[test]
fn a_client_may_ask_to_close() {
    let a = Backend::echo("a");
    let host = Setup::over(&[&a]).workers(1).start();
    let mut client = host.client();
    assert_eq!(client.get_with("/", "connection: close\r\n").status, 200);
    assert!(client.wire.ended());
    assert_eq!(host.get("/").status, 200);
    assert_eq!(a.connections(), 1, "the connection to the backend is kept all the same");
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let a = Backend::echo("a");
    let host = Setup::over(&[&a]).start();
    let mut client = host.client();
    let request = |n: usize| format!("POST /{n} HTTP/1.1\r\nhost: test\r\ncontent-length: 3\r\n\r\n{n:03}");
    client.send((0..20).map(request).collect::<String>());
    for n in 0..20 {
        let response = client.response();
        assert_eq!(response.json()["uri"], format!("/{n}"));
        assert_eq!(response.json()["body_hash"], hash(format!("{n:03}").as_bytes()));
    }
}

#[test]
fn bodies_of_known_length_arrive_whole() {
    let a = Backend::echo("a");
    let host = Setup::over(&[&a]).start();
    let mut client = host.client();
    for size in [0, 1, 1000, 65_536, 3_000_000] {
        let body: Vec<u8> = (0..size).map(|i: u32| (i % 251) as u8).collect();
        let response = client.post("/", &body);
        assert_eq!(response.json()["body_length"], size);
        assert_eq!(response.json()["body_hash"], hash(&body));
        assert_eq!(response.echoed().get("content-length"), Some(size.to_string().as_str()), "the framing stays");
    }
}

#[test]
fn chunked_bodies_arrive_whole() {
    let a = Backend::echo("a");
    let host = Setup::over(&[&a]).start();
    let mut client = host.client();
    client.send("POST / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n");
    client.send("3\r\nabc\r\n6;ext=1\r\ndefghi\r\n0\r\n\r\n");
    let response = client.response();
    assert_eq!(response.json()["body_hash"], hash(b"abcdefghi"));
    assert_eq!(response.echoed().get("transfer-encoding"), Some("chunked"));
}

#[test]
fn trailers_go_both_ways() {
    let a = Backend::new("a", |exchange| {
        exchange.body()?;
        let seen = exchange.request.trailers.get("x-sum").unwrap_or("none").to_owned();
        exchange.start_chunks("trailer: x-sum\r\n")?;
        exchange.wire.send_chunk(seen)?;
        exchange.finish_chunks("x-sum: 99\r\n")
    });
    let host = Setup::over(&[&a]).start();
    let mut client = host.client();
    client
        .send("POST / HTTP/1.1\r\nhost: test\r\nte: trailers\r\ntrailer: x-sum\r\ntransfer-encoding: chunked\r\n\r\n");
    client.send("3\r\nabc\r\n0\r\nx-sum: 42\r\n\r\n");
    let response = client.response();
    assert_eq!(response.text(), "42", "of the request");
    assert_eq!(response.trailers.get("x-sum"), Some("99"), "of the response");
}

#[test]
fn a_body_goes_with_methods_that_have_none_as_a_rule() {
    let a = Backend::new("a", |exchange| {
        exchange.body()?;
        let body = exchange.request.body.clone();
        exchange.respond(200, "", body)
    });
    let host = Setup::over(&[&a]).start();
    for framed in ["transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "content-length: 3\r\n\r\nabc"] {
        let request = format!("GET / HTTP/1.1\r\nhost: test\r\n{framed}");
        assert_eq!(host.client().send(request).response().text(), "abc", "{framed}");
    }
}

#[test]
fn a_response_without_length_ends_with_its_connection() {
    let a = Backend::new("a", |exchange| {
        exchange.wire.send("HTTP/1.1 200 OK\r\nx-backend: a\r\n\r\nall until the end")?;
        Ok(Next::Close)
    });
    let host = Setup::over(&[&a]).start();
    assert_eq!(host.get("/").text(), "all until the end");
}

#[test]
fn an_old_backend_is_understood() {
    let a = Backend::new("a", |exchange| {
        exchange.wire.send("HTTP/1.0 200 OK\r\ncontent-length: 3\r\n\r\nold")?;
        Ok(Next::Close)
    });
    let host = Setup::over(&[&a]).start();
    let mut client = host.client();
    for _ in 0..2 {
        let response = client.get("/");
        assert_eq!((response.text().as_str(), response.version), ("old", 1));
    }
}

#[test]
fn head_has_the_length_and_no_body() {
    let a = Backend::new("a", |exchange| exchange.respond(200, "", "0123456789"));
    let host = Setup::over(&[&a]).workers(1).start();
    let mut client = host.client();
    for _ in 0..2 {
        let response = client.send("HEAD / HTTP/1.1\r\nhost: test\r\n\r\n").response_to("HEAD");
        assert_eq!((response.status, response.headers.get("content-length")), (200, Some("10")));
    }
    assert_eq!(client.get("/").text(), "0123456789", "the connection is in step");
    assert_eq!(a.connections(), 1);
}

#[test]
fn responses_without_body_leave_the_connection_in_step() {
    let a = Backend::new("a", |exchange| {
        let head = match exchange.request.target.as_str() {
            "/204" => "HTTP/1.1 204 No Content\r\n\r\n",
            "/304" => "HTTP/1.1 304 Not Modified\r\netag: \"x\"\r\ncontent-length: 10\r\n\r\n",
            _ => return exchange.echo(),
        };
        exchange.wire.send(head).map(|()| Next::Keep)
    });
    let host = Setup::over(&[&a]).workers(1).start();
    let mut client = host.client();
    for status in [204, 304, 204, 304] {
        let response = client.get(&format!("/{status}"));
        assert_eq!((response.status, response.body.len()), (status, 0));
        assert_eq!(response.headers.get("transfer-encoding"), None);
    }
    assert_eq!(client.get("/").status, 200);
    assert_eq!(a.connections(), 1);
}

#[test]
fn expect_100_continue_is_decided_by_the_backend() {
    let a = Backend::new("a", |exchange| {
        if exchange.request.target == "/no" {
            exchange.leave_body();
            exchange.respond(417, "connection: close\r\n", "no")?;
            return Ok(Next::Close);
        }
        exchange.echo()
    });
    let host = Setup::over(&[&a]).start();
    let head =
        |target| format!("POST {target} HTTP/1.1\r\nhost: test\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n");

    let mut client = host.client();
    client.send(head("/yes"));
    let interim = client.wire.head().expect("an interim response").expect("it is there");
    assert!(interim.starts_with(b"HTTP/1.1 100 "), "{:?}", String::from_utf8_lossy(&interim));
    let response = client.send("body").response();
    assert_eq!(response.json()["body_length"], 4);
    assert_eq!(client.get("/").status, 200, "the connection is in step");

    let response = host.client().send(head("/no")).response();
    assert_eq!(response.status, 417);
}

#[test]
fn a_client_that_does_not_wait_for_100_is_served() {
    let a = Backend::echo("a");
    let host = Setup::over(&[&a]).start();
    let request = "POST / HTTP/1.1\r\nhost: test\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\nbody";
    assert_eq!(host.client().send(request).response().json()["body_length"], 4);
}

#[test]
fn an_early_response_reaches_a_client_that_still_sends() {
    let a = Backend::new("a", |exchange| {
        exchange.leave_body();
        exchange.respond(403, "connection: close\r\n", "enough")?;
        exchange.wire.finish();
        while !exchange.wire.some()?.is_empty() {}
        Ok(Next::Close)
    });
    let host = Setup::over(&[&a]).start();
    let mut client = host.client();
    client.send("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 1000000\r\n\r\nthe first bytes");
    let response = client.response();
    assert_eq!((response.status, response.text().as_str()), (403, "enough"));
}

#[test]
fn methods_of_all_kinds_go_through() {
    let a = Backend::echo("a");
    let host = Setup::over(&[&a]).start();
    for method in ["PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"] {
        let response = host.client().send(format!("{method} / HTTP/1.1\r\nhost: test\r\n\r\n")).response();
        assert_eq!(response.json()["method"], method);
    }
    let response = host.client().send("OPTIONS * HTTP/1.1\r\nhost: test\r\n\r\n").response();
    assert!(matches!(response.status, 200 | 400 | 404), "{}", response.status);
}

#[test]
fn connect_is_refused() {
    let a = Backend::echo("a");
    let host = Setup::over(&[&a]).start();
    let response = host.client().send("CONNECT other.test:443 HTTP/1.1\r\nhost: other.test:443\r\n\r\n").response();
    assert!((400..502).contains(&response.status), "{}", response.status);
    assert_eq!(a.requests(), 0);
}

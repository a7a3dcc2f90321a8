//! On which responses the cookie is set: all that a backend gave, of every kind, and none of our own.

use trimtab_tests::backend::entry;
use trimtab_tests::unreachable::Refusing;
use trimtab_tests::{Backend, Next, Setup};

use super::faults;

/// Answers `/STATUS` with that status, as such responses are made.
fn statuses(name: &str) -> Backend {
    Backend::new(name, |exchange| {
        exchange.body()?;
        let (name, target) = (exchange.name(), exchange.request.target.clone());
        let status: u16 = target.trim_start_matches('/').parse().unwrap_or(200);
        match status {
            204 | 304 => {
                let head = format!("HTTP/1.1 {status} Bare\r\nx-backend: {name}\r\netag: \"v1\"\r\n\r\n");
                exchange.wire.send(head)?;
                Ok(Next::Keep)
            }
            _ => exchange.respond(status, "", "some body"),
        }
    })
}

#[test]
fn it_is_set_on_every_kind_of_response() {
    let a = statuses("a");
    let host = Setup::over(&[&a]).pool("affinity = 'cookie'").start();
    let mut client = host.client();
    for status in [200, 201, 204, 206, 301, 304, 400, 401, 404, 429, 500, 502, 503] {
        let response = client.get(&format!("/{status}"));
        assert_eq!((response.status, response.backend()), (status, "a"));
        assert_eq!(response.headers.all("set-cookie").len(), 1, "{status}: {:?}", response.headers);
        let body = if matches!(status, 204 | 304) { "" } else { "some body" };
        assert_eq!(response.text(), body, "{status}");
    }
    for method in ["HEAD", "OPTIONS", "DELETE", "BREW"] {
        client.send(format!("{method} / HTTP/1.1\r\nhost: test\r\n\r\n"));
        let response = client.response_to(method);
        assert_eq!((response.status, response.headers.all("set-cookie").len()), (200, 1), "{method}");
        assert_eq!(response.headers.get("content-length"), Some("9"), "{method}");
    }
    assert_eq!(client.post("/404", "a body").headers.all("set-cookie").len(), 1);
    assert_eq!(client.get("/").headers.all("set-cookie").len(), 1, "the connection is in step");
    assert_eq!(faults(&host), 0.0);
}

#[test]
fn it_is_set_for_clients_of_http_1_0_and_on_streams() {
    let a = Backend::new("a", |exchange| {
        exchange.start_chunks("trailer: x-sum\r\n")?;
        exchange.wire.send_chunk("one")?;
        exchange.finish_chunks("x-sum: 1\r\n")
    });
    let host = Setup::over(&[&a]).pool("affinity = 'cookie'").start();
    let mut client = host.client();
    let old = client.send("GET / HTTP/1.0\r\n\r\n").response();
    assert_eq!((old.text().as_str(), old.headers.all("set-cookie").len()), ("one", 1));
    let response = host.client().get_with("/", "te: trailers\r\n");
    assert_eq!((response.text().as_str(), response.headers.all("set-cookie").len()), ("one", 1));
    assert_eq!(response.trailers.get("x-sum"), Some("1"), "the trailers come as they were");
    assert_eq!(response.trailers.get("set-cookie"), None);
}

#[test]
fn the_applications_own_cookies_are_kept_beside_it() {
    let a = Backend::new("a", |exchange| {
        let lines = "set-cookie: sid=1; Path=/; Secure\r\nSet-Cookie: theme=dark\r\nset-cookie: =odd\r\n";
        exchange.respond(200, lines, "")
    });
    let host = Setup::over(&[&a]).pool("affinity = 'cookie'").start();
    let response = host.get("/");
    let cookies = response.headers.all("set-cookie");
    assert_eq!(cookies[..3], ["sid=1; Path=/; Secure", "theme=dark", "=odd"], "in their order");
    assert!(cookies.len() == 4 && cookies[3].starts_with("trimtab="), "{cookies:?}");
}

#[test]
fn an_interim_response_does_not_carry_it() {
    let a = Backend::echo("a");
    let host = Setup::over(&[&a]).pool("affinity = 'cookie'").start();
    let mut client = host.client();
    client.send("POST / HTTP/1.1\r\nhost: test\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n");
    let head = client.wire.head().expect("a head").expect("the interim response");
    let head = String::from_utf8_lossy(&head).into_owned();
    assert!(head.starts_with("HTTP/1.1 100"), "{head}");
    assert!(!head.to_lowercase().contains("set-cookie"), "{head}");
    assert_eq!(client.send("ok").response_to("POST").headers.all("set-cookie").len(), 1);
}

#[test]
fn responses_of_our_own_do_not_carry_it() {
    let refusing = Refusing::new();
    let host = Setup::of([entry("a", refusing.address(), "")]).pool("affinity = 'cookie'").start();
    let response = host.get("/");
    assert_eq!((response.status, response.reason()), (502, "connect-error"));
    assert_eq!(response.headers.get("set-cookie"), None, "nobody is bound to what does not answer");
    super::set_state(&host, "a", "down");
    let response = host.get("/");
    assert_eq!((response.status, response.reason()), (503, "no-backend"));
    assert_eq!(response.headers.get("set-cookie"), None);
}

#[test]
fn a_switch_nobody_asked_for_binds_nobody() {
    let a = Backend::new("a", |exchange| {
        exchange.wire.send("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n")?;
        Ok(Next::Close)
    });
    let host = Setup::over(&[&a]).pool("affinity = 'cookie'").start();
    let response = host.get("/");
    assert_eq!((response.status, response.headers.get("set-cookie")), (502, None));
}

//! TLS towards clients: which certificate, which version, how handshakes end, and what does not wait for them.

#[path = "tls/certificates.rs"]
mod certificates;
#[path = "tls/clients.rs"]
mod clients;
#[path = "tls/real.rs"]
mod real;
#[path = "tls/reload.rs"]
mod reload;
#[path = "tls/upstream.rs"]
mod upstream;

use std::io::{Read, Write};
use std::net::TcpStream;

use trimtab_tests::{Authority, Backend, Caller, Client, Folder, Host, Setup, eventually};

/// One certificate for `test`, in files.
fn authority() -> (Authority, Folder) {
    let (authority, folder) = (Authority::new(), Folder::new());
    authority.issue(&["test"]).write(&folder, "test");
    (authority, folder)
}

const CERTIFICATES: &str = "certificates = [{ cert = \"test.pem\", key = \"test.key\" }]";

/// A host with TLS before these backends, and further lines of its listener.
fn secured(folder: Folder, backends: &[&Backend], listener: &str) -> Host {
    Setup::over(backends).listener(CERTIFICATES).listener(listener).start_in(folder)
}

fn handshakes(host: &Host, result: &str) -> f64 {
    host.metrics().sum("trimtab_tls_handshakes_total", &[("result", result)])
}

#[test]
fn requests_come_and_responses_go_on_one_connection() {
    let (authority, folder) = authority();
    let a = Backend::echo("a");
    let host = secured(folder, &[&a], "forwarded = true");
    let mut client = Caller::trusting(&authority).offering(&["http/1.1"]).call(host.address());
    assert_eq!(client.wire.session().protocol.as_deref(), Some("http/1.1"));
    for _ in 0..3 {
        let seen = client.get("/").json();
        assert_eq!(seen["backend"], "a");
        let header = |name: &str| {
            let headers = seen["headers"].as_array().expect("headers").clone();
            headers.iter().find(|pair| pair[0] == name).map(|pair| pair[1].as_str().unwrap_or_default().to_owned())
        };
        assert_eq!(header("x-forwarded-proto").as_deref(), Some("https"));
        assert!(header("forwarded").is_some_and(|text| text.ends_with(";proto=https")));
    }
    let body = vec![b'x'; 3 << 20];
    assert_eq!(client.post("/", &body).json()["body_length"], body.len());
    assert_eq!((handshakes(&host, "full"), handshakes(&host, "resumed")), (1.0, 0.0));
}

#[test]
fn the_end_is_said_in_order() {
    let (authority, folder) = authority();
    let a = Backend::echo("a");
    let host = secured(folder, &[&a], "idle_timeout = \"100ms\"");
    let mut client = Caller::trusting(&authority).call(host.address());
    assert_eq!(client.get_with("/", "connection: close\r\n").status, 200);
    // Without a `close_notify` this would be an error.
    assert_eq!(client.wire.rest().expect("an orderly end"), b"");
    let mut idle = Caller::trusting(&authority).call(host.address());
    assert_eq!(idle.get("/").status, 200);
    assert_eq!(idle.wire.rest().expect("an orderly end"), b"", "also when it was idle for too long");
}

#[test]
fn a_body_that_is_cut_is_broken() {
    let (authority, folder) = authority();
    let a = Backend::echo("a");
    let host = secured(folder, &[&a], "");
    let mut client = Caller::trusting(&authority).call(host.address());
    client.send("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 10\r\n\r\nhalf");
    eventually("the head is at the backend", || a.requests() == 1);
    drop(client);
    eventually("the backend sees that it broke off", || a.open() == 0);
    assert!(a.seen().iter().all(|request| request.body.len() < 10));
}

#[test]
fn sessions_are_resumed_on_any_worker() {
    let (authority, folder) = authority();
    let a = Backend::echo("a");
    let host = secured(folder, &[&a], "");
    for caller in
        [Caller::speaking(&authority, &rustls::version::TLS13), Caller::speaking(&authority, &rustls::version::TLS12)]
    {
        for round in 0..12 {
            let mut client = caller.call(host.address());
            // With TLS 1.3, tickets come behind the handshake.
            assert_eq!(client.get("/").status, 200);
            assert_eq!(client.wire.session().resumed, round > 0, "round {round}");
        }
    }
    assert_eq!((handshakes(&host, "full"), handshakes(&host, "resumed")), (2.0, 22.0));
}

#[test]
fn without_tickets_nothing_is_resumed() {
    let (authority, folder) = authority();
    let a = Backend::echo("a");
    let host = secured(folder, &[&a], "tls = { tickets = false }");
    let caller = Caller::trusting(&authority);
    for _ in 0..4 {
        let mut client = caller.call(host.address());
        assert_eq!(client.get("/").status, 200);
        assert!(!client.wire.session().resumed);
    }
}

#[test]
fn stalled_handshakes_are_nobodys_concern() {
    let (authority, folder) = authority();
    let a = Backend::echo("a");
    let host = secured(folder, &[&a], "tls = { handshake_timeout = \"700ms\" }");
    let mut stalled: Vec<_> = (0..200).map(|_| TcpStream::connect(host.address()).expect("a connection")).collect();
    // Half of them have begun.
    for stream in stalled.iter_mut().step_by(2) {
        stream.write_all(&[22, 3, 1, 2, 0, 1, 0, 1]).expect("the beginning of a ClientHello");
    }
    let caller = Caller::trusting(&authority).resuming_nothing();
    for _ in 0..10 {
        assert_eq!(caller.call(host.address()).get("/").status, 200);
    }
    for stream in &mut stalled {
        stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).expect("a timeout");
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        assert!(rest.is_empty(), "closed without a word");
    }
    eventually("all are counted", || handshakes(&host, "timeout") == 200.0);
}

#[test]
fn what_is_no_tls_is_told_or_closed() {
    let (authority, folder) = authority();
    let a = Backend::echo("a");
    let host = secured(folder, &[&a], "");
    let response = Client::connect(host.address()).get("/");
    assert_eq!((response.status, response.reason()), (400, "plain-http"));
    let mut garbage = Client::connect(host.address());
    garbage.send([0, 1, 2, 3, 4, 5]);
    assert!(garbage.wire.ended());
    let mut malformed = Client::connect(host.address());
    malformed.send([22, 3, 1, 0, 5, 9, 9, 9, 9, 9]);
    // An alert may come first.
    let _ = malformed.wire.rest();
    drop(Client::connect(host.address()));
    let strange = Caller::trusting(&authority).offering(&["imap"]).connect(host.address());
    assert!(strange.is_err());
    let mistrusting = Caller::trusting(&Authority::new()).connect(host.address());
    assert!(mistrusting.is_err());
    for (result, count) in
        [("plaintext", 1.0), ("malformed", 2.0), ("left", 1.0), ("incompatible", 1.0), ("alert", 1.0), ("full", 0.0)]
    {
        eventually("all handshakes have ended", || handshakes(&host, result) >= count);
        assert_eq!(handshakes(&host, result), count, "{result}");
    }
    assert_eq!(Caller::trusting(&authority).call(host.address()).get("/").status, 200);
}

#[test]
fn http_is_sent_on_to_https() {
    let a = Backend::echo("a");
    let acme = "[[route]]\nlistener = \"web\"\npath = \"/.well-known/acme-challenge/\"\npool = \"web\"";
    let host = Setup::over(&[&a]).listener("redirect_to_https = true").more(acme).start();
    let mut client = host.client();
    let response = client.get("/a/b?c=d");
    assert_eq!((response.status, response.headers.get("location")), (308, Some("https://test/a/b?c=d")));
    assert_eq!(client.get("/.well-known/acme-challenge/x").status, 200, "a route of its own is served");
    client.send("GET / HTTP/1.1\r\nhost: Example.com:8080\r\n\r\n");
    assert_eq!(client.response().headers.get("location"), Some("https://example.com/"));
    let listener = "redirect_to_https = { port = 8443, status = 301 }\ntrusted_proxies = [\"127.0.0.0/8\"]";
    let host = Setup::over(&[&a]).listener(listener).start();
    let response = host.get("/");
    assert_eq!((response.status, response.headers.get("location")), (301, Some("https://test:8443/")));
    assert_eq!(host.client().get_with("/", "x-forwarded-proto: https\r\n").status, 200, "a proxy had it by HTTPS");
}

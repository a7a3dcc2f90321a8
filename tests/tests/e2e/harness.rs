//! The harness itself, without a host between: what it says of the host can be trusted.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::time::Duration;

use trimtab_tests::backend::hash;
use trimtab_tests::metrics::Samples;
use trimtab_tests::unreachable::{Refusing, Unreachable};
use trimtab_tests::{Backend, Client, Next, eventually, plugin};

#[test]
fn an_echo_tells_what_it_saw() {
    let a = Backend::echo("a");
    let mut client = Client::connect(a.address());
    let response = client.get_with("/x?y", "x-a: 1\r\nX-A: 2\r\n");
    assert_eq!((response.status, response.backend()), (200, "a"));
    assert_eq!((&response.json()["method"], &response.json()["uri"]), (&"GET".into(), &"/x?y".into()));
    assert_eq!(response.echoed().all("x-a"), ["1", "2"]);
    assert_eq!(client.post("/", "body").json()["body_hash"], hash(b"body"));
    client.send("POST / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-t: 1\r\n\r\n");
    let response = client.response().json();
    assert_eq!((&response["body_length"], &response["trailers"][0][0]), (&3.into(), &"x-t".into()));
    assert_eq!((a.requests(), a.connections(), a.open()), (3, 1, 1));
    drop(client);
    eventually("it is closed", || a.open() == 0);
}

#[test]
fn chunks_and_trailers_of_a_response_are_read() {
    let a = Backend::new("a", |exchange| {
        exchange.start_chunks("")?;
        exchange.wire.send_chunk("one")?;
        exchange.wire.send_chunk("two")?;
        exchange.finish_chunks("x-t: 1\r\n")
    });
    let response = Client::connect(a.address()).get("/");
    assert_eq!((response.text().as_str(), response.trailers.get("x-t")), ("onetwo", Some("1")));
}

#[test]
fn closing_and_resetting_are_seen() {
    for next in [Next::Close, Next::Reset] {
        let a = Backend::new("a", move |_| Ok(next));
        let mut client = Client::connect(a.address());
        let error = client.send("GET / HTTP/1.1\r\n\r\n").try_response("GET").expect_err("no response");
        let expected = if next == Next::Close { ErrorKind::UnexpectedEof } else { ErrorKind::ConnectionReset };
        assert_eq!(error.kind(), expected);
    }
}

#[test]
fn a_stopped_backend_refuses() {
    let mut a = Backend::echo("a");
    let mut client = Client::connect(a.address());
    assert_eq!(client.get("/").status, 200);
    a.stop();
    assert!(client.wire.ended());
    assert!(TcpStream::connect(a.address()).is_err());
}

#[test]
fn addresses_of_no_use_are_of_none() {
    let refusing = TcpStream::connect(Refusing::new().address()).expect_err("refused");
    assert_eq!(refusing.kind(), ErrorKind::ConnectionRefused);
    let unreachable = Unreachable::new();
    let timeout = TcpStream::connect_timeout(&unreachable.address(), Duration::from_millis(100));
    assert_eq!(timeout.expect_err("no answer").kind(), ErrorKind::TimedOut);
}

#[test]
fn fixtures_become_components() {
    let folder = plugin::root().join("tests/fixtures");
    for file in std::fs::read_dir(folder).expect("the fixtures are there").flatten() {
        let name = file.file_name().to_string_lossy().into_owned();
        let component = match name.as_str() {
            "wasi.wit" => continue,
            "affinity.wat" | "giant-bind.wat" => plugin::component(&plugin::text(&name), "affinity-plugin", None),
            "router.wat" => plugin::component(&plugin::text(&name), "router-plugin", None),
            "destination.wat" => blank(&name, &["DESTINATION"], "router-plugin"),
            "shaper.wat" => blank(&name, &["SECOND"], "shaper-plugin"),
            "watcher.wat" => blank(&name, &["PLAN", "OBSERVER"], "balancer-plugin"),
            "handoff.wat" => plugin::handing_over(&name),
            _ if name.starts_with("save-") || name.starts_with("restore-") => plugin::handing_over(&name),
            _ => plugin::balancer(&name),
        };
        assert_eq!(component[..8], *b"\0asm\x0d\0\x01\0", "{name}");
    }
}

/// A fixture whose blanks stay empty.
fn blank(name: &str, blanks: &[&str], world: &str) -> Vec<u8> {
    let blanks: Vec<_> = blanks.iter().map(|blank| (*blank, "")).collect();
    plugin::component(&plugin::filled(name, &blanks), world, None)
}

#[test]
fn metrics_are_parsed() {
    let samples = Samples::parse("# HELP a x\n# TYPE a counter\na{b=\"c\",d=\"e\"} 2\na{b=\"f\"} 3\ng 1.5e-3\n");
    assert_eq!(samples.sum("a", &[]), 5.0);
    assert_eq!(samples.sum("a", &[("b", "c")]), 2.0);
    assert_eq!(samples.sum("g", &[]), 0.0015);
    assert!(!samples.has("a", &[("b", "x")]));
    assert_eq!(samples.types["a"], "counter");
}

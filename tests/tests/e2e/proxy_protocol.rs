//! The PROXY protocol on both sides: who is believed, what is made of it, and what backends are told.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use trimtab_tests::wire::Wire;
use trimtab_tests::{Authority, Backend, Caller, Folder, Greeter, Host, Setup, eventually};

const V1: &str = "PROXY TCP4 192.0.2.7 198.51.100.2 1000 443\r\n";
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const GET: &str = "GET / HTTP/1.1\r\nhost: test\r\n\r\n";

/// A header of version 2: command, family, and what follows.
fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).expect("short").to_be_bytes();
    [SIGNATURE, &[0x20 | command, family], &length, rest].concat()
}

/// 192.0.2.7, port 1000, to 198.51.100.2, port 443.
fn v2_addresses() -> Vec<u8> {
    [&[192, 0, 2, 7, 198, 51, 100, 2][..], &1000u16.to_be_bytes(), &443u16.to_be_bytes()].concat()
}

fn field(kind: u8, value: &[u8]) -> Vec<u8> {
    [&[kind][..], &u16::try_from(value.len()).expect("short").to_be_bytes(), value].concat()
}

/// Whom a backend takes for the client of a connection that begins with this.
fn client_of(host: &Host, header: &[u8]) -> String {
    let mut client = host.client();
    client.send([header, GET.as_bytes()].concat());
    let response = client.response();
    assert_eq!(response.status, 200, "{}", response.text());
    response.echoed().get("x-forwarded-for").expect("whom").to_owned()
}

/// A host that is told, with further lines of its listener.
fn told(a: &Backend, lines: &str) -> Host {
    Setup::over(&[a]).listener(lines).start()
}

fn is_closed(host: &Host, said: &[u8]) -> bool {
    let mut client = host.client();
    let _ = client.wire.send(said);
    client.wire.rest().unwrap_or_default().is_empty()
}

fn shed(host: &Host) -> f64 {
    host.metrics().sum("trimtab_shed_connections_total", &[("reason", "proxy-protocol")])
}

#[test]
fn requests_are_from_whom_the_header_says() {
    let a = Backend::echo("a");
    let host = told(&a, "proxy_protocol = true");
    let addresses = v2_addresses();
    let v6 = [&[0x20, 1, 0xd, 0xb8][..], &[0; 11], &[1], &[0; 16], &[0, 1, 0, 2]].concat();
    for (header, client) in [
        (V1.as_bytes().to_vec(), "192.0.2.7"),
        (b"PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n".to_vec(), "2001:db8::1"),
        (v2(1, 0x11, &addresses), "192.0.2.7"),
        (v2(1, 0x21, &v6), "2001:db8::1"),
        (v2(1, 0x11, &[&addresses[..], &field(4, &[0; 700]), &field(0xee, b"whatever")].concat()), "192.0.2.7"),
        // The connection speaks for itself.
        (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1"),
        (v2(0, 0, &[]), "127.0.0.1"),
        (v2(0, 0x11, &addresses), "127.0.0.1"),
        (v2(1, 0x31, &[0; 216]), "127.0.0.1"),
    ] {
        assert_eq!(client_of(&host, &header), client, "{:?}", String::from_utf8_lossy(&header));
    }
}

#[test]
fn a_header_may_come_in_pieces() {
    let a = Backend::echo("a");
    let host = told(&a, "proxy_protocol = true");
    for header in [V1.as_bytes().to_vec(), v2(1, 0x11, &v2_addresses())] {
        let mut client = host.client();
        for byte in header.iter().chain(GET.as_bytes()) {
            client.send([*byte]);
        }
        assert_eq!(client.response().echoed().get("x-forwarded-for"), Some("192.0.2.7"));
    }
}

#[test]
fn what_is_no_header_is_closed() {
    let a = Backend::echo("a");
    let host = told(&a, "proxy_protocol = { from = ['127.0.0.0/8'], timeout = '300ms' }");
    let wrong_sum = v2(1, 0x11, &[v2_addresses(), field(3, &[1, 2, 3, 4])].concat());
    let wrong: [&[u8]; 7] = [
        GET.as_bytes(),
        b"PROXY TCP4 192.0.2.7\r\n",
        b"PROXY TCP4 192.0.2.700 198.51.100.2 1000 443\r\n",
        &v2(5, 0x11, &v2_addresses()),
        &v2(1, 0x11, &[1, 2, 3]),
        &wrong_sum,
        // Too late.
        b"PROXY TCP4 192.0.2.7",
    ];
    for bytes in wrong {
        assert!(is_closed(&host, bytes), "{:?}", String::from_utf8_lossy(bytes));
    }
    eventually("they are counted", || shed(&host) == 7.0);
    assert_eq!(a.requests(), 0);
}

#[test]
fn only_those_are_believed_who_are_named() {
    let a = Backend::echo("a");
    let refusing = told(&a, "proxy_protocol = { from = ['192.0.2.0/24'] }");
    assert!(is_closed(&refusing, [V1, GET].concat().as_bytes()) && is_closed(&refusing, GET.as_bytes()));
    let plain = told(&a, "proxy_protocol = { from = ['192.0.2.0/24'], others = 'plain' }");
    assert_eq!(client_of(&plain, b""), "127.0.0.1");
    let mut client = plain.client();
    client.send([V1, GET].concat());
    assert_eq!(client.response().status, 400, "it is no HTTP");
}

#[test]
fn it_is_the_client_who_is_let_in_or_not() {
    let a = Backend::echo("a");
    let host = told(&a, "proxy_protocol = true\ndeny = ['192.0.2.0/24']");
    let mut client = host.client();
    client.send([V1, GET].concat());
    assert_eq!(client.response().status, 403);
    let host = told(&a, "proxy_protocol = true\nallow = ['192.0.2.0/24']");
    assert_eq!(client_of(&host, V1.as_bytes()), "192.0.2.7");
}

#[test]
fn it_comes_before_tls() {
    let (authority, folder) = (Authority::new(), Folder::new());
    authority.issue(&["test"]).write(&folder, "test");
    let a = Backend::echo("a");
    let lines = "proxy_protocol = true\ncertificates = [{ cert = 'test.pem', key = 'test.key' }]";
    let inner = Setup::over(&[&a]).listener(lines).start_in(folder);
    // Another host says it, and passes TLS on.
    let entry = format!("'{}'", inner.address());
    let outer = Setup::of([entry]).listener("protocol = 'tls-passthrough'").pool("proxy_protocol = 'v2'").start();
    let mut client = Caller::trusting(&authority).call(outer.address());
    let response = client.get("/");
    assert_eq!(response.echoed().get("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(response.echoed().get("x-forwarded-proto"), Some("https"));
}

/// A backend that tells what a connection began with: all that was sent up to `size` bytes.
fn listening(size: usize) -> (Greeter, Receiver<Vec<u8>>) {
    let (sender, receiver) = channel();
    let sender = Mutex::new(sender);
    let backend = Greeter::with("a", move |wire| {
        let began = wire.exact(size)?;
        let _ = sender.lock().expect("nobody panics").send(began);
        wire.rest().map(drop)
    });
    (backend, receiver)
}

#[test]
fn backends_of_tcp_are_told_in_a_line() {
    let (a, began) = listening(6 + 30);
    let host = Setup::of([a.entry()]).listener("protocol = 'tcp'").pool("proxy_protocol = 'v1'").start();
    let mut client = host.client();
    client.send("and more of what the client says");
    let line = format!("PROXY TCP4 127.0.0.1 127.0.0.1 {} {}\r\n", client.local.port(), host.address().port());
    let began = began.recv().expect("told");
    assert!(line.as_bytes().starts_with(&began), "{:?}", String::from_utf8_lossy(&began));
}

#[test]
fn backends_of_tcp_are_told_of_names_and_ids() {
    let (inner, began) = listening(16 + 12 + 3 + 32 + 3 + 6 + 3 + 10);
    let outer = "protocol = 'tcp'\nproxy_protocol = true";
    let host = Setup::of([inner.entry()]).listener(outer).pool("proxy_protocol = 'v2'").start();
    let id = [b'7'; 32];
    let fields = [field(5, &id), field(2, b"A.test"), field(1, b"postgresql"), field(0xee, b"not passed on")].concat();
    let mut client = host.client();
    client.send([v2(1, 0x11, &[v2_addresses(), fields].concat()), b"hello".to_vec()].concat());
    let expected = [field(1, b"postgresql"), field(2, b"a.test"), field(5, &id)].concat();
    let began = began.recv().expect("told");
    assert_eq!(began, v2(1, 0x11, &[v2_addresses(), expected].concat()), "and what was said of it goes on");
}

/// Reads a line of the PROXY protocol.
fn line(wire: &mut Wire) -> io::Result<String> {
    let mut read = Vec::new();
    while !read.ends_with(b"\r\n") {
        read.extend(wire.exact(1)?);
    }
    String::from_utf8(read).map_err(|error| io::Error::new(ErrorKind::InvalidData, error))
}

#[test]
fn a_kept_connection_serves_the_client_that_it_was_made_for() {
    // Answers each request with the line that its connection began with.
    let a = Greeter::with("a", |wire| {
        let said = line(wire)?;
        while wire.head()?.is_some() {
            wire.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{said}", said.len()))?;
        }
        Ok(())
    });
    let host = Setup::of([a.entry()]).pool("proxy_protocol = 'v1'").workers(1).start();
    let mut clients = [host.client(), host.client(), host.client()];
    for _ in 0..3 {
        for client in &mut clients {
            let port = client.local.port();
            let told = client.get("/").text();
            assert!(told.starts_with(&format!("PROXY TCP4 127.0.0.1 127.0.0.1 {port} ")), "{told:?} to port {port}");
        }
    }
    assert_eq!(a.accepted(), 3, "each was kept");
    drop(clients);
    eventually("they are closed when nobody can use them any more", || a.open() == 0);
}

#[test]
fn health_checks_are_our_own() {
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let noted = Arc::clone(&seen);
    let a = Greeter::with("a", move |wire| {
        let said = line(wire)?;
        noted.lock().expect("nobody panics").insert(said);
        wire.head()?;
        wire.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
    });
    let health = "proxy_protocol = 'v1'\nhealth = { http = '/', interval = '50ms' }";
    let host = Setup::of([a.entry()]).pool(health).start();
    eventually("it is well", || host.metrics().sum("trimtab_backend_healthy", &[("backend", "a")]) == 1.0);
    assert_eq!(*seen.lock().expect("nobody panics"), BTreeSet::from(["PROXY UNKNOWN\r\n".to_owned()]));
}

#[test]
fn a_stop_does_not_wait_for_who_says_nothing() {
    let a = Backend::echo("a");
    let mut host = told(&a, "proxy_protocol = { from = ['127.0.0.1'], timeout = '10m' }");
    let mut silent = host.client();
    silent.wire.patience(Duration::from_secs(60));
    host.signal(rustix::process::Signal::TERM);
    assert!(silent.wire.ended());
    assert_eq!(host.wait().code(), Some(0));
}

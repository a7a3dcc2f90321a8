//! TLS that is passed on: by the name that is asked for, untouched, and closed to whatever is no handshake.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use trimtab_tests::wire::Wire;
use trimtab_tests::{Authority, Client, Greeter, Host, Setup, eventually};

use super::{ended, greeting};

/// Backends `exact`, `below` and `other` of one authority, and a host that passes on to them by name.
struct Passing {
    authority: Authority,
    host: Host,
    backends: [Greeter; 3],
}

fn passing(listener: &str) -> Passing {
    let authority = Authority::new();
    let backend = |name: &str, names: &[&str]| {
        Greeter::secured(name, authority.server(&authority.issue(names), &["h2", "http/1.1"], false))
    };
    let backends = [
        backend("exact", &["db.example.org"]),
        backend("below", &["a.example.org", "b.a.example.org"]),
        backend("other", &["elsewhere.test", "example.org"]),
    ];
    let [exact, below, other] = backends.each_ref().map(Greeter::entry);
    let more = format!(
        "[pool.exact]\nbackends = [{exact}]\n[pool.below]\nbackends = [{below}]\n\
         [[route]]\nsni = '*.example.org'\npool = 'below'\n[[route]]\nsni = 'db.example.org'\npool = 'exact'"
    );
    let setup = Setup::of([other]).listener("protocol = 'tls-passthrough'").listener(listener).more(&more);
    Passing { authority, host: setup.start(), backends }
}

impl Passing {
    /// What a client says first that asks for this name.
    fn session(&self, name: &str) -> ClientConnection {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.der().clone()).expect("a certificate");
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        ClientConnection::new(Arc::new(config), name).expect("a client")
    }

    /// Who greets a client that asks for this name, and cuts what it says first by `cut`.
    fn greeted(&self, name: &str, cut: impl FnOnce(Vec<u8>, &mut TcpStream)) -> String {
        let mut session = self.session(name);
        let mut stream = TcpStream::connect(self.host.address()).expect("connected");
        stream.set_nodelay(true).expect("no delay");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("patience");
        let mut hello = Vec::new();
        session.write_tls(&mut hello).expect("a hello");
        cut(hello, &mut stream);
        while session.is_handshaking() {
            session.complete_io(&mut stream).expect("the backend's certificate is for this name");
        }
        let mut wire = Wire::tls(Box::new(rustls::StreamOwned::new(session, stream)));
        greeting(&mut wire).expect("a backend greets")
    }

    fn closed(&self, said: &[u8]) -> Vec<u8> {
        let mut client = Client::connect(self.host.address());
        client.send(said);
        client.wire.finish();
        client.wire.rest().unwrap_or_default()
    }
}

fn whole(hello: Vec<u8>, stream: &mut TcpStream) {
    stream.write_all(&hello).expect("sent");
}

/// In records of so many bytes, each sent for itself.
fn in_records(size: usize) -> impl FnOnce(Vec<u8>, &mut TcpStream) {
    move |hello, stream| {
        let (head, body) = hello.split_at(5);
        for part in body.chunks(size) {
            let length = u16::try_from(part.len()).expect("short").to_be_bytes();
            stream.write_all(&[&head[..3], &length, part].concat()).expect("sent");
        }
    }
}

#[test]
fn the_name_that_is_asked_for_says_where_to() {
    let passing = passing("");
    for (name, backend) in [
        ("db.example.org", "exact"),
        ("DB.Example.ORG", "exact"),
        ("a.example.org", "below"),
        ("b.a.example.org", "below"),
        ("example.org", "other"),
        ("elsewhere.test", "other"),
    ] {
        assert_eq!(passing.greeted(name, whole), backend, "{name}");
    }
    let open = || passing.host.metrics().sum("trimtab_carried_connections", &[]);
    eventually("all are over", || open() == 0.0);
}

#[test]
fn a_handshake_in_pieces_is_put_together() {
    let passing = passing("");
    for size in [1, 50, 300] {
        assert_eq!(passing.greeted("db.example.org", in_records(size)), "exact", "records of {size}");
    }
    let bytewise = |hello: Vec<u8>, stream: &mut TcpStream| {
        for byte in hello {
            stream.write_all(&[byte]).expect("sent");
        }
    };
    assert_eq!(passing.greeted("db.example.org", bytewise), "exact");
}

#[test]
fn what_is_no_handshake_is_closed_with_an_alert() {
    const ALERT: u8 = 21;
    let passing = passing("");
    assert_eq!(passing.closed(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").first(), Some(&ALERT));
    passing.closed(b"\x00\x01\x02\x03nonsense");
    passing.closed(&[22; 64]);
    // A record that says to be longer than any may be.
    passing.closed(&[22, 3, 1, 0xff, 0xff, 1, 0, 0xff, 0xff]);
    // As long a message as there is, and no end of it.
    let mut endless = Client::connect(passing.host.address());
    let record = [&[22, 3, 1, 0x40, 0][..], &[0; 0x4000]].concat();
    let _ =
        endless.wire.send([&[22, 3, 1, 0, 4, 1, 0xff, 0xff, 0xff][..], &record, &record, &record, &record].concat());
    let _ = endless.wire.rest();
    eventually("all were told apart", || ended(&passing.host, "malformed") == 5.0);
    assert_eq!(passing.backends.each_ref().map(Greeter::accepted), [0; 3]);
}

#[test]
fn who_leaves_before_the_end_of_it_is_nobody() {
    let passing = passing("");
    passing.closed(b"");
    passing.closed(&[22, 3, 1, 2]);
    eventually("that is told", || ended(&passing.host, "client-left") == 2.0);
    assert_eq!(passing.backends.each_ref().map(Greeter::accepted), [0; 3]);
}

#[test]
fn who_takes_too_long_is_closed() {
    let passing = passing("handshake_timeout = '300ms'");
    let mut silent = Client::connect(passing.host.address());
    assert_eq!(silent.wire.rest().expect("an end"), b"");
    // A little now and then is no way around it.
    let mut hello = Vec::new();
    passing.session("db.example.org").write_tls(&mut hello).expect("a hello");
    let mut slow = Client::connect(passing.host.address());
    slow.wire.patience(Duration::from_millis(50));
    let closed = hello.iter().any(|byte| slow.wire.send([*byte]).is_err() || slow.wire.ended());
    assert!(closed, "it would have taken a minute");
    eventually("that is told", || ended(&passing.host, "handshake-timeout") == 2.0);
}

#[test]
fn bytes_that_come_with_the_handshake_are_passed_on_too() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let sender = std::sync::Mutex::new(sender);
    let a = Greeter::with("a", move |wire| {
        let _ = sender.lock().expect("nobody panics").send(wire.rest()?);
        Ok(())
    });
    let host = Setup::of([a.entry()]).listener("protocol = 'tls-passthrough'").start();
    let passing = passing("");
    let mut said = Vec::new();
    passing.session("x.test").write_tls(&mut said).expect("a hello");
    // Early data of TLS 1.3 follows at once.
    said.extend([23, 3, 3, 0, 5]);
    said.extend(b"early");
    let mut client = host.client();
    client.send(&said).wire.finish();
    assert!(receiver.recv().expect("told") == said, "untouched");
}

//! TLS that ends here, and TLS towards backends, with bytes between that nobody looks at.

use trimtab_tests::{Authority, Caller, Folder, Greeter, Setup, eventually};

use super::{TCP, ended, greeting};

const CERTIFICATES: &str = "certificates = [{ cert = \"test.pem\", key = \"test.key\" }]";

fn authority() -> (Authority, Folder) {
    let (authority, folder) = (Authority::new(), Folder::new());
    authority.issue(&["test"]).write(&folder, "test");
    (authority, folder)
}

#[test]
fn tls_ends_in_front_of_a_backend_without_it() {
    let (authority, folder) = authority();
    let a = Greeter::new("a");
    let host = Setup::of([a.entry()]).listener(TCP).listener(CERTIFICATES).start_in(folder);
    // What the client speaks is between it and the backend: what it offers by ALPN is left open.
    let mut client = Caller::trusting(&authority).offering(&["postgresql"]).call(host.address());
    assert_eq!(client.wire.session().protocol, None);
    assert_eq!(greeting(&mut client.wire).expect("a greeting"), "a");
    client.send("over TLS").wire.finish();
    assert_eq!(client.wire.rest().expect("the echo, and the end"), b"over TLS");
    eventually("it is over", || ended(&host, "finished") == 1.0);
}

#[test]
fn tls_begins_towards_a_backend() {
    let (authority, folder) = authority();
    authority.write(&folder);
    let a = Greeter::secured("a", authority.server(&authority.issue(&["127.0.0.1"]), &["other"], false));
    let tls = format!("tls = {{ ca = '{}' }}", authority.write(&folder).display());
    let host = Setup::of([a.entry()]).listener(TCP).pool(&tls).start_in(folder);
    let mut client = host.client();
    assert_eq!(greeting(&mut client.wire).expect("a greeting"), "a");
    client.send("there and back").wire.finish();
    assert_eq!(client.wire.rest().expect("the echo, and the end"), b"there and back");
}

#[test]
fn a_route_may_go_by_the_name_that_was_asked_for() {
    let (authority, folder) = authority();
    let (a, b) = (Greeter::new("a"), Greeter::new("b"));
    let more = format!("[pool.b]\nbackends = [{}]\n[[route]]\nsni = 'test'\npool = 'b'", b.entry());
    let host = Setup::of([a.entry()]).listener(TCP).listener(CERTIFICATES).more(&more).start_in(folder);
    let mut client = Caller::trusting(&authority).call(host.address());
    assert_eq!(greeting(&mut client.wire).expect("a greeting"), "b");
}

#[test]
fn who_speaks_no_tls_gets_nowhere() {
    let (_, folder) = authority();
    let a = Greeter::new("a");
    let host = Setup::of([a.entry()]).listener(TCP).listener(CERTIFICATES).start_in(folder);
    let mut client = host.client();
    client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
    // No answer in HTTP: nobody said that it is spoken here.
    assert_eq!(client.wire.rest().unwrap_or_default(), b"");
    assert_eq!(a.accepted(), 0);
}

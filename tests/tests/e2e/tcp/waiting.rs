//! Connections that wait for room: who leaves meanwhile makes place for the next, and who waits for an answer stays.

use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use trimtab_tests::{Authority, Caller, Client, Folder, Greeter, Host, Setup, eventually};

use super::{TCP, ended, greeted, greeting};

/// Room for one, and one place to wait for it.
const ONE: &str = "limits = { backend_requests = 1, queue = 1, queue_timeout = '600s', bound_timeout = '0s' }";

fn waiting(host: &Host) -> f64 {
    host.metrics().sum("trimtab_queue_waiting", &[("pool", "web")])
}

fn is_out(host: &Host, left: f64) {
    eventually("it is out of the queue", || waiting(host) == 0.0);
    eventually("it is told why", || ended(host, "client-left") == left);
}

#[test]
fn who_leaves_the_queue_makes_place_at_once() {
    let a = Greeter::new("a");
    let host = Setup::of([a.entry()]).listener(TCP).pool(ONE).start();
    let (mut first, _) = greeted(&host);
    let silent = host.client();
    eventually("it waits", || waiting(&host) == 1.0);
    drop(silent);
    is_out(&host, 1.0);
    let mut breaking = host.client();
    eventually("another waits", || waiting(&host) == 1.0);
    breaking.send("said before").wire.reset_on_drop();
    drop(breaking);
    is_out(&host, 2.0);
    let mut last = host.client();
    eventually("the next waits", || waiting(&host) == 1.0);
    first.wire.finish();
    first.wire.rest().expect("the end");
    assert_eq!(greeting(&mut last.wire).expect("its turn"), "a");
    assert_eq!(a.accepted(), 2, "nobody was connected for those who had left");
}

#[test]
fn who_has_said_all_it_has_to_say_waits_for_the_answer() {
    let a = Greeter::new("a");
    let host = Setup::of([a.entry()]).listener(TCP).pool(ONE).start();
    let (mut first, _) = greeted(&host);
    let mut second = host.client();
    second.send("all of it").wire.finish();
    eventually("it waits", || waiting(&host) == 1.0);
    first.wire.finish();
    first.wire.rest().expect("the end");
    assert_eq!(second.wire.rest().expect("its turn"), b"a\nall of it");
}

#[test]
fn with_tls_an_end_is_enough() {
    let (authority, folder) = (Authority::new(), Folder::new());
    authority.issue(&["test"]).write(&folder, "test");
    let a = Greeter::new("a");
    let passing = "[[listener]]\nname = 'passing'\naddress = '127.0.0.1:0'\nprotocol = 'tls-passthrough'\npool = 'web'";
    let setup = Setup::of([a.entry()]).listener(TCP).pool(ONE).more(passing);
    let setup = setup.listener("certificates = [{ cert = 'test.pem', key = 'test.key' }]");
    let host = setup.start_in(folder);
    let caller = Caller::trusting(&authority);
    let mut first = caller.call(host.address());
    assert_eq!(greeting(&mut first.wire).expect("a greeting"), "a");
    let mut second = caller.call(host.address());
    second.send("said before").wire.finish();
    eventually("it waits, or has left already", || waiting(&host) == 1.0 || ended(&host, "client-left") == 1.0);
    is_out(&host, 1.0);
    let mut third = Client::connect(host.address_of("passing"));
    third.send(hello());
    eventually("it waits", || waiting(&host) == 1.0);
    drop(third);
    eventually("it is out of the queue", || waiting(&host) == 0.0);
    assert_eq!(a.accepted(), 1);
}

/// What a client says first.
fn hello() -> Vec<u8> {
    let config = ClientConfig::builder().with_root_certificates(RootCertStore::empty()).with_no_client_auth();
    let name = ServerName::try_from("test.example").expect("a name");
    let mut said = Vec::new();
    let mut client = ClientConnection::new(Arc::new(config), name).expect("a client");
    client.write_tls(&mut said).expect("written");
    said
}

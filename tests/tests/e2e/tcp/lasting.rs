//! What connections live through: reloads, drains, backends that are removed, and a process that stops.

use std::net::TcpStream;

use rustix::process::Signal;
use trimtab_tests::{Client, Greeter, Host, eventually};

use super::{carrying, ended, greeted};

/// Connections held over a reload.
const HELD: usize = 1000;

fn is_alive(client: &mut Client) -> bool {
    client.wire.send("x").is_ok() && client.wire.exact(1).is_ok_and(|echo| echo == b"x")
}

fn open(host: &Host) -> f64 {
    host.metrics().sum("trimtab_carried_connections", &[])
}

#[test]
fn a_thousand_connections_outlive_reloads_of_all_that_they_use() {
    let a = Greeter::new("a");
    let setup = carrying(&[&a]);
    let host = setup.start();
    let mut held: Vec<_> = (0..HELD).map(|_| greeted(&host).0).collect();
    assert_eq!(open(&host), HELD as f64);
    // Another balancer, another timeout, and then another name for the listener.
    let changed = carrying(&[&a]).pool("balancer = 'random'").listener("idle_timeout = '2h'").text();
    host.reloaded(&changed);
    assert!(held.iter_mut().all(is_alive), "none is lost");
    host.reloaded(&setup.text());
    assert_eq!(greeted(&host).1, "a");
    assert!(held.iter_mut().all(is_alive), "none is lost");
    drop(held);
    eventually("all are over", || a.open() == 0);
}

#[test]
fn connections_outlive_their_listener() {
    let a = Greeter::new("a");
    let host = carrying(&[&a]).start();
    let (mut client, _) = greeted(&host);
    let elsewhere = carrying(&[&a]).text().replace("name = \"web\"", "name = \"new\"");
    host.reloaded(&elsewhere);
    eventually("it accepts nobody", || TcpStream::connect(host.address()).is_err());
    assert!(is_alive(&mut client));
}

#[test]
fn a_backend_that_drains_keeps_its_connections_for_its_time() {
    let (a, b) = (Greeter::new("a"), Greeter::new("b"));
    let host = carrying(&[&a, &b]).pool("balancer = 'first'\ndrain_timeout = '1s'").start();
    let (mut client, name) = greeted(&host);
    assert_eq!(name, "a");
    host.set_backend("web", "a", r#"{"state":"draining"}"#);
    eventually("others go elsewhere", || greeted(&host).1 == "b");
    client.send("still");
    assert_eq!(client.wire.exact(5).expect("the echo"), b"still");
    assert_eq!(client.wire.rest().expect("an end, not a reset"), b"");
    client.wire.finish();
    eventually("it is told why", || ended(&host, "backend-left") == 1.0 && a.open() == 0);
}

#[test]
fn a_stop_waits_for_connections_and_then_ends_them_in_order() {
    let a = Greeter::new("a");
    let mut host = carrying(&[&a]).server("drain_timeout = '3s'").start();
    let (mut client, _) = greeted(&host);
    host.signal(Signal::TERM);
    eventually("new connections are refused", || TcpStream::connect(host.address()).is_err());
    assert!(is_alive(&mut client), "there is time yet");
    assert_eq!(client.wire.rest().expect("an end, not a reset"), b"");
    client.wire.finish();
    host.wait();
    eventually("its backend is told too", || a.open() == 0);
}

#[test]
fn a_stop_ends_when_the_last_connection_has() {
    let a = Greeter::new("a");
    let mut host = carrying(&[&a]).server("drain_timeout = '600s'").start();
    let (mut client, _) = greeted(&host);
    host.signal(Signal::TERM);
    eventually("new connections are refused", || TcpStream::connect(host.address()).is_err());
    client.wire.finish();
    assert_eq!(client.wire.rest().expect("the end"), b"");
    assert_eq!(host.wait().code(), Some(0));
}

#[test]
fn a_backend_that_is_killed_resets_its_connections_and_others_take_new_ones() {
    use trimtab_tests::Spawned;

    let (mut dying, other) = (Spawned::new("dying"), Greeter::new("other"));
    let setup = trimtab_tests::Setup::of([dying.entry(), other.entry()]);
    let host = setup.listener(super::TCP).pool("balancer = 'first'").start();
    let mut client = host.client();
    client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
    assert_eq!(client.response().backend(), "dying");
    dying.kill();
    assert!(client.wire.ended(), "the client sees that it broke");
    assert_eq!(greeted(&host).1, "other");
}

//! What flows live through: reloads, drains, backends that are removed, and a process that stops.

use std::time::Duration;

use rustix::process::Signal;
use trimtab_tests::{Reflector, eventually};

use super::{asker, carrying, open, served_at_last};

#[test]
fn flows_outlive_reloads_of_all_that_they_use() {
    let a = Reflector::new("a");
    let setup = carrying(&[&a]);
    let host = setup.start();
    let clients: Vec<_> = (0..200).map(|_| asker(&host)).collect();
    assert!(clients.iter().all(|client| client.served() == "a"));
    host.reloaded(&carrying(&[&a]).pool("balancer = 'random'").listener("idle_timeout = '2h'").text());
    assert!(clients.iter().all(|client| client.served() == "a"));
    host.reloaded(&setup.text());
    assert!(clients.iter().all(|client| client.served() == "a"));
    assert_eq!((a.flows().len(), open(&host)), (200, 200.0), "they are the same flows");
}

#[test]
fn flows_outlive_their_listener_and_no_others_begin() {
    let a = Reflector::new("a");
    let host = carrying(&[&a]).listener("idle_timeout = '3s'").start();
    let client = asker(&host);
    assert_eq!(client.served(), "a");
    let elsewhere = carrying(&[&a]).text().replace("name = \"web\"", "name = \"new\"");
    host.reloaded(&elsewhere);
    assert_eq!(client.served(), "a");
    let late = asker(&host);
    late.tell("?");
    assert!(late.hears_nothing_for(Duration::from_millis(200)));
    assert_eq!(client.served(), "a");
    assert_eq!(a.flows().len(), 1);
}

#[test]
fn flows_of_all_workers_outlive_their_listener() {
    let a = Reflector::new("a");
    let host = carrying(&[&a]).listener("idle_timeout = '10s'").workers(4).start();
    // So few that not every worker has one: those that have none close nothing that moves the others.
    let clients: Vec<_> = (0..3).map(|_| asker(&host)).collect();
    assert!(clients.iter().all(|client| client.served() == "a"));
    host.reloaded(&carrying(&[&a]).workers(4).text().replace("name = \"web\"", "name = \"new\""));
    for _ in 0..3 {
        assert!(clients.iter().all(|client| client.served() == "a"), "they stay where they are");
    }
    assert_eq!(a.flows().len(), 3, "they are the same flows");
}

#[test]
fn a_backend_that_drains_keeps_its_flows_for_its_time() {
    let (a, b) = (Reflector::new("a"), Reflector::new("b"));
    let host = carrying(&[&a, &b]).pool("balancer = 'first'\ndrain_timeout = '2s'").start();
    let client = asker(&host);
    assert_eq!(client.served(), "a");
    host.set_backend("web", "a", r#"{"state":"draining"}"#);
    eventually("others go elsewhere", || asker(&host).served() == "b");
    assert_eq!(client.served(), "a");
    eventually("its time is over", || served_at_last(&client) == "b");
}

#[test]
fn who_drains_begins_no_flow_and_ends_the_others_in_time() {
    let a = Reflector::new("a");
    let mut host = carrying(&[&a]).server("drain_timeout = '2s'").start();
    let client = asker(&host);
    assert_eq!(client.served(), "a");
    host.signal(Signal::TERM);
    eventually("nobody else begins", || {
        let late = asker(&host);
        late.tell("late");
        late.hears_nothing_for(Duration::from_millis(50))
    });
    assert_eq!(client.served(), "a");
    assert!(host.wait().success());
}

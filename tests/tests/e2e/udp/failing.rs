//! Backends of datagrams that are not there: who hears of it, and who takes over.

use std::net::{TcpListener, UdpSocket};

use trimtab_tests::{Reflector, Setup, eventually};

use super::{UDP, asker, carrying, ended, served_at_last};

/// An address where nobody is.
fn nobody() -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    format!("{{ id = 'nobody', address = '{}' }}", socket.local_addr().expect("bound"))
}

#[test]
fn the_next_datagram_goes_elsewhere_when_nobody_is_there() {
    let a = Reflector::new("a");
    let host = Setup::of([nobody(), a.entry()]).listener(UDP).pool("balancer = 'first'").start();
    let client = asker(&host);
    assert_eq!(served_at_last(&client), "a");
    assert_eq!(a.flows().len(), 1, "it stays there");
    let errors = || {
        let labels = [("backend", "nobody"), ("outcome", "connect-error")];
        host.metrics().sum("trimtab_backend_requests_total", &labels)
    };
    eventually("it is held against the backend", || errors() == 1.0);
}

#[test]
fn a_flow_ends_where_nobody_is_left() {
    let host = Setup::of([nobody()]).listener(UDP).start();
    let client = asker(&host);
    eventually("it is told why", || {
        client.tell("?");
        ended(&host, "connect-error") + ended(&host, "no-backend") >= 2.0
    });
}

#[test]
fn a_backend_that_is_killed_is_left_by_its_flows() {
    let backends = [Reflector::new("a"), Reflector::new("b")];
    let host = carrying(&backends.each_ref()).start();
    let clients: Vec<_> = (0..6).map(|_| asker(&host)).collect();
    assert!(clients.iter().any(|client| client.served() == "a"));
    let [a, b] = backends;
    drop(a);
    for client in &clients {
        eventually("it is at the other", || served_at_last(client) == "b");
    }
    drop(b);
}

#[test]
fn backends_where_nobody_is_are_ejected() {
    let good = Reflector::new("good");
    let outlier = "outlier = { consecutive_connect_errors = 3, ejection = '600s', max_ejected = 50 }";
    let host = Setup::of([nobody(), good.entry()]).listener(UDP).pool(outlier).start();
    eventually("it is out", || {
        let _ = served_at_last(&asker(&host));
        host.metrics().sum("trimtab_backend_ejected", &[("backend", "nobody")]) == 1.0
    });
    assert!((0..8).all(|_| asker(&host).served() == "good"));
}

#[test]
fn who_asks_once_and_is_refused_is_held_against_the_backend_at_once() {
    let outlier =
        "outlier = { consecutive_connect_errors = 3, ejection = '600s', max_ejected = 50 }\nbalancer = 'first'";
    for responses in ["", "\nresponses = 1", "\nresponses = 0"] {
        let good = Reflector::new("good");
        let setup = Setup::of([nobody(), good.entry()]).listener(&format!("{UDP}{responses}")).pool(outlier);
        let host = setup.workers(1).start();
        // Each from an address of its own, as those who ask for names do.
        let clients: Vec<_> = (0..3).map(|_| asker(&host)).collect();
        clients.iter().for_each(|client| client.tell("?"));
        let is_out = || {
            if responses == "\nresponses = 0" {
                asker(&host).tell("?");
            }
            host.metrics().sum("trimtab_backend_ejected", &[("backend", "nobody")]) == 1.0
        };
        eventually("it is out long before the flows are idle", is_out);
    }
}

#[test]
fn the_first_datagram_after_a_restart_arrives() {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let address = socket.local_addr().expect("bound");
    drop(socket);
    let host = Setup::of([format!("'{address}'")]).listener(UDP).start();
    let client = asker(&host);
    client.tell("lost");
    let refused = || {
        let labels = [("outcome", "connect-error")];
        host.metrics().sum("trimtab_backend_requests_total", &labels)
    };
    eventually("nobody is there", || refused() >= 1.0);
    let _back = Reflector::at("back", address, |_| vec![b"back:again".to_vec()]);
    assert_eq!(client.ask("?"), b"back:again");
}

#[test]
fn what_waits_in_a_queue_waits_for_so_long() {
    let a = Reflector::new("a");
    let limits = "limits = { requests = 1, queue = 10, queue_timeout = '200ms' }";
    let host = carrying(&[&a]).pool(limits).start();
    let first = asker(&host);
    assert_eq!(first.served(), "a");
    let second = asker(&host);
    second.tell("?");
    eventually("its time is over", || ended(&host, "no-backend") == 1.0);
    assert_eq!(first.served(), "a");
    assert_eq!(a.flows().len(), 1);
}

#[test]
fn what_a_health_check_takes_out_is_left_at_the_next_datagram() {
    // The check is by TCP, at the same port.
    let [(at_a, a), (_at_b, b)] = ["a", "b"].map(|name| {
        let checked = TcpListener::bind("127.6.0.2:0").expect("a port of TCP");
        let address = checked.local_addr().expect("bound");
        (checked, Reflector::at(name, address, move |_| vec![name.into()]))
    });
    let health = "health = { tcp = true, interval = '100ms', fall = 1, rise = 1 }";
    let host = carrying(&[&a, &b]).pool(&format!("balancer = 'first'\n{health}")).start();
    let client = asker(&host);
    assert_eq!(client.served(), "a");
    drop(at_a);
    eventually("it is at the other", || served_at_last(&client) == "b");
    assert_eq!(client.served(), "b");
    assert_eq!(a.flows().len(), 1);
}

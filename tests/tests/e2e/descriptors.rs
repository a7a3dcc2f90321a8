//! Connections of a listener beyond what it takes, and a process that runs out of descriptors.

use std::net::TcpStream;

use trimtab_tests::{Backend, Client, Setup, eventually};

#[test]
fn a_listener_takes_so_many_connections_over_all_workers() {
    let a = Backend::echo("a");
    let host = Setup::over(&[&a]).listener("max_connections = 10").start();
    let mut kept: Vec<Client> = (0..10).map(|_| host.client()).collect();
    assert!(kept.iter_mut().all(|client| client.get("/").status == 200));
    for _ in 0..5 {
        let response = host.client().response();
        assert_eq!((response.status, response.reason()), (503, "too-many-connections"));
        assert_eq!(response.headers.get("retry-after"), Some("1"));
    }
    assert!(kept.iter_mut().all(|client| client.get("/").status == 200), "those that are there are served");
    let shed = [("listener", "web"), ("reason", "max-connections")];
    assert_eq!(host.metrics().sum("trimtab_shed_connections_total", &shed), 5.0);
    drop(kept.pop());
    eventually("there is room for another", || host.client().try_get().is_some_and(|response| response.status == 200));
}

#[test]
fn out_of_descriptors_it_serves_who_is_there_and_recovers() {
    let a = Backend::echo("a");
    let host = Setup::over(&[&a]).start();
    let mut kept: Vec<Client> = (0..8).map(|_| host.client()).collect();
    assert!(kept.iter_mut().all(|client| client.get("/").status == 200));
    host.limit_descriptors(host.descriptors() as u64 + 20);
    let crowd: Vec<TcpStream> = (0..200).filter_map(|_| TcpStream::connect(host.address()).ok()).collect();
    eventually("it turns clients away", || host.log().contains("no descriptor is left"));
    for client in &mut kept {
        let response = client.get("/");
        // A connection to the backend that is there may be used, and those that are idle were closed for others.
        assert!([("", 200), ("out-of-descriptors", 503)].contains(&(response.reason(), response.status)));
    }
    drop(crowd);
    eventually("everything is as before", || {
        let mut clients: Vec<Client> = (0..8).map(|_| host.client()).collect();
        clients
            .iter_mut()
            .chain(&mut kept)
            .all(|client| client.try_get().is_some_and(|response| response.status == 200))
    });
    let failures = host.backend("web", "a")["failures"].as_u64();
    assert_eq!(failures, Some(0), "it is not the backend's fault");
    let shed = host.metrics().sum("trimtab_shed_connections_total", &[("reason", "descriptors")]);
    assert!(shed > 0.0, "{shed}");
    let lines = host.log().matches("no descriptor is left").count();
    assert!((1..=40).contains(&lines), "it is said once a second: {lines}");
}

#[test]
fn a_connection_to_a_backend_that_cannot_be_opened_is_not_the_backends_fault() {
    let a = Backend::new("a", |exchange| {
        exchange.body()?;
        exchange.respond(200, "connection: close\r\n", "")?;
        Ok(trimtab_tests::Next::Close)
    });
    let host = Setup::over(&[&a]).workers(1).start();
    let mut client = host.client();
    assert_eq!(client.get("/").status, 200);
    eventually("the connection is closed", || a.open() == 0);
    host.limit_descriptors(3);
    let response = client.get("/");
    assert_eq!((response.status, response.reason()), (503, "out-of-descriptors"));
    assert!(response.headers.get("retry-after").is_some());
    host.limit_descriptors(1000);
    assert_eq!(client.get("/").status, 200);
    assert_eq!(host.backend("web", "a")["failures"], 0);
}

//! Limits of requests and connections at a time, and the queue of those who wait, over two workers.

use std::time::{Duration, Instant};

use trimtab_tests::valve::{Valve, queue, waiting};
use trimtab_tests::{Backend, Client, Next, Response, Setup, eventually};

fn refused(response: &Response, reason: &str) {
    assert_eq!((response.status, response.reason()), (503, reason), "{}", response.text());
    assert!(response.headers.get("retry-after").is_some(), "{:?}", response.headers);
}

#[test]
fn a_backend_never_has_more_requests_than_it_takes() {
    let valve = Valve::default();
    let backends = [valve.backend("a"), valve.backend("b")];
    let host = Setup::over(&[&backends[0], &backends[1]]).pool("limits = { backend_requests = 2 }").start();
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                let mut client = host.client();
                for _ in 0..100 {
                    assert_eq!(client.get("/").status, 200);
                }
            });
        }
        eventually("it is full", || valve.inside() == 4 && waiting(&host) == 12);
        valve.open();
    });
    assert_eq!(valve.most(), 4, "two at each");
    assert_eq!(backends.iter().map(Backend::requests).sum::<usize>(), 1600);
    eventually("nothing is left", || {
        waiting(&host) == 0 && host.metrics().sum("trimtab_backend_in_flight", &[]) == 0.0
    });
    let served = host.metrics().sum("trimtab_queue_total", &[("result", "served")]);
    assert!(served >= 12.0, "{served}");
}

#[test]
fn a_pool_never_has_more_requests_than_it_takes() {
    let valve = Valve::default();
    let backends = [valve.backend("a"), valve.backend("b")];
    let limits = "limits = { requests = 3, backend_requests = 2 }";
    let host = Setup::over(&[&backends[0], &backends[1]]).pool(limits).start();
    std::thread::scope(|scope| {
        for _ in 0..12 {
            scope.spawn(|| {
                for _ in 0..50 {
                    assert_eq!(host.client().get("/").status, 200);
                }
            });
        }
        eventually("it is full", || valve.inside() == 3 && waiting(&host) == 9);
        valve.open();
    });
    assert_eq!(valve.most(), 3);
}

#[test]
fn a_full_backend_is_passed_over() {
    let valve = Valve::default();
    let (small, large) = (valve.backend("small"), valve.backend("large"));
    let host = Setup::of([small.entry_with("max_requests = 1"), large.entry()]).start();
    let clients: Vec<_> = (0..6).map(|number| valve.fill(&host, &format!("/{number}"))).collect();
    assert_eq!((small.requests(), large.requests()), (1, 5));
    valve.open();
    for mut client in clients {
        assert_eq!(client.response().status, 200);
    }
}

#[test]
fn who_waits_longest_is_first_on_whichever_worker_it_is() {
    let valve = Valve::default();
    let a = valve.backend("a");
    let host = Setup::over(&[&a]).pool("limits = { requests = 1 }").start();
    // So many connections that both workers have some.
    let mut clients = vec![valve.fill(&host, "/0")];
    clients.extend((1..12).map(|number| queue(&host, &format!("/{number}"))));
    for (number, mut client) in clients.into_iter().enumerate() {
        assert_eq!(valve.came().len(), number + 1);
        valve.let_go(1);
        assert_eq!(client.response().status, 200);
        eventually("the next has come", || number == 11 || valve.came().len() == number + 2);
    }
    let expected: Vec<_> = (0..12).map(|number| format!("/{number}")).collect();
    assert_eq!(valve.came(), expected);
}

#[test]
fn the_queue_has_an_end_and_so_has_waiting() {
    let valve = Valve::default();
    let a = valve.backend("a");
    let limits = "limits = { requests = 1, queue = 1, queue_timeout = \"300ms\" }";
    let host = Setup::over(&[&a]).pool(limits).start();
    let mut first = valve.fill(&host, "/first");
    let began = Instant::now();
    let mut second = queue(&host, "/second");
    refused(&host.get("/third"), "queue-full");
    refused(&second.response(), "queue-timeout");
    assert!(began.elapsed() >= Duration::from_millis(300), "{:?}", began.elapsed());
    valve.open();
    assert_eq!(first.response().status, 200);
    assert_eq!(second.get("/again").status, 200, "the connection goes on");
    let ended = |result| host.metrics().sum("trimtab_queue_total", &[("result", result)]);
    assert_eq!((ended("full"), ended("timeout")), (1.0, 1.0));
}

#[test]
fn who_leaves_waits_no_more() {
    let valve = Valve::default();
    let a = valve.backend("a");
    let host = Setup::over(&[&a]).pool("limits = { backend_requests = 1 }").start();
    let mut first = valve.fill(&host, "/first");
    drop(queue(&host, "/gone"));
    eventually("it has left the queue", || waiting(&host) == 0);
    let mut last = queue(&host, "/last");
    valve.open();
    assert_eq!((first.response().status, last.response().status), (200, 200));
    assert_eq!(valve.came(), ["/first", "/last"]);
    assert_eq!(host.metrics().sum("trimtab_queue_total", &[("result", "left")]), 1.0);
}

#[test]
fn who_waits_goes_to_a_backend_that_comes_and_learns_when_all_leave() {
    let valve = Valve::default();
    let (a, b) = (valve.backend("a"), Backend::echo("b"));
    let host = Setup::over(&[&a]).pool("limits = { backend_requests = 1 }").start();
    let _first = valve.fill(&host, "/first");
    let mut waits = queue(&host, "/waits");
    let added = format!("{{\"address\":\"{}\"}}", b.address());
    assert_eq!(host.admin("PUT", "/pools/web/backends/b", &added).0, 201);
    assert_eq!(waits.response().backend(), "b");
    assert_eq!(host.admin("DELETE", "/pools/web/backends/b", "").0, 204);
    eventually("it is gone", || host.backend("web", "b").is_null());
    let mut waits = queue(&host, "/waits");
    host.set_backend("web", "a", r#"{"state":"draining"}"#);
    let response = waits.response();
    assert_eq!((response.status, response.reason()), (503, "no-backend"));
}

#[test]
fn another_limit_holds_for_who_waits() {
    let valve = Valve::default();
    let a = valve.backend("a");
    let with = |limit: u32| Setup::over(&[&a]).pool(&format!("limits = {{ requests = {limit} }}"));
    let host = with(1).start();
    let _first = valve.fill(&host, "/first");
    let _waiting: Vec<_> = (0..3).map(|number| queue(&host, &format!("/{number}"))).collect();
    host.reloaded(&with(3).text());
    eventually("two more have come", || valve.inside() == 3 && waiting(&host) == 1);
    host.reloaded(&Setup::over(&[&a]).text());
    eventually("all have come", || valve.inside() == 4);
    // The two whose turn it was together may have come in any order.
    let mut came = valve.came();
    came[1..3].sort();
    assert_eq!(came, ["/first", "/0", "/1", "/2"]);
}

/// Two backends that take one request each, and a client that is bound to one of them.
struct Bound {
    valve: Valve,
    backends: [Backend; 2],
    host: trimtab_tests::Host,
    cookie: String,
    /// Which of the two it is bound to.
    own: usize,
}

fn bound(timeout: &str) -> Bound {
    let valve = Valve::default();
    let backends = [valve.backend("a"), valve.backend("b")];
    let pool = format!("affinity = \"cookie\"\nlimits = {{ backend_requests = 1, bound_timeout = \"{timeout}\" }}");
    let server = "secret_file = \"secret\"";
    let folder = trimtab_tests::Folder::new();
    folder.write("secret", "0123456789abcdef");
    let host = Setup::over(&[&backends[0], &backends[1]]).server(server).pool(&pool).start_in(folder);
    valve.let_go(1);
    let response = host.get("/");
    let cookie = response.headers.get("set-cookie").and_then(|cookie| cookie.split(';').next());
    let cookie = format!("cookie: {}\r\n", cookie.expect("it is bound"));
    let own = usize::from(response.backend() == "b");
    eventually("nothing is in flight", || host.metrics().sum("trimtab_backend_in_flight", &[]) == 0.0);
    Bound { valve, backends, host, cookie, own }
}

impl Bound {
    fn send(&self) -> Client {
        let mut client = self.host.client();
        client.send(format!("GET /bound HTTP/1.1\r\nhost: test\r\n{}\r\n", self.cookie));
        client
    }

    /// Fills its own backend, and answers who does.
    fn fill(&self) -> Client {
        let before = self.backends[self.own].requests();
        let client = self.send();
        eventually("it has come", || self.backends[self.own].requests() > before);
        client
    }
}

#[test]
fn a_bound_client_waits_for_its_backend() {
    let bound = bound("5s");
    let mut first = bound.fill();
    let mut waits = bound.send();
    eventually("it waits", || waiting(&bound.host) == 1);
    // Others need not wait behind it.
    let free = &bound.backends[1 - bound.own];
    let mut other = bound.valve.fill(&bound.host, "/other");
    assert_eq!(free.requests(), 1);
    bound.valve.open();
    assert_eq!(first.response().status, 200);
    assert_eq!(waits.response().backend(), bound.backends[bound.own].name());
    assert_eq!(other.response().backend(), free.name());
}

#[test]
fn a_bound_client_takes_another_backend_in_the_end() {
    let bound = bound("200ms");
    let _first = bound.fill();
    let mut waits = bound.send();
    let free = &bound.backends[1 - bound.own];
    eventually("it has come to the other", || free.requests() == 1);
    bound.valve.open();
    assert_eq!(waits.response().backend(), free.name());
}

#[test]
fn a_bound_client_waits_for_any_when_its_backend_leaves() {
    let bound = bound("5s");
    let _first = bound.fill();
    let mut waits = bound.send();
    eventually("it waits", || waiting(&bound.host) == 1);
    let own = bound.backends[bound.own].name();
    assert_eq!(bound.host.admin("DELETE", &format!("/pools/web/backends/{own}"), "").0, 204);
    let free = &bound.backends[1 - bound.own];
    eventually("it has come to the other", || free.requests() == 1);
    bound.valve.open();
    assert_eq!(waits.response().backend(), free.name());
}

#[test]
fn an_upgraded_connection_counts_until_it_is_closed() {
    let a = Backend::new("a", |exchange| {
        if exchange.request.headers.get("upgrade").is_none() {
            return exchange.echo();
        }
        exchange.wire.send("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: test\r\n\r\n")?;
        exchange.wire.ended();
        Ok(Next::Close)
    });
    let host = Setup::over(&[&a]).pool("limits = { requests = 1 }").start();
    let mut upgraded = host.client();
    upgraded.send("GET / HTTP/1.1\r\nhost: test\r\nconnection: upgrade\r\nupgrade: test\r\n\r\n");
    assert_eq!(upgraded.head("GET").expect("a head").0.status, 101);
    let mut waits = queue(&host, "/");
    drop(upgraded);
    assert_eq!(waits.response().status, 200);
}

#[test]
fn a_backend_never_has_more_connections_than_it_takes() {
    let valve = Valve::default();
    valve.open();
    let a = valve.backend("a");
    let host = Setup::over(&[&a]).pool("limits = { backend_connections = 3, queue = 1000 }").start();
    let open = || host.metrics().sum("trimtab_backend_connections", &[]);
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..12)
            .map(|_| {
                scope.spawn(|| {
                    for _ in 0..100 {
                        // Each on a connection of its own: on whichever worker, while the other keeps idle ones.
                        assert_eq!(host.client().get("/").status, 200);
                    }
                })
            })
            .collect();
        while !clients.iter().all(std::thread::ScopedJoinHandle::is_finished) {
            assert!(open() <= 3.0, "{}", open());
        }
    });
    assert!(valve.most() <= 3, "{}", valve.most());
    eventually("the backend sees no more either", || (1..=3).contains(&a.open()));
}

#[test]
fn a_pool_never_has_more_connections_than_it_takes() {
    let backends = ["a", "b", "c"].map(Backend::echo);
    let pool = "limits = { connections = 4, queue = 1000 }";
    let host = Setup::over(&backends.iter().collect::<Vec<_>>()).pool(pool).start();
    let open = || host.metrics().sum("trimtab_backend_connections", &[]);
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..12)
            .map(|_| {
                scope.spawn(|| {
                    for _ in 0..50 {
                        assert_eq!(host.client().get("/").status, 200);
                    }
                })
            })
            .collect();
        while !clients.iter().all(std::thread::ScopedJoinHandle::is_finished) {
            // Each backend is read after the other, so a connection that moves may be seen twice.
            assert!(open() <= 8.0, "{}", open());
        }
    });
    eventually("no more are kept", || (1.0..=4.0).contains(&open()));
    assert!(backends.iter().all(|backend| backend.requests() == 200), "round-robin over all of them");
    eventually("the backends see no more either", || backends.iter().map(Backend::open).sum::<usize>() <= 4);
}

#[test]
fn an_idle_connection_of_another_worker_is_closed_for_one_that_is_needed() {
    let a = Backend::echo("a");
    let host = Setup::over(&[&a]).pool("limits = { backend_connections = 1 }").start();
    // Both workers have some of the clients, and one of the workers the connection.
    for _ in 0..32 {
        assert_eq!(host.get("/").status, 200);
        eventually("there is one", || a.open() == 1);
    }
    assert!(a.connections() > 1, "it has been on both workers");
}

#[test]
fn nobody_waits_where_nobody_can_come() {
    let valve = Valve::default();
    let a = valve.backend("a");
    let host = Setup::over(&[&a]).pool("limits = { requests = 1, queue_timeout = '1h' }").start();
    let mut held = host.client();
    held.send("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 0\r\n\r\n");
    eventually("it is full", || valve.inside() == 1);
    let mut waits = queue(&host, "/");
    host.set_backend("web", "a", r#"{"state":"down"}"#);
    refused_as_down(&waits.response());
    // The place is taken still, and there is nothing to wait for.
    refused_as_down(&host.get("/"));
    valve.open();
    assert_eq!(held.response().status, 200);
    eventually("nothing is left", || waiting(&host) == 0);
    host.set_backend("web", "a", r#"{"state":"ready"}"#);
    assert_eq!(host.get("/").status, 200);
}

fn refused_as_down(response: &Response) {
    assert_eq!((response.status, response.reason()), (503, "no-backend"));
}

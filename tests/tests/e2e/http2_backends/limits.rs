//! How many streams and connections there are, and when they go.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::channel;

use trimtab_tests::frames::{Frames, RST_STREAM};
use trimtab_tests::{Backend, Client, Host, Setup, Streams, eventually};

use super::{H2, framed, over};

/// So many requests at a time to `/wait`, on one connection of a client.
fn ask(host: &Host, requests: u32) -> Frames {
    let mut client = Frames::connect(host.address());
    for stream in 0..requests {
        client.get(2 * stream + 1, "/wait");
    }
    client
}

/// All of them are answered with 200.
fn answered(client: &mut Frames, requests: usize) {
    let (mut ok, mut ended) = (0, 0);
    while ended < requests {
        let frame = client.frame().expect("the connection stays");
        assert_ne!(frame.kind, RST_STREAM);
        ok += usize::from(frame.is_ok());
        ended += usize::from(frame.ends());
    }
    assert_eq!(ok, requests);
}

#[test]
fn a_hundred_requests_share_a_connection() {
    let a = Streams::start("a", None, 100);
    let host = over(&[&a]).workers(1).start();
    let mut client = ask(&host, 100);
    eventually("all of them run", || a.running() == 100);
    assert_eq!(a.accepted(), 1);
    a.release();
    answered(&mut client, 100);
}

#[test]
fn a_backend_may_allow_fewer() {
    for (allowed, requests) in [(1, 10), (10, 100)] {
        let a = Streams::start("a", None, allowed);
        let host = over(&[&a]).workers(1).start();
        let mut client = ask(&host, requests);
        eventually("all of them run", || a.running() == requests as usize);
        let needed = (requests / allowed) as usize;
        assert!((needed..=needed + 1).contains(&a.accepted()), "{} connections", a.accepted());
        a.release();
        answered(&mut client, requests as usize);
        assert_eq!(a.seen().len(), requests as usize, "none was refused");
    }
}

#[test]
fn so_may_we() {
    let a = Streams::start("a", None, 100);
    let host = over(&[&a]).pool("max_streams = 5").workers(1).start();
    let mut client = ask(&host, 20);
    eventually("all of them run", || a.running() == 20);
    assert_eq!(a.accepted(), 4);
    a.release();
    answered(&mut client, 20);
}

#[test]
fn no_more_connections_than_there_may_be() {
    let a = Streams::start("a", None, 100);
    let limits = "max_streams = 5\nlimits = { backend_connections = 2, queue = 100 }";
    let host = over(&[&a]).pool(limits).workers(1).start();
    let mut client = ask(&host, 30);
    eventually("as many run as may", || a.running() == 10);
    a.release();
    answered(&mut client, 30);
    assert_eq!((a.accepted(), a.most_running()), (2, 10));
}

#[test]
fn workers_leave_each_other_connections() {
    let a = Streams::start("a", None, 100);
    let limits = "limits = { backend_connections = 1 }";
    let host = over(&[&a]).pool(limits).workers(2).start();
    // Each connection may be another worker's.
    for _ in 0..20 {
        assert_eq!(host.get("/").status, 200);
    }
    a.release();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..20 {
                    assert_eq!(host.get("/wait").status, 200);
                }
            });
        }
    });
}

#[test]
fn what_is_idle_is_closed() {
    let a = Streams::start("a", None, 100);
    let host = over(&[&a]).pool("idle_timeout = \"200ms\"").start();
    assert_eq!(host.get("/").status, 200);
    eventually("it is closed", || a.open() == 0);
    let host = over(&[&a]).pool("max_idle = 0").start();
    assert_eq!(host.get("/").status, 200);
    eventually("none is kept", || a.open() == 0);
}

#[test]
fn a_backend_that_is_removed_answers_what_it_has() {
    let (a, b) = (Streams::start("a", None, 100), Streams::start("b", None, 100));
    let host = over(&[&a]).start();
    let mut client = ask(&host, 3);
    eventually("they run", || a.running() == 3);
    host.reloaded(&over(&[&b]).text());
    eventually("others go elsewhere", || host.get("/").backend() == "b");
    a.release();
    answered(&mut client, 3);
    eventually("its connection is closed", || a.open() == 0);
}

#[test]
fn another_protocol_takes_other_connections() {
    let (a, b) = (Streams::start("a", None, 100), Backend::echo("b"));
    let host = over(&[&a]).start();
    assert_eq!(host.get("/").backend(), "a");
    host.reloaded(&Setup::over(&[&b]).text());
    assert_eq!(host.get("/").json()["backend"], "b");
    host.reloaded(&Setup::over(&[&b]).pool(H2).text());
    eventually("it is spoken to with HTTP/2", || host.get("/").status == 502);
}

#[test]
fn a_connection_that_is_being_made_does_not_go_with_the_first_who_wants_it() {
    let (go, told) = channel::<()>();
    let (entry, backend) = framed(move |listener| {
        // The kernel has accepted it long before.
        told.recv().expect("the test goes on");
        let mut frames = Frames::accept(listener, &[]);
        let stream = frames.asked();
        frames.ok(stream);
        listener.set_nonblocking(true).expect("a socket");
        listener.accept().is_err()
    });
    let host = Setup::of([entry]).pool(H2).workers(1).start();
    let in_flight = || host.metrics().sum("trimtab_backend_in_flight", &[]);
    let ask = |requests: f64| {
        let mut client = host.client();
        client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
        eventually("it waits", || in_flight() == requests);
        client
    };
    let (first, mut second) = (ask(1.0), ask(2.0));
    drop(first);
    eventually("it has left", || in_flight() == 1.0);
    go.send(()).expect("the backend waits");
    assert_eq!(second.response().status, 200);
    assert!(backend.join().expect("it goes on"), "there is no other connection");
}

#[test]
fn workers_that_are_never_idle_leave_each_other_connections() {
    let a = Streams::start("a", None, 100);
    let limits = "max_streams = 1\nlimits = { backend_connections = 1, queue = 100 }\nconnect_timeout = \"30s\"";
    let host = over(&[&a]).pool(limits).workers(2).start();
    // Each worker has clients enough that wait for the only stream, whichever has it.
    let (answered, address) = (AtomicUsize::new(0), host.address());
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                for _ in 0..20 {
                    let mut client = Client::connect(address);
                    assert_eq!(client.get("/").status, 200);
                    answered.fetch_add(1, Relaxed);
                }
            });
        }
    });
    assert_eq!(answered.into_inner(), 320);
}

//! How upgraded connections end: by either side, by a reset, for want of anything to carry, and when we stop.

use std::io::{self, ErrorKind};
use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use rustix::process::Signal;
use trimtab_tests::{Backend, Client, Exchange, Host, Next, Setup, eventually};

const ASK: &str = "GET / HTTP/1.1\r\nhost: test\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n";

/// Switches, and then does this.
fn switching(then: impl Fn(&mut Exchange<'_>) -> io::Result<Next> + Send + Sync + 'static) -> Backend {
    Backend::new("a", move |exchange| {
        exchange.wire.send("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n")?;
        then(exchange)
    })
}

/// Echoes until the client has ended.
fn echo(exchange: &mut Exchange<'_>) -> io::Result<Next> {
    loop {
        let bytes = exchange.wire.some()?;
        if bytes.is_empty() {
            return Ok(Next::Close);
        }
        exchange.wire.send(bytes)?;
    }
}

/// Waits for the end of the connection and tells how it came.
fn telling(ends: Sender<Option<ErrorKind>>) -> impl Fn(&mut Exchange<'_>) -> io::Result<Next> + Send + Sync {
    let ends = Mutex::new(ends);
    move |exchange| {
        exchange.wire.send("hello")?;
        let end = exchange.wire.rest().err().map(|error| error.kind());
        let _ = ends.lock().expect("nobody panics").send(end);
        Ok(Next::Close)
    }
}

fn switched(host: &Host) -> Client {
    let mut client = host.client();
    client.send(ASK);
    assert_eq!(client.head("GET").expect("a head").0.status, 101);
    client
}

fn tunnels(host: &Host) -> f64 {
    host.metrics().sum("trimtab_tunnels", &[("listener", "web"), ("pool", "web")])
}

#[test]
fn a_silent_tunnel_is_closed_in_time() {
    let (ends, ended) = channel();
    let a = switching(telling(ends));
    let host = Setup::over(&[&a]).pool("tunnel_timeout = '300ms'").start();
    let mut client = switched(&host);
    assert_eq!(client.wire.exact(5).expect("hello"), b"hello");
    assert_eq!(client.wire.rest().expect("an end, not a reset"), b"");
    client.wire.finish();
    assert_eq!(ended.recv().expect("the backend sees it too"), None);
    eventually("nothing is left of it", || tunnels(&host) == 0.0 && a.open() == 0);
}

#[test]
fn whatever_moves_keeps_a_tunnel() {
    let a = switching(echo);
    let host = Setup::over(&[&a]).pool("tunnel_timeout = '600ms'").start();
    let mut client = switched(&host);
    client.wire.patience(Duration::from_millis(200));
    for _ in 0..6 {
        client.send("x");
        assert_eq!(client.wire.exact(1).expect("the echo"), b"x");
        assert!(!client.wire.ended(), "nothing comes for a while, and nothing ends");
    }
}

#[test]
fn the_timeout_can_be_left_out() {
    let a = switching(echo);
    let host = Setup::over(&[&a]).pool("tunnel_timeout = false").start();
    let mut client = switched(&host);
    client.send("x");
    assert_eq!(client.wire.exact(1).expect("the echo"), b"x");
}

#[test]
fn open_tunnels_are_counted() {
    let a = switching(echo);
    let host = Setup::over(&[&a]).start();
    assert_eq!(tunnels(&host), 0.0);
    let two = [switched(&host), switched(&host)];
    eventually("both are counted", || tunnels(&host) == 2.0);
    drop(two);
    eventually("none is", || tunnels(&host) == 0.0);
}

#[test]
fn a_client_that_has_ended_still_gets_the_rest() {
    let a = switching(|exchange| {
        let said = exchange.wire.rest()?;
        exchange.wire.send(said)?;
        exchange.wire.send(" and more")?;
        Ok(Next::Close)
    });
    let host = Setup::over(&[&a]).start();
    let mut client = switched(&host);
    client.send("all").wire.finish();
    assert_eq!(client.wire.rest().expect("an end"), b"all and more");
}

#[test]
fn a_backend_that_has_ended_still_gets_the_rest() {
    let (said, heard) = channel();
    let said = Mutex::new(said);
    let a = switching(move |exchange| {
        exchange.wire.finish();
        let _ = said.lock().expect("nobody panics").send(exchange.wire.rest()?);
        Ok(Next::Close)
    });
    let host = Setup::over(&[&a]).start();
    let mut client = switched(&host);
    assert!(client.wire.ended());
    client.send("late").wire.finish();
    assert_eq!(heard.recv().expect("the backend reads on"), b"late");
}

#[test]
fn a_reset_is_passed_on() {
    let a = switching(|exchange| {
        exchange.wire.some()?;
        Ok(Next::Reset)
    });
    let host = Setup::over(&[&a]).start();
    let mut client = switched(&host);
    client.send("x");
    assert_eq!(client.wire.rest().expect_err("no whole answer").kind(), ErrorKind::ConnectionReset);

    let (ends, ended) = channel();
    let a = switching(telling(ends));
    let host = Setup::over(&[&a]).start();
    let mut client = switched(&host);
    assert_eq!(client.wire.exact(5).expect("hello"), b"hello");
    client.wire.reset_on_drop();
    drop(client);
    assert_eq!(ended.recv().expect("an end"), Some(ErrorKind::ConnectionReset));
}

#[test]
fn a_stop_closes_tunnels_in_order_when_its_time_is_over() {
    let (ends, ended) = channel();
    let a = switching(telling(ends));
    let mut host = Setup::over(&[&a]).server("drain_timeout = '300ms'").start();
    let mut client = switched(&host);
    assert_eq!(client.wire.exact(5).expect("hello"), b"hello");
    host.signal(Signal::TERM);
    assert_eq!(client.wire.rest().expect("an end, not a reset"), b"");
    client.wire.finish();
    assert_eq!(ended.recv().expect("the backend sees it too"), None);
    host.wait();
}

#[test]
fn what_a_client_still_sends_does_not_make_a_reset_of_the_close() {
    let (ends, ended) = channel();
    let a = switching(telling(ends));
    let host = Setup::over(&[&a]).pool("drain_timeout = '300ms'").start();
    let mut client = switched(&host);
    assert_eq!(client.wire.exact(5).expect("hello"), b"hello");
    host.set_backend("web", "a", r#"{"state":"draining"}"#);
    assert!(client.wire.ended());
    client.send("too late").wire.finish();
    assert_eq!(client.wire.rest().expect("an end, not a reset"), b"");
    assert_eq!(ended.recv().expect("the backend sees it too"), None);
}

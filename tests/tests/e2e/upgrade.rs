//! HTTP/1.1 upgrades: after a 101 the connection is a tunnel.

use std::io;

use trimtab_tests::{Backend, Client, Exchange, Host, Next, Setup, eventually};

const ASK: &str = "GET /chat HTTP/1.1\r\nhost: test\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
                   sec-websocket-key: x3JJHMbDL1EzLkh9GBhXDw==\r\nsec-websocket-version: 13\r\n\r\n";

/// Switches and echoes; what it says first comes right behind its head.
fn switch(exchange: &mut Exchange<'_>) -> io::Result<Next> {
    if exchange.request.target != "/chat" {
        return exchange.echo();
    }
    let wanted = exchange.request.headers.get("upgrade") == Some("websocket")
        && exchange.request.headers.get("connection").is_some_and(|v| v.eq_ignore_ascii_case("upgrade"));
    if !wanted {
        return exchange.respond(400, "", "no upgrade");
    }
    exchange.wire.send(
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nx-backend: a\r\n\r\nhello ",
    )?;
    loop {
        let bytes = exchange.wire.some()?;
        if bytes.is_empty() {
            return Ok(Next::Close);
        }
        exchange.wire.send(bytes)?;
    }
}

fn switched(host: &Host, first: &str) -> Client {
    let mut client = host.client();
    client.send([ASK, first].concat());
    let (head, _) = client.head("GET").expect("a head");
    assert_eq!(head.status, 101);
    assert_eq!(head.headers.get("upgrade"), Some("websocket"));
    assert!(head.headers.get("connection").is_some_and(|v| v.eq_ignore_ascii_case("upgrade")));
    client
}

#[test]
fn bytes_go_both_ways() {
    let a = Backend::new("a", switch);
    let host = Setup::over(&[&a]).start();
    let mut client = switched(&host, "");
    assert_eq!(client.wire.exact(6).expect("what came right behind the backend's head"), b"hello ");
    for word in ["one", "two", "\0\r\n\r\nthree"] {
        client.send(word);
        assert_eq!(client.wire.exact(word.len()).expect("the echo"), word.as_bytes());
    }
    client.wire.finish();
    assert!(client.wire.ended(), "the end goes through as well");
    eventually("the tunnel is gone at the backend", || a.open() == 0);
}

#[test]
fn bytes_right_behind_the_clients_head_are_not_lost() {
    let a = Backend::new("a", switch);
    let host = Setup::over(&[&a]).start();
    let mut client = switched(&host, "early");
    assert_eq!(client.wire.exact(11).expect("all of it"), b"hello early");
}

#[test]
fn a_tunnel_outlives_the_timeouts_of_requests() {
    let a = Backend::new("a", switch);
    let limits = "header_timeout = '300ms'\nidle_timeout = '300ms'\nbody_timeout = '300ms'";
    let host = Setup::over(&[&a]).listener(limits).pool("response_timeout = '300ms'").start();
    let mut client = switched(&host, "");
    assert_eq!(client.wire.exact(6).expect("hello"), b"hello ");
    // Silence for longer than any of them; then it still works.
    client.wire.patience(std::time::Duration::from_millis(700));
    assert!(!client.wire.ended(), "nothing comes, and nothing ends");
    client.wire.patience(trimtab_tests::wait::PATIENCE);
    client.send("still");
    assert_eq!(client.wire.exact(5).expect("the echo"), b"still");
}

#[test]
fn a_backend_may_refuse_to_switch() {
    let a = Backend::status("a", 403);
    let host = Setup::over(&[&a]).start();
    let mut client = host.client();
    assert_eq!(client.send(ASK).response().status, 403);
    assert_eq!(client.get("/").status, 403, "the connection is in step");
}

#[test]
fn without_connection_upgrade_nothing_is_switched() {
    let a = Backend::echo("a");
    let host = Setup::over(&[&a]).start();
    let seen = host.client().get_with("/", "upgrade: websocket\r\n").echoed();
    assert_eq!(seen.get("upgrade"), None, "hop by hop");
}

#[test]
fn a_switch_nobody_asked_for_is_502() {
    let a = Backend::new("a", |exchange| {
        exchange.wire.send("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n")?;
        Ok(Next::Close)
    });
    let host = Setup::over(&[&a]).start();
    assert_eq!(host.get("/").status, 502);
}

#[test]
fn a_large_amount_goes_through() {
    let a = Backend::new("a", switch);
    let host = Setup::over(&[&a]).start();
    let mut client = switched(&host, "");
    assert_eq!(client.wire.exact(6).expect("hello"), b"hello ");
    let block: Vec<u8> = (0..64 * 1024u32).map(|i| (i % 251) as u8).collect();
    for _ in 0..64 {
        client.send(&block);
        assert!(client.wire.exact(block.len()).expect("the echo") == block);
    }
}

#[test]
fn a_tunnel_holds_none_of_the_tables_of_its_time() {
    const MANY: usize = 10_000;
    const TUNNELS: usize = 40;
    let a = Backend::new("a", switch);
    let many = (0..MANY).map(|n| format!("'10.0.{}.{}:1'", n / 250, n % 250 + 1)).collect::<Vec<_>>().join(", ");
    let host = Setup::over(&[&a]).more(&format!("[pool.many]\nbackends = [{many}]")).start();
    let memory_of = |tunnels: usize| {
        let tunnels: Vec<_> = (0..tunnels)
            .map(|weight| {
                host.set_backend("many", "10.0.0.1:1", &format!("{{\"weight\":{}}}", weight % 2 + 1));
                switched(&host, "")
            })
            .collect();
        (host.memory(), tunnels)
    };
    let (before, few) = memory_of(4);
    let (after, more) = memory_of(TUNNELS);
    assert!(after < before + (20 << 20), "{} KiB before {TUNNELS} tunnels, {} KiB after", before >> 10, after >> 10);
    drop((few, more));
}

/// A backend that says so much and ends, whatever it is told.
fn talkative(bytes: usize) -> Backend {
    Backend::new("a", move |exchange| {
        exchange.wire.send("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")?;
        exchange.wire.send(vec![b'x'; bytes])?;
        Ok(Next::Close)
    })
}

#[test]
fn the_last_words_of_a_backend_arrive_though_the_client_goes_on() {
    // More than a client holds that does not read, and less than leaves it the backend's kernel, which would forget it.
    const LENGTH: usize = 96 << 10;
    let a = talkative(LENGTH);
    let host = Setup::over(&[&a]).start();
    let mut client = switched(&host, "");
    eventually("the backend has left", || a.open() == 0);
    for word in ["one", "two", "three"] {
        let _ = client.wire.send(word);
    }
    assert_eq!(client.wire.exact(LENGTH).expect("all of it").len(), LENGTH);
    assert!(client.wire.rest().is_ok_and(|rest| rest.is_empty()), "and an end in order");
}

#[test]
fn what_is_cut_off_does_not_look_whole() {
    let a = talkative(64 << 20);
    let host = Setup::over(&[&a]).pool("tunnel_timeout = '1s'").start();
    let mut client = switched(&host, "");
    // It has more to say than anything on the way holds.
    eventually("the backend is parted with", || a.open() == 0);
    assert!(client.wire.rest().is_err(), "a reset");
}

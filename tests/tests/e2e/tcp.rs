//! Connections that are carried as they are: where they go, how they end, and who is turned away.

#[path = "tcp/crowd.rs"]
mod crowd;
#[path = "tcp/lasting.rs"]
mod lasting;
#[path = "tcp/passthrough.rs"]
mod passthrough;
#[path = "tcp/pipes.rs"]
mod pipes;
#[path = "tcp/secured.rs"]
mod secured;
#[path = "tcp/steering.rs"]
mod steering;
#[path = "tcp/waiting.rs"]
mod waiting;

use std::io::{self, ErrorKind};
use std::time::Duration;

use trimtab_tests::unreachable::Refusing;
use trimtab_tests::wire::Wire;
use trimtab_tests::{Client, Folder, Greeter, Host, Setup, eventually};

const TCP: &str = "protocol = 'tcp'";

/// A host that carries TCP to these backends.
fn carrying(backends: &[&Greeter]) -> Setup {
    Setup::of(backends.iter().map(|backend| backend.entry())).listener(TCP)
}

/// The line that a backend greets with.
fn greeting(wire: &mut Wire) -> io::Result<String> {
    let mut line = String::new();
    loop {
        match wire.exact(1)?[0] {
            b'\n' => return Ok(line),
            byte => line.push(char::from(byte)),
        }
    }
}

/// A connection, and the backend that greeted it.
fn greeted(host: &Host) -> (Client, String) {
    let mut client = host.client();
    let name = greeting(&mut client.wire).expect("a backend greets");
    (client, name)
}

fn ended(host: &Host, end: &str) -> f64 {
    host.metrics().sum("trimtab_carried_connections_total", &[("listener", "web"), ("end", end)])
}

fn outcomes(host: &Host, backend: &str, outcome: &str) -> f64 {
    host.metrics().sum("trimtab_backend_requests_total", &[("backend", backend), ("outcome", outcome)])
}

#[test]
fn bytes_go_both_ways_and_each_direction_ends_for_itself() {
    let a = Greeter::new("a");
    let host = carrying(&[&a]).start();
    let (mut client, name) = greeted(&host);
    assert_eq!(name, "a");
    client.send("hello");
    assert_eq!(client.wire.exact(5).expect("the echo"), b"hello");
    client.send("last").wire.finish();
    assert_eq!(client.wire.rest().expect("all of it, and the end"), b"last");
    eventually("it is over on both sides", || ended(&host, "finished") == 1.0 && a.open() == 0);
    let metrics = host.metrics();
    let bytes = |direction| metrics.sum("trimtab_carried_bytes_total", &[("pool", "web"), ("direction", direction)]);
    assert_eq!((bytes("upstream"), bytes("downstream")), (9.0, 11.0));
    assert_eq!(metrics.sum("trimtab_carried_duration_seconds_count", &[("listener", "web")]), 1.0);
    assert_eq!(metrics.sum("trimtab_carried_connections", &[]), 0.0);
    eventually("it was a success", || outcomes(&host, "a", "success") == 1.0);
}

#[test]
fn much_arrives_whole_through_the_smallest_buffers_of_a_slow_reader() {
    const SIZE: usize = 8 << 20;
    let sent: Vec<u8> = (0..SIZE as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let source = sent.clone();
    let a = Greeter::with("a", move |wire| wire.send(&source));
    let host = carrying(&[&a]).start();
    assert!(host.client().wire.rest().expect("all of it") == sent);
}

#[test]
fn who_says_nothing_first_waits_for_nobody() {
    // As of PostgreSQL or a database of Redis: the client speaks first.
    let a = Greeter::with("a", |wire| {
        let asked = wire.exact(4)?;
        wire.send([b"re:", &asked[..]].concat())
    });
    let host = carrying(&[&a]).start();
    let mut client = host.client();
    assert_eq!(client.send("PING").wire.rest().expect("an answer"), b"re:PING");
}

#[test]
fn one_that_cannot_be_connected_to_is_replaced_by_another() {
    let (refusing, a) = (Refusing::new(), Greeter::new("a"));
    let dead = format!("{{ id = 'dead', address = '{}' }}", refusing.address());
    let host = Setup::of([dead, a.entry()]).listener(TCP).start();
    for _ in 0..4 {
        assert_eq!(greeted(&host).1, "a");
    }
    eventually("that is known of it", || outcomes(&host, "dead", "connect-error") >= 1.0);
}

#[test]
fn where_none_can_be_connected_to_the_connection_is_closed() {
    let refusing = Refusing::new();
    let dead = format!("'{}'", refusing.address());
    let host = Setup::of([dead.clone()]).listener(TCP).start();
    let mut client = host.client();
    assert_eq!(client.send("unread").wire.rest().expect("an end in order"), b"");
    eventually("it is told why", || ended(&host, "connect-error") == 1.0);
    let host = Setup::of([dead]).listener(TCP).listener("refuse_with = 'reset'").start();
    assert_eq!(host.client().wire.rest().expect_err("a reset").kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_backend_that_breaks_off_breaks_the_connection() {
    let a = Greeter::with("a", |wire| {
        wire.send("a\n")?;
        wire.exact(1)?;
        Err(io::ErrorKind::Other.into())
    });
    let host = carrying(&[&a]).start();
    let (mut client, _) = greeted(&host);
    client.send("x");
    assert_eq!(client.wire.rest().expect_err("a reset").kind(), ErrorKind::ConnectionReset);
    eventually("it is told why", || ended(&host, "backend-reset") == 1.0);
    eventually("its first byte made it a success", || outcomes(&host, "a", "success") == 1.0);
}

#[test]
fn a_backend_that_breaks_off_before_its_first_byte_has_failed() {
    let a = Greeter::with("a", |wire| {
        wire.exact(1)?;
        Err(io::ErrorKind::Other.into())
    });
    let host = carrying(&[&a]).start();
    let mut client = host.client();
    assert!(client.send("x").wire.rest().is_err());
    eventually("that is known of it", || outcomes(&host, "a", "reset") == 1.0);
}

#[test]
fn a_client_that_breaks_off_is_no_failure_of_the_backend() {
    let a = Greeter::with("a", |wire| wire.rest().map(drop));
    let host = carrying(&[&a]).start();
    let client = host.client();
    eventually("it is there", || a.open() == 1);
    client.wire.reset_on_drop();
    drop(client);
    eventually("its backend is told", || a.open() == 0);
    eventually("it is told why", || ended(&host, "client-reset") == 1.0 && outcomes(&host, "a", "cancelled") == 1.0);
}

#[test]
fn silence_ends_a_connection_and_bytes_either_way_keep_it() {
    let a = Greeter::new("a");
    let host = carrying(&[&a]).listener("idle_timeout = '600ms'").start();
    let (mut client, _) = greeted(&host);
    client.wire.patience(Duration::from_millis(200));
    for _ in 0..6 {
        client.send("x");
        assert_eq!(client.wire.exact(1).expect("the echo"), b"x");
        assert!(!client.wire.ended(), "nothing comes for a while, and nothing ends");
    }
    client.wire.patience(Duration::from_secs(20));
    assert_eq!(client.wire.rest().expect("an end, not a reset"), b"");
    client.wire.finish();
    eventually("it is told why", || ended(&host, "idle") == 1.0 && a.open() == 0);
}

#[test]
fn who_may_not_come_is_closed() {
    let a = Greeter::new("a");
    let denied = carrying(&[&a]).listener("deny = ['127.0.0.0/8']").start();
    assert_eq!(denied.client().wire.rest().expect("an end"), b"");
    let by_route = "[[route]]\nlistener = 'web'\ndeny = ['127.0.0.1']\npool = 'web'";
    let denied = carrying(&[&a]).more(by_route).start();
    assert_eq!(denied.client().wire.rest().expect("an end"), b"");
    eventually("it is told why", || ended(&denied, "denied") == 1.0);
    assert_eq!(a.accepted(), 0);
}

#[test]
fn no_more_connections_than_there_may_be() {
    let a = Greeter::new("a");
    let host = carrying(&[&a]).listener("max_connections = 1").start();
    let (mut first, _) = greeted(&host);
    assert_eq!(host.client().wire.rest().expect("an end"), b"");
    first.wire.finish();
    first.wire.rest().expect("the end");
    eventually("there is room again", || greeting(&mut host.client().wire).is_ok());
}

#[test]
fn connections_are_held_to_a_rate() {
    let a = Greeter::new("a");
    let host = carrying(&[&a]).listener("rate_limit = { rate = '1/3600s', burst = 2 }").start();
    for _ in 0..2 {
        assert_eq!(greeted(&host).1, "a");
    }
    assert_eq!(host.client().wire.rest().expect("an end"), b"");
    eventually("it is told why", || ended(&host, "rate-limited") == 1.0);
}

#[test]
fn who_finds_no_room_waits_in_the_queue() {
    let a = Greeter::new("a");
    let host = carrying(&[&a]).pool("limits = { backend_requests = 1, queue_timeout = '20s' }").start();
    let (mut first, _) = greeted(&host);
    let mut second = host.client();
    let waiting = || host.metrics().sum("trimtab_queue_waiting", &[("pool", "web")]);
    eventually("it waits", || waiting() == 1.0);
    assert_eq!(a.accepted(), 1);
    first.wire.finish();
    first.wire.rest().expect("the end");
    assert_eq!(greeting(&mut second.wire).expect("its turn"), "a");
}

#[test]
fn who_waits_too_long_is_closed() {
    let a = Greeter::new("a");
    let host = carrying(&[&a]).pool("limits = { requests = 1, queue_timeout = '200ms' }").start();
    let _first = greeted(&host);
    assert_eq!(host.client().wire.rest().expect("an end"), b"");
    eventually("it is told why", || ended(&host, "no-backend") == 1.0);
}

#[test]
fn a_line_of_the_access_log_tells_of_each_connection() {
    let (folder, a) = (Folder::new(), Greeter::new("a"));
    let log = format!("[log]\naccess = '{}'", folder.path("access.log").display());
    let host = carrying(&[&a]).more(&log).start_in(folder);
    let (mut client, _) = greeted(&host);
    client.send("abc").wire.finish();
    client.wire.rest().expect("the end");
    eventually("a line", || host.folder.text("access.log").lines().count() == 1);
    let text = host.folder.text("access.log");
    let words: Vec<_> = text.split_whitespace().collect();
    assert_eq!(words[1], client.local.to_string(), "{text}");
    assert_eq!(words[2..8], ["web", "web", "a", "1", "0", "5"], "{text}");
    assert_eq!(words[9..], ["\"tcp", "-\"", "-", "3", "finished"], "{text}");
}

#[test]
fn one_listener_for_both_families_of_addresses() {
    let a = Greeter::new("a");
    let both = carrying(&[&a]).listener("ipv6_only = false\nallow = ['127.0.0.1', '::1']");
    let text = both.text().replace("127.0.0.1:0", "[::]:0");
    let host = Host::start(&text);
    let port = host.address().port();
    for address in ["127.0.0.1", "::1"] {
        let mut client = Client::connect((address.parse::<std::net::IpAddr>().expect("address"), port).into());
        assert_eq!(greeting(&mut client.wire).expect("a greeting"), "a", "{address}");
    }
}

//! Clients that take a response slowly: they get all of it, whatever else happens to their connection.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use trimtab_tests::frames::{DATA, Frame, Frames, RST_STREAM, WINDOW_UPDATE};
use trimtab_tests::wait::until;
use trimtab_tests::{Backend, Host, Setup};

/// More than a client takes at once, whose windows are as they are by default.
const LENGTH: usize = 100_000;
const WINDOW: usize = 65_535;

fn backend() -> Backend {
    Backend::new("a", |exchange| exchange.respond(200, "", vec![b'x'; LENGTH]))
}

/// A client that has taken as much as its windows let through.
fn stalled(host: &Host) -> Frames {
    let mut client = Frames::connect(host.address());
    client.get(1, "/");
    assert_eq!(take(&mut client, WINDOW), WINDOW);
    client
}

/// Takes data until there was so much; answers how much it was.
fn take(client: &mut Frames, wanted: usize) -> usize {
    let mut taken = 0;
    client.find("data", |frame: &Frame| {
        assert_ne!(frame.kind, RST_STREAM, "{} after {taken} bytes", frame.code());
        taken += if frame.kind == DATA { frame.payload.len() } else { 0 };
        taken >= wanted
    });
    taken
}

/// Lets more through, on the connection and on the first stream.
fn open(client: &mut Frames, bytes: usize) {
    let bytes = u32::try_from(bytes).expect("few").to_be_bytes();
    client.send(WINDOW_UPDATE, 0, 0, &bytes);
    client.send(WINDOW_UPDATE, 0, 1, &bytes);
}

#[test]
fn a_stop_waits_for_what_they_have_not_taken() {
    let a = backend();
    let mut host = Setup::over(&[&a]).server("drain_timeout = '60s'").listener("write_timeout = '60s'").start();
    let mut client = stalled(&host);
    host.signal(Signal::TERM);
    // Longer than a connection has on which nothing is open.
    until(Instant::now() + Duration::from_millis(1200));
    open(&mut client, LENGTH - WINDOW);
    assert_eq!(take(&mut client, LENGTH - WINDOW), LENGTH - WINDOW);
    drop(client);
    assert_eq!(host.wait().code(), Some(0));
}

#[test]
fn what_they_have_not_taken_is_not_idle() {
    let a = backend();
    let host = Setup::over(&[&a]).listener("idle_timeout = '200ms'\nwrite_timeout = '60s'").start();
    let mut client = stalled(&host);
    until(Instant::now() + Duration::from_millis(1200));
    open(&mut client, LENGTH - WINDOW);
    assert_eq!(take(&mut client, LENGTH - WINDOW), LENGTH - WINDOW);
}

#[test]
fn who_takes_something_is_not_late() {
    const STEP: usize = 20_000;
    let a = Backend::new("a", |exchange| exchange.respond(200, "", vec![b'x'; WINDOW + 12 * STEP]));
    let host = Setup::over(&[&a]).listener("write_timeout = '2s'").start();
    let mut client = stalled(&host);
    for _ in 0..12 {
        until(Instant::now() + Duration::from_millis(250));
        open(&mut client, STEP);
        assert_eq!(take(&mut client, STEP), STEP);
    }
}

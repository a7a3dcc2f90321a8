//! Flow control with clients (RFC 9113 §5.2): how much is held for those that do not read, and that all of it arrives.

use trimtab_tests::frames::{DATA, Frame, Frames, GOAWAY, RST_STREAM, SETTINGS, WINDOW_UPDATE};
use trimtab_tests::{Backend, Setup, Streams, eventually};

use super::{INITIAL_WINDOW_SIZE, PROTOCOL_ERROR};

const FLOW_CONTROL_ERROR: u32 = 3;

/// The largest window that there can be.
const LARGEST: u32 = u32::MAX >> 1;

/// Lets so much more through; stream 0: on the connection.
fn open(client: &mut Frames, stream: u32, bytes: u32) {
    client.send(WINDOW_UPDATE, 0, stream, &bytes.to_be_bytes());
}

/// A changed window for all streams, with what was sent already taken off.
fn set_window(client: &mut Frames, bytes: u32) {
    client.send(SETTINGS, 0, 0, &[&INITIAL_WINDOW_SIZE.to_be_bytes()[..], &bytes.to_be_bytes()].concat());
}

/// The next part of a body that is not empty.
fn data(client: &mut Frames) -> Frame {
    client.find("data", |frame| {
        assert_ne!(frame.kind, RST_STREAM, "reset with {}", frame.code());
        frame.kind == DATA && !frame.payload.is_empty()
    })
}

#[test]
fn what_is_held_for_a_client_that_reads_nothing_follows_from_the_windows() {
    const STREAMS: u32 = 100;
    const LENGTH: usize = 4 << 20;
    // What a backend may send of one response before it is taken, and what is kept for the client beside it. Twice, for
    // what the allocator and the buffers of reads take, and 16 MiB for whatever else a host does when it begins.
    const HELD: usize = 2 * STREAMS as usize * ((256 << 10) + (64 << 10)) + (16 << 20);
    let a = Streams::start("a", None, STREAMS);
    let host = Setup::of([a.entry()]).pool("protocol = 'h2'").listener("write_timeout = '60s'").start();
    assert_eq!(host.get("/").status, 200);
    let before = host.memory();
    let mut slow = Frames::connect(host.address());
    for stream in 0..STREAMS {
        slow.get(2 * stream + 1, "/large");
    }
    eventually("all of them have begun", || a.seen().len() > STREAMS as usize);
    // By then the backend has filled the windows of the others many times.
    for _ in 0..20 {
        assert_eq!(host.get("/large").body.len(), LENGTH);
    }
    let held = host.memory().saturating_sub(before);
    assert!(held < HELD, "{held} bytes for {STREAMS} streams, at most {HELD}");

    open(&mut slow, 0, LARGEST - 65_535);
    for stream in 0..STREAMS {
        open(&mut slow, 2 * stream + 1, LARGEST - 65_535);
    }
    let mut taken = vec![0; STREAMS as usize];
    let mut ended = 0;
    while ended < STREAMS {
        let frame = slow.frame().expect("the connection stays");
        assert_ne!(frame.kind, RST_STREAM, "reset with {}", frame.code());
        if frame.kind == DATA {
            taken[frame.stream as usize / 2] += frame.payload.len();
        }
        ended += u32::from(frame.ends());
    }
    assert!(taken.iter().all(|length| *length == LENGTH), "{taken:?}");
}

#[test]
fn a_window_of_one_byte_lets_one_through_at_a_time() {
    let a = Backend::new("a", |exchange| exchange.respond(200, "", "byte by byte"));
    let host = Setup::over(&[&a]).start();
    let mut client = Frames::connect_with(host.address(), &[(INITIAL_WINDOW_SIZE, 1)]);
    client.get(1, "/");
    let mut body = Vec::new();
    while body.len() < 12 {
        let frame = data(&mut client);
        assert_eq!(frame.payload.len(), 1);
        body.extend(frame.payload);
        assert_eq!(host.get("/").text(), "byte by byte", "others do not wait for it");
        open(&mut client, 1, 1);
    }
    assert_eq!(body, b"byte by byte");
}

#[test]
fn windows_that_change_hold_for_streams_that_are_open() {
    let a = Backend::new("a", |exchange| exchange.respond(200, "", vec![b'x'; 100]));
    let host = Setup::over(&[&a]).start();
    let mut client = Frames::connect_with(host.address(), &[(INITIAL_WINDOW_SIZE, 10)]);
    client.get(1, "/");
    assert_eq!(data(&mut client).payload.len(), 10);
    set_window(&mut client, 30);
    assert_eq!(data(&mut client).payload.len(), 20);
    // The window is 25 below nothing now: so many bytes have to be let through before the first comes.
    set_window(&mut client, 5);
    open(&mut client, 1, 25);
    open(&mut client, 1, 1);
    assert_eq!(data(&mut client).payload.len(), 1);
    set_window(&mut client, 1000);
    let mut rest = 0;
    client.find("end", |frame| {
        rest += if frame.kind == DATA { frame.payload.len() } else { 0 };
        frame.ends()
    });
    assert_eq!(rest, 69);
}

#[test]
fn a_window_beyond_the_largest_is_an_error() {
    let a = Backend::new("a", |exchange| exchange.respond(200, "", vec![b'x'; 100]));
    let host = Setup::over(&[&a]).start();
    let mut client = Frames::connect_with(host.address(), &[(INITIAL_WINDOW_SIZE, 1)]);
    client.get(1, "/");
    assert_eq!(data(&mut client).payload.len(), 1);
    open(&mut client, 1, LARGEST);
    open(&mut client, 1, LARGEST);
    // Of the stream; but all of it may have come by then, as the first of the two is allowed.
    client.find("end", |frame| frame.ends() || frame.kind == RST_STREAM && frame.code() == FLOW_CONTROL_ERROR);
    open(&mut client, 0, LARGEST);
    let end = client.find("GOAWAY", |frame| frame.kind == GOAWAY);
    assert_eq!(end.code(), FLOW_CONTROL_ERROR, "of the connection");
}

#[test]
fn a_window_that_grows_by_nothing_is_an_error() {
    let a = Backend::echo("a");
    let host = Setup::over(&[&a]).start();
    let mut client = Frames::connect(host.address());
    open(&mut client, 0, 0);
    assert_eq!(client.find("GOAWAY", |frame| frame.kind == GOAWAY).code(), PROTOCOL_ERROR);
    assert_eq!(host.get("/").status, 200);
}

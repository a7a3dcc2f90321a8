//! Uploads to backends that take nothing: what is held of them follows from the windows, and nothing of it is lost.

use std::sync::mpsc::channel;

use trimtab_tests::frames::{self, DATA, END_HEADERS, END_STREAM, Frames, HEADERS, RST_STREAM, WINDOW_UPDATE};
use trimtab_tests::{Backend, Setup, eventually};

use super::{H2, framed};

/// Streams of one client, and the body of each: together somewhat less than its connection may have on the way (1 MiB).
const STREAMS: u32 = 100;
const LENGTH: usize = 10_000;

/// What a client's connection may have on the way, for what is kept of it here and there; and what else a host takes when
/// it begins.
const HELD: usize = 4 * (1 << 20) + (16 << 20);

/// Begins all uploads, and sends all of each, once the window of the connection is open.
fn upload(client: &mut Frames) {
    client.find("window", |frame| frame.kind == WINDOW_UPDATE && frame.stream == 0);
    for stream in (1..2 * STREAMS).step_by(2) {
        client.send(HEADERS, END_HEADERS, stream, &frames::head("POST", "/upload", &[]));
        client.send(DATA, END_STREAM, stream, &[b'x'; LENGTH]);
    }
}

/// Waits for all of the answers.
fn all_are_answered(client: &mut Frames) {
    let (mut ok, mut ended) = (0, 0);
    while ended < STREAMS {
        let frame = client.frame().expect("the connection stays");
        assert_ne!(frame.kind, RST_STREAM, "reset with {}", frame.code());
        ok += u32::from(frame.is_ok());
        ended += u32::from(frame.ends());
    }
    assert_eq!(ok, STREAMS);
}

/// Takes whole uploads until there were so many, and answers each; what they were together, in bytes. Windows are opened
/// where it is said.
fn take(backend: &mut Frames, wanted: u32, opens: bool) -> usize {
    let (mut bytes, mut ended) = (0, 0);
    while ended < wanted {
        let frame = backend.frame().expect("the connection stays");
        if frame.kind == DATA && !frame.payload.is_empty() {
            bytes += frame.payload.len();
            if opens {
                let taken = u32::try_from(frame.payload.len()).expect("few").to_be_bytes();
                backend.send(WINDOW_UPDATE, 0, 0, &taken);
            }
        }
        if frame.ends() {
            ended += 1;
            backend.ok(frame.stream);
        }
    }
    bytes
}

#[test]
fn a_backend_that_opens_no_window_answers_what_needs_none() {
    /// What may be sent on a connection whose window nobody has opened (RFC 9113 §6.9.2).
    const FIRST_WINDOW: usize = 65_535;
    let (go, told) = channel::<()>();
    let (entry, backend) = framed(move |listener| {
        let mut frames = Frames::accept(listener, &[]);
        let (mut early, mut answered) = (0, 0);
        // Until the window is used up: then a request without a body is answered, on the same connection.
        let plain = loop {
            let frame = frames.frame().expect("the connection stays");
            early += if frame.kind == DATA { frame.payload.len() } else { 0 };
            if frame.kind == HEADERS && frame.flags & END_STREAM != 0 {
                break frame.stream;
            }
            if frame.kind == DATA && frame.ends() {
                frames.ok(frame.stream);
                answered += 1;
            }
        };
        frames.ok(plain);
        told.recv().expect("the test goes on");
        frames.send(WINDOW_UPDATE, 0, 0, &(1u32 << 20).to_be_bytes());
        let late = take(&mut frames, STREAMS - answered, false);
        (early, late)
    });
    let host = Setup::of([entry]).pool(H2).pool("max_streams = 200").workers(1).start();
    let before = host.memory();
    let mut client = Frames::connect(host.address());
    upload(&mut client);
    eventually("all are on the way", || host.backend("web", "framed")["in_flight"].as_u64() >= Some(90));
    assert_eq!(host.get("/").status, 200, "what has no body needs no window");
    let held = host.memory().saturating_sub(before);
    assert!(held < HELD, "{held} bytes, at most {HELD}");
    go.send(()).expect("the backend waits");
    all_are_answered(&mut client);
    let (early, late) = backend.join().expect("it goes on");
    assert!(early <= FIRST_WINDOW, "{early}");
    assert_eq!(early + late, STREAMS as usize * LENGTH);
}

#[test]
fn a_backend_that_reads_nothing_holds_up_its_clients_alone() {
    let (go, told) = channel::<()>();
    let (stuck, backend) = framed(move |listener| {
        let mut frames = Frames::accept(listener, &[]);
        told.recv().expect("the test goes on");
        take(&mut frames, STREAMS, true)
    });
    let b = Backend::echo("b");
    let other = format!(
        "[[route]]\npath = \"/upload\"\npool = \"stuck\"\n\n[pool.stuck]\nprotocol = \"h2\"\nbackends = [{stuck}]\n"
    );
    let host = Setup::over(&[&b]).workers(1).more(&other).start();
    let before = host.memory();
    let mut client = Frames::connect(host.address());
    upload(&mut client);
    eventually("all are on the way", || host.backend("stuck", "framed")["in_flight"] == STREAMS);
    for _ in 0..100 {
        assert_eq!(host.get("/").status, 200);
    }
    client.get(2 * STREAMS + 1, "/");
    assert!(client.answered(2 * STREAMS + 1), "beside them, on the same connection");
    let held = host.memory().saturating_sub(before);
    assert!(held < HELD, "{held} bytes, at most {HELD}");
    go.send(()).expect("the backend waits");
    all_are_answered(&mut client);
    assert_eq!(backend.join().expect("it goes on"), STREAMS as usize * LENGTH);
}

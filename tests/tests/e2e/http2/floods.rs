//! Clients that keep us busy without asking for anything.

use trimtab_tests::frames::{self, CONTINUATION, DATA, END_HEADERS, Frame, Frames, GOAWAY, HEADERS, PING, PRIORITY};
use trimtab_tests::frames::{RST_STREAM, SETTINGS, WINDOW_UPDATE};
use trimtab_tests::{Backend, Host, Setup, eventually};

/// `ENHANCE_YOUR_CALM`
const CALM: u32 = 11;

/// Far more than anybody may send.
const MANY: usize = 20_000;

/// What is said to a client that sends this, over and over. A client that writes on may only see a reset.
fn said(host: &Host, flood: &[u8]) -> Option<Frame> {
    let mut client = Frames::connect(host.address());
    client.get(1, "/");
    assert!(client.answered(1));
    for _ in 0..MANY {
        if client.wire.send(flood).is_err() {
            break;
        }
    }
    let mut goaway = None;
    while let Some(frame) = client.frame() {
        goaway = goaway.or((frame.kind == GOAWAY).then_some(frame));
    }
    goaway
}

#[test]
fn floods_of_frames_end_their_connection() {
    let a = Backend::echo("a");
    let host = Setup::over(&[&a]).start();
    let floods = [
        ("PING", frames::bytes(PING, 0, 0, &[0; 8])),
        ("SETTINGS", frames::bytes(SETTINGS, 0, 0, &[])),
        ("PRIORITY", frames::bytes(PRIORITY, 0, 1, &[0, 0, 0, 0, 1])),
        ("WINDOW_UPDATE", frames::bytes(WINDOW_UPDATE, 0, 0, &1u32.to_be_bytes())),
        ("unknown", frames::bytes(0xee, 0, 0, &[])),
    ];
    for (nth, (name, flood)) in floods.iter().enumerate() {
        if let Some(goaway) = said(&host, flood) {
            assert_eq!(goaway.code(), CALM, "{name}");
        }
        let labels = [("listener", "web"), ("reason", "flood")];
        let counted = || host.metrics().sum("trimtab_shed_connections_total", &labels);
        eventually(&format!("the flood of {name} is counted"), || counted() == (nth + 1) as f64);
    }
    assert_eq!(host.get("/").status, 200);
}

#[test]
fn streams_that_are_opened_and_reset_end_their_connection() {
    let a = Backend::silent("a");
    let host = Setup::over(&[&a]).start();
    let mut client = Frames::connect(host.address());
    for stream in 0..MANY {
        let stream = u32::try_from(2 * stream + 1).expect("few");
        let get = frames::bytes(HEADERS, END_HEADERS | 1, stream, &frames::head("GET", "/", &[]));
        let reset = frames::bytes(RST_STREAM, 0, stream, &8u32.to_be_bytes());
        if client.wire.send([get, reset].concat()).is_err() {
            break;
        }
    }
    while client.frame().is_some() {}
    assert!(a.requests() < 1000, "{} requests", a.requests());
}

#[test]
fn a_head_without_end_ends_its_connection() {
    let a = Backend::echo("a");
    let host = Setup::over(&[&a]).start();
    let mut client = Frames::connect(host.address());
    client.send(HEADERS, 0, 1, &frames::head("GET", "/", &[]));
    for _ in 0..MANY {
        if client.wire.send(frames::bytes(CONTINUATION, 0, 1, &[])).is_err() {
            break;
        }
    }
    while client.frame().is_some() {}
    assert_eq!(a.requests(), 0);
}

#[test]
fn empty_data_without_end_ends_its_connection() {
    let a = Backend::echo("a");
    let host = Setup::over(&[&a]).start();
    let mut client = Frames::connect(host.address());
    client.send(HEADERS, END_HEADERS, 1, &frames::head("POST", "/", &[]));
    for _ in 0..MANY {
        if client.wire.send(frames::bytes(DATA, 0, 1, &[])).is_err() {
            break;
        }
    }
    while client.frame().is_some() {}
}

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
fn resets_that_wait_for_an_answer_in_between_are_counted_too() {
    let a = Backend::silent("a");
    let host = Setup::over(&[&a]).start();
    let mut client = Frames::connect(host.address());
    for stream in 0..MANY {
        let stream = u32::try_from(2 * stream + 1).expect("few");
        let get = frames::bytes(HEADERS, END_HEADERS | 1, stream, &frames::head("GET", "/", &[]));
        let ping = frames::bytes(PING, 0, 0, &[0; 8]);
        let asked = client.wire.send([get, ping].concat());
        // When this is answered, the request is no longer one that h2 keeps to itself.
        let answered = std::iter::from_fn(|| client.frame()).find(|frame| frame.kind == PING);
        let reset = frames::bytes(RST_STREAM, 0, stream, &8u32.to_be_bytes());
        if asked.is_err() || answered.is_none() || client.wire.send(reset).is_err() {
            break;
        }
    }
    assert!(a.requests() < 5000, "{} requests", a.requests());
    let labels = [("listener", "web"), ("reason", "flood")];
    eventually("it is counted", || host.metrics().sum("trimtab_shed_connections_total", &labels) == 1.0);
}

#[test]
fn each_frame_of_a_response_may_be_answered() {
    const MESSAGES: usize = 5000;
    let a = Backend::new("a", |exchange| {
        exchange.start_chunks("")?;
        for _ in 0..MESSAGES {
            exchange.wire.send_chunk("a short message")?;
        }
        exchange.finish_chunks("")
    });
    let host = Setup::over(&[&a]).start();
    let mut client = Frames::connect(host.address());
    client.get(1, "/");
    loop {
        let frame = client.find("data", |frame| frame.kind == DATA);
        if frame.ends() {
            break;
        }
        // As clients do that find out how much the way takes.
        client.send(PING, 0, 0, &[0; 8]);
        if !frame.payload.is_empty() {
            let taken = u32::try_from(frame.payload.len()).expect("few").to_be_bytes();
            client.send(WINDOW_UPDATE, 0, 0, &taken);
            client.send(WINDOW_UPDATE, 0, 1, &taken);
        }
    }
    client.get(3, "/none");
    client.find("another response", |frame| frame.stream == 3 && frame.is_ok());
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

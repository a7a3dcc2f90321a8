//! Deadlines of gRPC's calls, before backends of HTTP/2: what is left of them is passed on with each attempt.

use std::time::{Duration, Instant};

use trimtab_tests::frames::{self, END_HEADERS, END_STREAM, Frames, HEADERS, RST_STREAM};
use trimtab_tests::streams::Seen;
use trimtab_tests::wait::until;
use trimtab_tests::{Setup, Streams};

use super::{H2, framed, over};

/// Error codes (RFC 9113 §7).
const REFUSED_STREAM: u32 = 7;
const CANCEL: u32 = 8;

/// A call that has so much time.
fn call(client: &mut Frames, stream: u32, time: &str) {
    let fields = [("content-type", "application/grpc"), ("te", "trailers"), ("grpc-timeout", time)];
    client.send(HEADERS, END_HEADERS | END_STREAM, stream, &frames::head("POST", "/", &fields));
}

/// The time that a backend was given, in microseconds.
fn given(seen: &Seen) -> u64 {
    let text = seen.headers["grpc-timeout"].to_str().expect("text");
    text.strip_suffix('u').and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{text} in microseconds"))
}

#[test]
fn one_that_passes_before_the_head_ends_the_call_on_both_sides() {
    let (entry, backend) = framed(|listener| {
        let mut frames = Frames::accept(listener, &[]);
        frames.asked();
        frames.find("reset", |frame| frame.kind == RST_STREAM).code()
    });
    let host = Setup::of([entry]).pool(H2).workers(1).start();
    let mut client = Frames::connect(host.address());
    let begun = Instant::now();
    call(&mut client, 1, "300m");
    let end = client.find("end", |frame| frame.ends());
    assert!(begun.elapsed() >= Duration::from_millis(300), "not early");
    // All in one head: 200, and the status of the call in it.
    assert!(end.is_ok(), "trailers alone");
    assert_eq!(backend.join().expect("a reset"), CANCEL);
}

#[test]
fn one_that_has_passed_already_reaches_no_backend() {
    let a = Streams::start("a", None, 100);
    let host = over(&[&a]).start();
    for time in ["0m", "0S"] {
        let mut client = Frames::connect(host.address());
        call(&mut client, 1, time);
        let end = client.find("end", |frame| frame.ends());
        assert!(end.is_ok(), "{time}: trailers alone");
    }
    assert!(a.seen().is_empty());
}

#[test]
fn an_attempt_after_another_is_given_less() {
    const HELD: Duration = Duration::from_millis(300);
    let (first, backend) = framed(|listener| {
        let mut frames = Frames::accept(listener, &[]);
        let stream = frames.asked();
        until(Instant::now() + HELD);
        frames.send(RST_STREAM, 0, stream, &REFUSED_STREAM.to_be_bytes());
        while frames.frame().is_some() {}
    });
    let a = Streams::start("a", None, 100);
    let mut host = Setup::of([first, a.entry()]).pool(H2).workers(1).start();
    let mut client = Frames::connect(host.address());
    let most = 60_000_000 - u64::try_from(HELD.as_micros()).expect("few");
    // Until the other was asked first.
    for stream in (1..200).step_by(2) {
        call(&mut client, stream, "60S");
        client.find("end", |frame| frame.stream == stream && frame.ends());
        if a.seen().iter().any(|seen| given(seen) <= most) {
            break;
        }
    }
    let given: Vec<u64> = a.seen().iter().map(given).collect();
    assert!(given.iter().all(|given| *given < 60_000_000), "{given:?}");
    assert!(given.iter().any(|given| *given <= most), "{given:?}");
    drop(client);
    host.stop();
    backend.join().expect("it was asked");
}

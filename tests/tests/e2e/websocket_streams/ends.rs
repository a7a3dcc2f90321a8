//! How tunnels on streams end: by either side, by a reset, for want of anything to carry, and when we stop; and what is
//! held back while one side does not read.

use std::io::{self, ErrorKind};
use std::net::TcpListener;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};

use rustix::process::Signal;
use trimtab_tests::frames::{
    DATA, END_HEADERS, END_STREAM, Frames, GOAWAY, HEADERS, PING, RST_STREAM, SETTINGS, WINDOW_UPDATE,
};
use trimtab_tests::{Backend, Client, Host, Next, Setup, eventually};

use super::{ASK, H2, agreeing, opened, tunnels};

/// The codes of RST_STREAM (RFC 9113 §7).
const CANCEL: u32 = 8;
/// What a server allows.
const ENABLE_CONNECT: (u16, u32) = (8, 1);
/// Flag of SETTINGS: those of the other side are known.
const ACK: u8 = 1;
/// What a side takes of a stream before it says that it takes more.
const INITIAL_WINDOW: u16 = 4;

/// A backend that says hello and tells how the connection ends.
fn telling() -> (Backend, Receiver<Option<ErrorKind>>) {
    let (ends, ended) = channel();
    let ends = Mutex::new(ends);
    let a = agreeing(move |exchange| {
        exchange.wire.send("hello")?;
        let end = exchange.wire.rest().err().map(|error| error.kind());
        let _ = ends.lock().expect("nobody panics").send(end);
        Ok(Next::Close)
    });
    (a, ended)
}

/// A backend of HTTP/2, frame by frame.
fn by_hand() -> (TcpListener, Setup) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("a listener has an address");
    (listener, Setup::of([format!("'{address}'")]).pool(H2).workers(1))
}

/// A client of HTTP/1.1 with a tunnel to a backend by hand, and the stream that the backend has of it.
fn joined(host: &Host, listener: &TcpListener) -> (Client, Frames, u32) {
    let mut client = host.client();
    client.send([ASK, "\r\n"].concat());
    let mut backend = Frames::accept(listener, &[ENABLE_CONNECT]);
    let stream = backend.asked();
    backend.send(HEADERS, END_HEADERS, stream, &[0x88]);
    assert_eq!(client.head("GET").expect("a head").0.status, 101);
    (client, backend, stream)
}

/// Reads so many bytes of a stream.
fn read(side: &mut Frames, count: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < count {
        let frame = side.find("data", |frame| frame.kind == DATA);
        assert!(!frame.ends(), "more is to come");
        bytes.extend(frame.payload);
    }
    bytes
}

fn reset(side: &mut Frames) -> u32 {
    side.find("reset", |frame| {
        assert!(!frame.ends(), "no end in order");
        frame.kind == RST_STREAM
    })
    .code()
}

#[test]
fn a_client_that_has_ended_still_gets_the_rest() {
    let a = agreeing(|exchange| {
        let said = exchange.wire.rest()?;
        exchange.wire.send(said)?;
        exchange.wire.send(" and more")?;
        Ok(Next::Close)
    });
    let host = Setup::over(&[&a]).start();
    let mut client = opened(&host, &[]);
    client.send(DATA, END_STREAM, 1, b"all");
    assert_eq!(read(&mut client, 12), b"all and more");
    client.find("end", |frame| {
        assert_ne!(frame.kind, RST_STREAM);
        frame.ends()
    });
    client.get(3, "/");
    client.find("response", |frame| frame.kind == HEADERS && frame.stream == 3);
}

#[test]
fn a_backend_that_has_ended_still_gets_the_rest() {
    let (listener, setup) = by_hand();
    let host = setup.start();
    let (mut client, mut backend, stream) = joined(&host, &listener);
    backend.send(DATA, END_STREAM, stream, b"bye");
    assert_eq!(client.wire.rest().expect("an end, not a reset"), b"bye");
    client.send("late").wire.finish();
    assert_eq!(read(&mut backend, 4), b"late");
    backend.find("end", |frame| {
        assert_ne!(frame.kind, RST_STREAM);
        frame.ends()
    });
}

#[test]
fn a_reset_of_the_client_is_passed_on() {
    for code in [CANCEL, 2] {
        let (a, ended) = telling();
        let host = Setup::over(&[&a]).start();
        let mut client = opened(&host, &[]);
        assert_eq!(read(&mut client, 5), b"hello");
        client.send(RST_STREAM, 0, 1, &code.to_be_bytes());
        assert_eq!(ended.recv().expect("the backend sees it"), Some(ErrorKind::ConnectionReset), "{code}");
        // Nor is it an end when the whole connection breaks.
        let mut client = opened(&host, &[]);
        assert_eq!(read(&mut client, 5), b"hello");
        client.wire.reset_on_drop();
        drop(client);
        assert_eq!(ended.recv().expect("the backend sees it"), Some(ErrorKind::ConnectionReset));
    }
    let (listener, setup) = by_hand();
    let host = setup.start();
    let (client, mut backend, _) = joined(&host, &listener);
    client.wire.reset_on_drop();
    drop(client);
    assert_eq!(reset(&mut backend), CANCEL);
}

#[test]
fn a_reset_of_the_backend_is_passed_on() {
    let a = agreeing(|exchange| {
        exchange.wire.some()?;
        Ok(Next::Reset)
    });
    let host = Setup::over(&[&a]).start();
    let mut client = opened(&host, &[]);
    client.send(DATA, 0, 1, b"x");
    assert_eq!(reset(&mut client), CANCEL);
    client.get(3, "/");
    let next = client.find("response", |frame| frame.kind == HEADERS && frame.stream == 3);
    assert_eq!(next.stream, 3, "the others of its connection are none the worse");

    for code in [CANCEL, 2] {
        let (listener, setup) = by_hand();
        let host = setup.start();
        let (mut client, mut backend, stream) = joined(&host, &listener);
        backend.send(RST_STREAM, 0, stream, &code.to_be_bytes());
        assert_eq!(client.wire.rest().expect_err("no end").kind(), ErrorKind::ConnectionReset, "{code}");
        // Nor is it an end when the whole connection breaks.
        let host = setup.start();
        let (mut client, backend, _) = joined(&host, &listener);
        backend.wire.reset_on_drop();
        drop(backend);
        assert_eq!(client.wire.rest().expect_err("no end").kind(), ErrorKind::ConnectionReset);
    }
}

#[test]
fn a_silent_tunnel_is_closed_in_time() {
    let (a, ended) = telling();
    let host = Setup::over(&[&a]).pool("tunnel_timeout = '300ms'").start();
    let mut client = opened(&host, &[]);
    assert_eq!(read(&mut client, 5), b"hello");
    client.find("end", |frame| {
        assert_ne!(frame.kind, RST_STREAM);
        frame.ends()
    });
    client.send(DATA, END_STREAM, 1, b"");
    assert_eq!(ended.recv().expect("the backend sees it too"), None);
    eventually("nothing is left of it", || tunnels(&host) == 0.0 && a.open() == 0);

    let (listener, setup) = by_hand();
    let host = setup.pool("tunnel_timeout = '300ms'").start();
    let (mut client, mut backend, stream) = joined(&host, &listener);
    assert_eq!(client.wire.rest().expect("an end, not a reset"), b"");
    backend.find("end", |frame| frame.stream == stream && frame.ends());
    backend.send(DATA, END_STREAM, stream, b"");
    eventually("nothing is left of it", || tunnels(&host) == 0.0);
}

#[test]
fn whatever_moves_keeps_a_tunnel() {
    let a = agreeing(|exchange| {
        loop {
            let bytes = exchange.wire.some()?;
            if bytes.is_empty() {
                return Ok(Next::Close);
            }
            exchange.wire.send(bytes)?;
        }
    });
    let limits = "header_timeout = '300ms'\nidle_timeout = '300ms'\nwrite_timeout = '300ms'";
    let host =
        Setup::over(&[&a]).listener(limits).pool("response_timeout = '300ms'\ntunnel_timeout = '1500ms'").start();
    let mut client = opened(&host, &[]);
    client.wire.patience(std::time::Duration::from_millis(400));
    for _ in 0..5 {
        client.send(DATA, 0, 1, b"x");
        assert_eq!(read(&mut client, 1), b"x");
        let quiet: io::Result<Vec<u8>> = client.wire.exact(9);
        assert!(quiet.is_err_and(|error| error.kind() == ErrorKind::WouldBlock), "nothing comes, and nothing ends");
    }
}

#[test]
fn a_stop_closes_tunnels_in_order_when_its_time_is_over() {
    let (a, ended) = telling();
    let mut host = Setup::over(&[&a]).server("drain_timeout = '300ms'").start();
    let mut client = opened(&host, &[]);
    assert_eq!(read(&mut client, 5), b"hello");
    host.signal(Signal::TERM);
    let mut is_told = false;
    client.find("end", |frame| {
        assert_ne!(frame.kind, RST_STREAM);
        is_told |= frame.kind == GOAWAY;
        frame.ends()
    });
    assert!(is_told, "no further streams");
    client.send(DATA, END_STREAM, 1, b"");
    assert_eq!(ended.recv().expect("the backend sees it too"), None);
    host.wait();
}

#[test]
fn a_backend_that_drains_is_left_in_time() {
    let (a, ended) = telling();
    let host = Setup::over(&[&a]).pool("drain_timeout = '300ms'").start();
    let mut client = opened(&host, &[]);
    assert_eq!(read(&mut client, 5), b"hello");
    host.set_backend("web", "a", r#"{"state":"draining"}"#);
    client.find("end", |frame| frame.ends());
    client.send(DATA, END_STREAM, 1, b"too late");
    assert_eq!(ended.recv().expect("an end, not a reset"), None);
}

#[test]
fn a_client_that_does_not_read_holds_up_its_backend() {
    /// Far more than what windows and what is on its way within the host come to, in bytes.
    const MOST: usize = 1 << 20;
    const BLOCK: usize = 8192;
    let (listener, setup) = by_hand();
    let host = setup.start();
    let mut client = Frames::connect_with(host.address(), &[(INITIAL_WINDOW, 1000)]);
    client.send(HEADERS, END_HEADERS, 1, &super::connect("/", &[]));
    let mut backend = Frames::accept(&listener, &[ENABLE_CONNECT]);
    let settings = backend.find("settings", |frame| frame.kind == SETTINGS).payload;
    // They hold from when they are acknowledged.
    backend.send(SETTINGS, ACK, 0, &[]);
    let number = |bytes: &[u8]| u32::from_be_bytes(bytes.try_into().expect("four bytes")) as usize;
    let setting = settings.chunks(6).find(|setting| setting[..2] == INITIAL_WINDOW.to_be_bytes());
    let mut window = setting.map_or(65_535, |setting| number(&setting[2..]));
    let stream = backend.asked();
    backend.send(HEADERS, END_HEADERS, stream, &[0x88]);
    let (mut blocks, mut quiet) = (0, 0);
    // What was sent before a ping has come when that is answered; what it made room for is told before the next answer.
    while quiet < 2 {
        while window >= BLOCK {
            backend.send(DATA, 0, stream, &[u8::try_from(blocks).expect("few"); BLOCK]);
            (window, blocks) = (window - BLOCK, blocks + 1);
            assert!(blocks * BLOCK < MOST, "the host takes it all");
        }
        let before = window;
        backend.send(PING, 0, 0, &[0; 8]);
        backend.find("answer", |frame| {
            if frame.kind == WINDOW_UPDATE && frame.stream == stream {
                window += number(&frame.payload);
            }
            frame.kind == PING
        });
        quiet = if window == before { quiet + 1 } else { 0 };
    }
    client.send(WINDOW_UPDATE, 0, 0, &(1u32 << 24).to_be_bytes());
    client.send(WINDOW_UPDATE, 0, 1, &(1u32 << 24).to_be_bytes());
    let got = read(&mut client, blocks * BLOCK);
    assert!(got.iter().enumerate().all(|(at, byte)| usize::from(*byte) == at / BLOCK));
}

#[test]
fn a_backend_that_does_not_read_holds_up_its_client() {
    let (listener, setup) = by_hand();
    let host = setup.start();
    let mut client = host.client();
    client.send([ASK, "\r\n"].concat());
    let mut backend = Frames::accept(&listener, &[ENABLE_CONNECT, (INITIAL_WINDOW, 1000)]);
    let stream = backend.asked();
    backend.send(HEADERS, END_HEADERS, stream, &[0x88]);
    assert_eq!(client.head("GET").expect("a head").0.status, 101);
    // More than sockets hold.
    let block = vec![b'x'; 1 << 20];
    client.wire.patience(std::time::Duration::from_millis(500));
    let mut taken = 0;
    while let Ok(count) = client.wire.send_some(&block) {
        taken += count;
        assert!(taken < 64 << 20, "the host takes it all");
    }
    backend.send(WINDOW_UPDATE, 0, 0, &(1u32 << 30).to_be_bytes());
    backend.send(WINDOW_UPDATE, 0, stream, &(1u32 << 30).to_be_bytes());
    assert_eq!(read(&mut backend, taken).len(), taken);
}

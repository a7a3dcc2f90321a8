//! A client or a server of HTTP/2 that writes frame by frame, so that it can do what no library would.
//!
//! It knows as much of header compression as it takes to ask: names and values are sent as they are, and of a response's
//! head only a status of 200 is understood.

use std::net::{SocketAddr, TcpListener, TcpStream};

use crate::wire::Wire;

/// Kinds of frames (RFC 9113 §6).
pub const DATA: u8 = 0;
/// A request's or a response's head, or trailers.
pub const HEADERS: u8 = 1;
/// Ignored since RFC 9113.
pub const PRIORITY: u8 = 2;
/// A stream ends at once.
pub const RST_STREAM: u8 = 3;
/// What each side may do.
pub const SETTINGS: u8 = 4;
/// Asks for an answer.
pub const PING: u8 = 6;
/// No further streams.
pub const GOAWAY: u8 = 7;
/// More may be sent.
pub const WINDOW_UPDATE: u8 = 8;
/// More of a head.
pub const CONTINUATION: u8 = 9;

/// Flag: the last of its side of the stream.
pub const END_STREAM: u8 = 1;
/// Flag: the head is whole.
pub const END_HEADERS: u8 = 4;

/// What a client says first (RFC 9113 §3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The status 200: entry 8 of the static table (RFC 7541 appendix A).
const OK: u8 = 0x88;

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Its kind.
    pub kind: u8,
    /// Its flags.
    pub flags: u8,
    /// Its stream; 0: the connection.
    pub stream: u32,
    /// What it carries.
    pub payload: Vec<u8>,
}

impl Frame {
    /// Whether its stream ends with it, in order.
    #[must_use]
    pub fn ends(&self) -> bool {
        matches!(self.kind, DATA | HEADERS) && self.flags & END_STREAM != 0
    }

    /// Whether it is the head of a response with status 200.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        // Behind a change of the table's size if there is one.
        self.kind == HEADERS && self.payload.iter().find(|byte| **byte & 0xe0 != 0x20) == Some(&OK)
    }

    /// The error code of a RST_STREAM or GOAWAY.
    #[must_use]
    pub fn code(&self) -> u32 {
        let code = self.payload.get(if self.kind == GOAWAY { 4..8 } else { 0..4 }).expect("a code");
        u32::from_be_bytes(code.try_into().expect("four bytes"))
    }
}

/// One connection of HTTP/2.
pub struct Frames {
    /// The bytes below.
    pub wire: Wire,
}

impl Frames {
    /// Connects, with prior knowledge and default settings.
    #[must_use]
    pub fn connect(address: SocketAddr) -> Self {
        Self::connect_with(address, &[])
    }

    /// The same, with these settings.
    #[must_use]
    pub fn connect_with(address: SocketAddr, settings: &[(u16, u32)]) -> Self {
        let stream = TcpStream::connect(address).unwrap_or_else(|error| panic!("cannot connect to {address}: {error}"));
        Self::over(Wire::tcp(stream), settings)
    }

    /// The same on a connection that there is.
    #[must_use]
    pub fn over(wire: Wire, settings: &[(u16, u32)]) -> Self {
        let mut frames = Self { wire };
        frames.wire.send(PREFACE).expect("the preface is taken");
        frames.settings(settings);
        frames
    }

    /// The other side: takes one connection, and says these settings. Heads of requests are not understood.
    #[must_use]
    pub fn accept(listener: &TcpListener, settings: &[(u16, u32)]) -> Self {
        let (stream, _) = listener.accept().expect("a connection");
        let mut frames = Self { wire: Wire::tcp(stream) };
        assert_eq!(frames.wire.exact(PREFACE.len()).expect("the preface"), PREFACE);
        frames.settings(settings);
        frames
    }

    fn settings(&mut self, settings: &[(u16, u32)]) {
        let setting = |(name, value): &(u16, u32)| [&name.to_be_bytes()[..], &value.to_be_bytes()].concat();
        self.send(SETTINGS, 0, 0, &settings.iter().flat_map(setting).collect::<Vec<u8>>());
    }

    /// A request, of which only the stream is told.
    pub fn asked(&mut self) -> u32 {
        self.find("request", |frame| frame.kind == HEADERS).stream
    }

    /// A response of 200 without a body.
    pub fn ok(&mut self, stream: u32) {
        self.send(HEADERS, END_HEADERS | END_STREAM, stream, &[OK]);
    }

    /// Writes a frame.
    pub fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.wire.send(bytes(kind, flags, stream, payload)).expect("the frame is taken");
    }

    /// A request without a body.
    pub fn get(&mut self, stream: u32, path: &str) {
        let head = head("GET", path, &[]);
        self.send(HEADERS, END_HEADERS | END_STREAM, stream, &head);
    }

    /// The next frame; none at the end of the connection.
    pub fn frame(&mut self) -> Option<Frame> {
        let head = self.wire.exact(9).ok()?;
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let payload = self.wire.exact(length).ok()?;
        Some(Frame { kind: head[3], flags: head[4], stream, payload })
    }

    /// The next frame of which `wanted` holds; others are passed over.
    pub fn find(&mut self, what: &str, mut wanted: impl FnMut(&Frame) -> bool) -> Frame {
        loop {
            let frame = self.frame().unwrap_or_else(|| panic!("no {what} before the end"));
            if wanted(&frame) {
                return frame;
            }
        }
    }

    /// Waits for the whole response on this stream; whether it was 200. A reset panics.
    pub fn answered(&mut self, stream: u32) -> bool {
        let mut ok = false;
        self.find("response", |frame| {
            if frame.stream != stream {
                return false;
            }
            assert_ne!(frame.kind, RST_STREAM, "stream {stream} was reset with {}", frame.code());
            ok |= frame.is_ok();
            frame.ends()
        });
        ok
    }
}

/// A frame as bytes.
#[must_use]
pub fn bytes(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a frame is small").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A request's head, compressed as little as can be.
#[must_use]
pub fn head(method: &str, path: &str, fields: &[(&str, &str)]) -> Vec<u8> {
    let pseudo = [(":method", method), (":scheme", "http"), (":path", path), (":authority", "test")];
    fields_of(&[&pseudo[..], fields].concat())
}

/// These fields, and no others.
#[must_use]
pub fn fields_of(fields: &[(&str, &str)]) -> Vec<u8> {
    let text = |text: &str| {
        assert!(text.len() < 127, "longer ones take more to encode");
        [&[u8::try_from(text.len()).expect("short")], text.as_bytes()].concat()
    };
    // Literals without indexing, with new names (RFC 7541 §6.2.2).
    fields.iter().flat_map(|(name, value)| [vec![0], text(name), text(value)].concat()).collect()
}

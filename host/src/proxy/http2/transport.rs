//! The bytes of an HTTP/2 connection: what was read of it before comes first, and all that comes is metered.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::PREFACE;
use super::meter::Meter;
use super::stream::Streams;
use crate::proxy::deadline::Deadlines;
use crate::proxy::socket::Socket;

/// A client's socket.
pub(super) struct Transport {
    socket: Socket,
    /// Read before, by whoever found out what is spoken.
    ahead: Bytes,
    meter: Meter,
    streams: Rc<Streams>,
    deadlines: Rc<Deadlines>,
    /// Nothing is half written: a frame of our own may follow.
    is_flushed: bool,
}

impl Transport {
    /// `ahead` is what was read from the socket already.
    pub(super) fn new(socket: Socket, ahead: Bytes, streams: Rc<Streams>, deadlines: Rc<Deadlines>) -> Self {
        let meter = Meter::new(PREFACE.len(), deadlines.now());
        Self { socket, ahead, meter, streams, deadlines, is_flushed: true }
    }

    /// Counts what came.
    fn count(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> io::Result<()> {
        self.meter.pass(self.deadlines.now());
        self.meter.completed(self.streams.take_completed());
        let within = self.meter.read(bytes);
        if self.meter.frames() > 0 {
            self.streams.begin();
        }
        if within {
            return Ok(());
        }
        self.streams.set_flooded();
        if self.is_flushed {
            // If the socket does not take it now, nobody waits until it does.
            let _ = Pin::new(&mut self.socket).poll_write(cx, &farewell(self.meter.last_stream()));
            let _ = Pin::new(&mut self.socket).poll_flush(cx);
        }
        Err(io::Error::other("too many frames that do nothing"))
    }

    /// Counts what of `bytes` the client took.
    fn wrote<'b>(&mut self, written: &Poll<io::Result<usize>>, bytes: impl IntoIterator<Item = &'b [u8]>) {
        self.is_flushed = false;
        let Poll::Ready(Ok(mut taken)) = *written else { return };
        let mut of_a_body = false;
        for bytes in bytes {
            let part = &bytes[..taken.min(bytes.len())];
            taken -= part.len();
            of_a_body |= self.meter.wrote(part);
        }
        if of_a_body {
            self.streams.took();
        }
    }
}

/// GOAWAY with ENHANCE_YOUR_CALM (RFC 9113 §6.8).
fn farewell(last_stream: u32) -> [u8; 17] {
    let mut frame = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 11];
    frame[9..13].copy_from_slice(&last_stream.to_be_bytes());
    frame
}

impl AsyncRead for Transport {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        if this.ahead.has_remaining() {
            let part = this.ahead.split_to(this.ahead.len().min(buf.remaining()));
            buf.put_slice(&part);
        } else {
            ready!(Pin::new(&mut this.socket).poll_read(cx, buf))?;
        }
        Poll::Ready(this.count(cx, buf.filled().get(before..).unwrap_or_default()))
    }
}

impl AsyncWrite for Transport {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(cx, buf);
        self.wrote(&written, [buf]);
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.socket).poll_flush(cx);
        self.is_flushed = matches!(flushed, Poll::Ready(Ok(())));
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write_vectored(cx, bufs);
        self.wrote(&written, bufs.iter().map(|buf| &**buf));
        written
    }
}

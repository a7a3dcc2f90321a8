//! A client's socket as hyper sees it.
//!
//! It tells the [`Line`] what moves. And it holds back the bare answers that hyper itself writes to a request
//! that it cannot parse, so that the client gets one of ours, with a body and a reason, instead.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;

use super::http1::strict::Strict;
use super::line::{Line, Phase};
use super::socket::Socket;

/// A client's socket.
pub struct Downstream {
    socket: TokioIo<Strict>,
    line: Rc<Line>,
}

impl Downstream {
    /// Wraps an accepted socket.
    pub fn new(socket: Socket, line: Rc<Line>) -> Self {
        Self { socket: TokioIo::new(Strict::new(socket, Rc::clone(&line))), line }
    }

    /// Whether a request's body has begun and not ended.
    pub fn is_within_body(&self) -> bool {
        self.socket.inner().is_within_body()
    }

    /// Ready when there is something to read, or the client has left.
    pub fn poll_stirs(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.socket.inner().poll_stirs(cx)
    }

    /// The bare socket.
    pub fn into_inner(self) -> Socket {
        self.socket.into_inner().into_inner()
    }

    /// Holds back an answer that is not ours. True when `buf` was one.
    fn hold_back(&self, buf: &[u8]) -> bool {
        if self.line.owed.get() || !matches!(self.line.phase(), Phase::Head | Phase::Idle) {
            return false;
        }
        let status = automatic_answer(buf);
        if status.is_some() {
            self.line.held_back.set(status);
        }
        status.is_some()
    }
}

/// The status of an answer that hyper writes by itself: an error without a body, in one piece.
fn automatic_answer(buf: &[u8]) -> Option<u16> {
    const LONGEST: usize = 256;
    let status = buf.strip_prefix(b"HTTP/1.1 ").or_else(|| buf.strip_prefix(b"HTTP/1.0 "))?.get(..3)?;
    let whole = buf.len() <= LONGEST && buf.ends_with(b"\r\n\r\n");
    let bare = buf.windows(19).any(|w| w.eq_ignore_ascii_case(b"content-length: 0\r\n"));
    (whole && bare && status[0] == b'4').then(|| std::str::from_utf8(status).ok()?.parse().ok())?
}

impl Read for Downstream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.socket).poll_read(cx, buf);
        if read.is_ready() {
            self.line.received();
        }
        read
    }
}

impl Write for Downstream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.hold_back(buf) {
            return Poll::Ready(Ok(buf.len()));
        }
        let written = Pin::new(&mut self.socket).poll_write(cx, buf);
        if let Poll::Ready(Ok(_)) = written {
            self.line.took();
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.socket).poll_flush(cx);
        if let Poll::Ready(Ok(())) = flushed {
            self.line.flushed();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.line.held_back.get().is_some() {
            // The answer is still to be said.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let [first] = bufs
            && self.hold_back(first)
        {
            return Poll::Ready(Ok(first.len()));
        }
        let written = Pin::new(&mut self.socket).poll_write_vectored(cx, bufs);
        if let Poll::Ready(Ok(_)) = written {
            self.line.took();
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bare_errors_are_automatic() {
        let bare = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\ndate: x\r\n\r\n";
        assert_eq!(automatic_answer(bare), Some(431));
        assert_eq!(automatic_answer(b"HTTP/1.1 100 Continue\r\n\r\n"), None);
        assert_eq!(automatic_answer(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\nno"), None);
        assert_eq!(automatic_answer(b""), None);
    }
}

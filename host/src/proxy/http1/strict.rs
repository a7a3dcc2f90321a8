//! A client's socket of which only sound HTTP/1.1 is read.
//!
//! Each byte passes `framing` before hyper sees it. What is wrong within a head is held back, so that the requests
//! before it are answered and hyper never has a whole head of the wrong one; what is wrong within a body is an error
//! of the read.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::framing::Framing;
use crate::proxy::http2;
use crate::proxy::line::Line;
use crate::proxy::socket::Socket;

/// A client's socket.
pub(in crate::proxy) struct Strict {
    socket: Socket,
    framing: Framing,
    line: Rc<Line>,
    /// A body is wrong from here on.
    broken: bool,
    spoken: Spoken,
}

/// Which protocol the client has begun with. HTTP/2 is let through, to whoever finds it.
#[derive(Clone, Copy)]
enum Spoken {
    /// It is not known yet: so much of the preface of HTTP/2 has come.
    Unknown(usize),
    Http1,
    Http2,
}

impl Strict {
    /// Nothing has been read of `socket` yet.
    pub(in crate::proxy) fn new(socket: Socket, line: Rc<Line>) -> Self {
        Self { socket, framing: Framing::default(), line, broken: false, spoken: Spoken::Unknown(0) }
    }

    /// Whether a request's body has begun and not ended.
    pub(in crate::proxy) fn is_within_body(&self) -> bool {
        self.framing.is_within_body()
    }

    /// Whether this, which was just read, is for HTTP/1.1's parser to look at.
    fn is_http1(&mut self, read: &[u8]) -> bool {
        let Spoken::Unknown(before) = self.spoken else { return matches!(self.spoken, Spoken::Http1) };
        let whole = before + read.len();
        self.spoken = if http2::may_begin(before, read) {
            if http2::is_told_by(whole) { Spoken::Http2 } else { Spoken::Unknown(whole) }
        } else {
            Spoken::Http1
        };
        if !matches!(self.spoken, Spoken::Http1) {
            return false;
        }
        // What was passed on in doubt: it is known, as it is the preface's.
        if let Err(violation) = self.framing.look(&http2::PREFACE[..before]) {
            self.line.violation.set(Some(violation.error));
        }
        true
    }

    /// Ready when there is something to read, or the client has left.
    pub(in crate::proxy) fn poll_stirs(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.socket.below().poll_read_ready(cx).map(drop)
    }

    /// The bare socket.
    pub(in crate::proxy) fn into_inner(self) -> Socket {
        self.socket
    }
}

impl AsyncRead for Strict {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.broken {
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        if this.line.violation.get().is_some() {
            // Whoever drives the connection answers as soon as nothing else is owed.
            return Poll::Pending;
        }
        let before = buf.filled().len();
        let read = Pin::new(&mut this.socket).poll_read(cx, buf);
        if !matches!(read, Poll::Ready(Ok(()))) {
            return read;
        }
        if !this.is_http1(&buf.filled()[before..]) {
            return read;
        }
        if this.line.stays.take() {
            this.framing.close_off();
        }
        if this.line.violation.get().is_some() {
            buf.set_filled(before);
            return Poll::Pending;
        }
        match this.framing.look(&buf.filled()[before..]) {
            Ok(false) => {}
            Ok(true) => this.line.unlooked.set(true),
            Err(violation) => {
                buf.set_filled(before + violation.sound);
                match violation.in_body {
                    true => this.broken = true,
                    false => this.line.violation.set(Some(violation.error)),
                }
                if violation.sound == 0 {
                    return if this.broken {
                        Poll::Ready(Err(io::ErrorKind::InvalidData.into()))
                    } else {
                        Poll::Pending
                    };
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Strict {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }
}

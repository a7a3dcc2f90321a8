//! A backend's side of a tunnel: a socket of its own, or a stream of a connection that others share.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::duplex::Duplex;
use super::http2::Lease;
use crate::pool::connect::Stream;

/// What carries a tunnel's bytes to a backend.
pub enum Conduit {
    /// After an upgrade of HTTP/1.1.
    Socket(Stream),
    /// After an extended CONNECT of HTTP/2.
    Stream(Box<Leased>),
}

/// A stream, and the room that it takes on its connection.
pub struct Leased {
    duplex: Duplex,
    lease: Lease,
}

impl Leased {
    /// The stream `duplex` of the connection of `lease`.
    pub(super) fn new(duplex: Duplex, lease: Lease) -> Self {
        Self { duplex, lease }
    }
}

impl Conduit {
    /// Has the kernel probe whether the other side is still there; on a shared connection it does.
    pub fn keep_alive(&self) {
        if let Self::Socket(stream) = self {
            stream.keep_alive();
        }
    }

    /// Ends it by a reset when it is dropped; a stream that has not ended is reset anyway.
    pub fn reset_when_dropped(&self) {
        if let Self::Socket(stream) = self {
            stream.reset_when_dropped();
        }
    }
}

/// Passes a call on to whichever it is.
macro_rules! either {
    ($self:expr, $conduit:ident => $call:expr) => {
        match $self.get_mut() {
            Conduit::Socket(stream) => {
                let $conduit = Pin::new(stream);
                $call
            }
            Conduit::Stream(leased) => {
                let $conduit = Pin::new(&mut leased.duplex);
                $call
            }
        }
    };
}

impl AsyncRead for Conduit {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = either!(self.as_mut(), conduit => conduit.poll_read(cx, buf));
        if let (Self::Stream(leased), true) = (&*self, read.is_ready()) {
            leased.lease.hear();
        }
        read
    }
}

impl AsyncWrite for Conduit {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        either!(self, conduit => conduit.poll_write(cx, buf))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, conduit => conduit.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, conduit => conduit.poll_shutdown(cx))
    }
}

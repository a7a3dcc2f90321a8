//! A client's socket: bare, or with TLS on it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::bare::Bare;
use super::relay::Carrier;
use crate::tls::Secured;

/// A client's socket.
pub enum Socket {
    /// As it was accepted.
    Bare(Bare),
    /// After a handshake.
    Tls(Box<Secured<Bare>>),
}

impl Socket {
    /// Says that nothing more comes (`close_notify`), if that can be said at once; without TLS the end of the connection
    /// says so.
    pub fn part(&mut self) {
        if let Self::Tls(secured) = self {
            let _ = Pin::new(&mut **secured).poll_shutdown(&mut Context::from_waker(Waker::noop()));
        }
    }

    /// What is below TLS.
    pub fn below(&self) -> &Bare {
        match self {
            Self::Bare(socket) => socket,
            Self::Tls(secured) => secured.get_ref().0,
        }
    }
}

impl Carrier for Socket {
    fn bare(&self) -> Option<&TcpStream> {
        match self {
            Self::Bare(socket) => socket.tcp(),
            Self::Tls(_) => None,
        }
    }
}

/// Passes a call on to whichever it is.
macro_rules! either {
    ($self:expr, $socket:ident => $call:expr) => {
        match $self.get_mut() {
            Socket::Bare(socket) => {
                let $socket = Pin::new(socket);
                $call
            }
            Socket::Tls(secured) => {
                let $socket = Pin::new(&mut **secured);
                $call
            }
        }
    };
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        either!(self, socket => socket.poll_read(cx, buf))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        either!(self, socket => socket.poll_write(cx, buf))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, socket => socket.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, socket => socket.poll_shutdown(cx))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(self, socket => socket.poll_write_vectored(cx, bufs))
    }
}

//! A client's socket as it was accepted: TCP or Unix, nothing spoken on it yet.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use nix::sys::socket::{MsgFlags, recv};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, Ready};
use tokio::net::{TcpStream, UnixStream};

use crate::config::TcpOptions;
use crate::pool::connect::tune;

/// A client's socket as it was accepted.
#[derive(Debug)]
pub enum Bare {
    /// Over TCP.
    Tcp(TcpStream),
    /// Over a Unix socket.
    Unix(UnixStream),
}

/// Passes a call on to whichever it is.
macro_rules! either {
    ($self:expr, $socket:ident => $call:expr) => {
        match $self {
            Self::Tcp($socket) => $call,
            Self::Unix($socket) => $call,
        }
    };
}

impl Bare {
    /// The socket, where it is TCP.
    pub fn tcp(&self) -> Option<&TcpStream> {
        match self {
            Self::Tcp(socket) => Some(socket),
            Self::Unix(_) => None,
        }
    }

    /// The address that it was accepted at; none for a Unix socket.
    pub(super) fn local(&self) -> Option<SocketAddr> {
        self.tcp().and_then(|socket| socket.local_addr().ok())
    }

    /// Sets options of the socket (TCP only).
    pub(super) fn tune(&self, options: &TcpOptions) {
        if let Self::Tcp(socket) = self {
            tune(socket, options);
        }
    }

    /// Has the kernel probe whether the other side is still there (TCP only: of a Unix socket the kernel knows).
    pub(super) fn keep_alive(&self) {
        if let Self::Tcp(socket) = self {
            let _ = SockRef::from(socket).set_keepalive(true);
        }
    }

    /// Ends it by a reset when it is dropped (TCP only: a Unix socket has none but for who has left something unread).
    pub(super) fn reset_when_dropped(&self) {
        if let Self::Tcp(socket) = self {
            let _ = SockRef::from(socket).set_linger(Some(Duration::ZERO));
        }
    }

    /// Reads what has come and leaves it there; 0 at the end. Waits for something.
    ///
    /// # Errors
    /// As the socket's.
    pub(super) async fn peek(&self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(socket) => socket.peek(bytes).await,
            // Neither std nor tokio can yet.
            Self::Unix(socket) => {
                let peek = || Ok(recv(socket.as_raw_fd(), bytes, MsgFlags::MSG_PEEK)?);
                socket.async_io(Interest::READABLE, peek).await
            }
        }
    }

    /// Waits until something of this is so.
    ///
    /// # Errors
    /// As the socket's.
    pub(super) async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        either!(self, socket => socket.ready(interest).await)
    }

    /// Reads what is there at once.
    ///
    /// # Errors
    /// `WouldBlock` where there is nothing; as the socket's.
    pub(super) fn try_read(&self, bytes: &mut [u8]) -> io::Result<usize> {
        either!(self, socket => socket.try_read(bytes))
    }

    /// Ready when there is something to read, or the end.
    pub(super) fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, socket => socket.poll_read_ready(cx))
    }

    /// What went wrong on it, once.
    ///
    /// # Errors
    /// As the socket's.
    pub(super) fn take_error(&self) -> io::Result<Option<io::Error>> {
        either!(self, socket => socket.take_error())
    }
}

impl AsFd for Bare {
    fn as_fd(&self) -> BorrowedFd<'_> {
        either!(self, socket => socket.as_fd())
    }
}

impl AsyncRead for Bare {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        either!(self.get_mut(), socket => Pin::new(socket).poll_read(cx, buf))
    }
}

impl AsyncWrite for Bare {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        either!(self.get_mut(), socket => Pin::new(socket).poll_write(cx, buf))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self.get_mut(), socket => Pin::new(socket).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self.get_mut(), socket => Pin::new(socket).poll_shutdown(cx))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(self.get_mut(), socket => Pin::new(socket).poll_write_vectored(cx, bufs))
    }
}

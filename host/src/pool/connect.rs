//! Making a connection to a backend's address: TCP, or a Unix socket. No retries: who picks decides that.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt;
use hyper_util::rt::TokioIo;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream, lookup_host};

use crate::config::Address;

/// A connected socket to a backend.
#[derive(Debug)]
pub enum Stream {
    /// Over TCP, `TCP_NODELAY` set.
    Tcp(TokioIo<TcpStream>),
    /// Over a Unix socket.
    Unix(TokioIo<UnixStream>),
}

impl Stream {
    /// Has the kernel probe whether the other side is still there (TCP only).
    pub fn keep_alive(&self) {
        if let Self::Tcp(stream) = self {
            let _ = SockRef::from(stream.inner()).set_keepalive(true);
        }
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Refused, unreachable, not resolved, out of descriptors.
    #[error("cannot connect: {0}")]
    Io(#[from] io::Error),
    /// Not within the pool's `connect_timeout`.
    #[error("no connection within {0:?}")]
    Timeout(Duration),
    /// There are as many connections as there may be, and none was closed in time.
    #[error("no connection may be made within {0:?}")]
    Limit(Duration),
}

/// Whether the process, or the machine, can open nothing more.
pub fn is_out_of_descriptors(error: &io::Error) -> bool {
    /// `EMFILE` and `ENFILE`, the same on every Unix that Rust runs on.
    const NONE_LEFT: [i32; 2] = [24, 23];
    error.raw_os_error().is_some_and(|code| NONE_LEFT.contains(&code))
}

/// Connects within `timeout`. A name is resolved now; its addresses are tried in the resolver's order.
///
/// # Errors
/// The last address's error, or the timeout.
pub async fn connect(address: &Address, timeout: Duration) -> Result<Stream, ConnectError> {
    match tokio::time::timeout(timeout, open(address)).await {
        Ok(connected) => Ok(connected?),
        Err(_) => Err(ConnectError::Timeout(timeout)),
    }
}

async fn open(address: &Address) -> io::Result<Stream> {
    match address {
        Address::Socket(address) => tcp(TcpStream::connect(address).await?),
        Address::Name(name, port) => {
            let mut last = io::Error::new(io::ErrorKind::NotFound, format!("{name} has no address"));
            for address in lookup_host((&**name, *port)).await? {
                match TcpStream::connect(address).await {
                    Ok(stream) => return tcp(stream),
                    Err(error) => last = error,
                }
            }
            Err(last)
        }
        Address::Unix(path) => Ok(Stream::Unix(TokioIo::new(UnixStream::connect(path).await?))),
    }
}

fn tcp(stream: TcpStream) -> io::Result<Stream> {
    stream.set_nodelay(true)?;
    Ok(Stream::Tcp(TokioIo::new(stream)))
}

/// Passes a call on to whichever socket it is.
macro_rules! either {
    ($self:expr, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            Stream::Tcp($stream) => $call,
            Stream::Unix($stream) => $call,
        }
    };
}

impl rt::Read for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: rt::ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => rt::Read::poll_read(Pin::new(stream), cx, buf))
    }
}

impl rt::Write for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        either!(self, stream => rt::Write::poll_write(Pin::new(stream), cx, buf))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => rt::Write::poll_flush(Pin::new(stream), cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => rt::Write::poll_shutdown(Pin::new(stream), cx))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(self, stream => rt::Write::poll_write_vectored(Pin::new(stream), cx, bufs))
    }
}

// A tunnel after an upgrade reads and writes without hyper.
impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => Pin::new(stream.inner_mut()).poll_read(cx, buf))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        either!(self, stream => Pin::new(stream.inner_mut()).poll_write(cx, buf))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => Pin::new(stream.inner_mut()).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => Pin::new(stream.inner_mut()).poll_shutdown(cx))
    }
}

//! Making a connection to a backend's address: TCP, or a Unix socket, with TLS on it or without. No retries: who picks
//! decides that.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt;
use hyper_util::rt::TokioIo;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpSocket, TcpStream, UnixStream, lookup_host};

use crate::config::{Address, TcpOptions};
use crate::tls::{self, Connector, ToBackend};

/// A connected socket to a backend.
#[derive(Debug)]
pub enum Stream {
    /// Over TCP, `TCP_NODELAY` set.
    Tcp(TokioIo<TcpStream>),
    /// Over a Unix socket.
    Unix(TokioIo<UnixStream>),
    /// After a handshake, over one of these.
    Tls(Box<TokioIo<ToBackend<Stream>>>),
}

impl Stream {
    /// Ends it by a reset when it is dropped, so that nobody takes what came for the whole (TCP only).
    pub fn reset_when_dropped(&self) {
        match self {
            Self::Tcp(stream) => drop(SockRef::from(stream.inner()).set_linger(Some(Duration::ZERO))),
            Self::Unix(_) => {}
            Self::Tls(stream) => stream.inner().get_ref().0.reset_when_dropped(),
        }
    }

    /// Has the kernel probe whether the other side is still there (TCP only).
    pub fn keep_alive(&self) {
        match self {
            Self::Tcp(stream) => drop(SockRef::from(stream.inner()).set_keepalive(true)),
            Self::Unix(_) => {}
            Self::Tls(stream) => stream.inner().get_ref().0.keep_alive(),
        }
    }

    /// The socket, where it is TCP and nothing else.
    pub fn tcp(&self) -> Option<&TcpStream> {
        match self {
            Self::Tcp(stream) => Some(stream.inner()),
            Self::Unix(_) | Self::Tls(_) => None,
        }
    }

    /// Whether both sides have agreed on HTTP/2, by ALPN.
    pub fn is_http2(&self) -> bool {
        match self {
            Self::Tcp(_) | Self::Unix(_) => false,
            Self::Tls(stream) => tls::is_http2(stream.inner()),
        }
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Refused, unreachable, not resolved, out of descriptors; or not the protocol that it should be.
    #[error("cannot connect: {0}")]
    Io(#[from] io::Error),
    /// The backend is not who it should be, or there is no TLS that both sides speak.
    #[error("no TLS: {0}")]
    Tls(io::Error),
    /// Not within the pool's `connect_timeout`.
    #[error("no connection within {0:?}")]
    Timeout(Duration),
    /// There are as many connections as there may be, and none was closed in time.
    #[error("no connection may be made within {0:?}")]
    Limit(Duration),
}

/// Sets options of a socket. One that the kernel does not know, or a socket that is gone, is no reason not to go on.
pub fn tune(socket: &TcpStream, options: &TcpOptions) {
    let socket = SockRef::from(socket);
    if let Some(silence) = options.keepalive {
        let _ = socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(silence).with_interval(silence));
    }
    if options.user_timeout.is_some() {
        let _ = socket.set_tcp_user_timeout(options.user_timeout);
    }
}

/// Whether the process, or the machine, can open nothing more.
pub fn is_out_of_descriptors(error: &io::Error) -> bool {
    /// `EMFILE` and `ENFILE`, the same on every Unix that Rust runs on.
    const NONE_LEFT: [i32; 2] = [24, 23];
    error.raw_os_error().is_some_and(|code| NONE_LEFT.contains(&code))
}

/// Connects within `timeout`, says the `introduction` (a PROXY header, or nothing), and shakes hands where there is TLS. A name
/// is resolved now; its addresses are tried in the resolver's order, until one accepts. With `from`, the connection comes
/// from that address, whosever it is, where it is of the same family. The socket has these `options`.
///
/// # Errors
/// The last address's error, that of the handshake, or the timeout.
pub async fn connect(
    address: &Address,
    from: Option<IpAddr>,
    tls: Option<&Connector>,
    introduction: &[u8],
    options: &TcpOptions,
    timeout: Duration,
) -> Result<Stream, ConnectError> {
    let connecting = async {
        let mut stream = open(address, from, options).await?;
        if !introduction.is_empty() {
            stream.write_all(introduction).await?;
        }
        let Some(tls) = tls else { return Ok(stream) };
        // Boxed: what a handshake needs is larger than all the rest.
        let secured = Box::pin(tls.connect(&host(address), stream)).await.map_err(ConnectError::Tls)?;
        Ok(Stream::Tls(Box::new(TokioIo::new(secured))))
    };
    tokio::time::timeout(timeout, connecting).await.unwrap_or(Err(ConnectError::Timeout(timeout)))
}

/// Whose certificate is expected at an address.
pub fn host(address: &Address) -> String {
    match address {
        Address::Socket(address) => address.ip().to_string(),
        Address::Name(name, _) => name.to_string(),
        Address::Unix(_) => "localhost".to_owned(),
    }
}

async fn open(address: &Address, from: Option<IpAddr>, options: &TcpOptions) -> io::Result<Stream> {
    match address {
        Address::Socket(address) => tcp(dial(*address, from, options).await?),
        Address::Name(name, port) => {
            let mut last = io::Error::new(io::ErrorKind::NotFound, format!("{name} has no address"));
            for address in lookup_host((&**name, *port)).await? {
                match dial(address, from, options).await {
                    Ok(stream) => return tcp(stream),
                    Err(error) => last = error,
                }
            }
            Err(last)
        }
        Address::Unix(path) => Ok(Stream::Unix(TokioIo::new(UnixStream::connect(path).await?))),
    }
}

async fn dial(to: SocketAddr, from: Option<IpAddr>, options: &TcpOptions) -> io::Result<TcpStream> {
    let socket = match from.filter(|from| from.is_ipv4() == to.is_ipv4()) {
        None if to.is_ipv4() => TcpSocket::new_v4()?,
        None => TcpSocket::new_v6()?,
        Some(from) => {
            let socket = transparent(to.is_ipv4())?;
            socket.bind(SocketAddr::new(from, 0))?;
            socket
        }
    };
    if options.fast_open {
        // A system that has no such thing connects as ever.
        #[cfg(target_os = "linux")]
        let _ = nix::sys::socket::setsockopt(&socket, nix::sys::socket::sockopt::TcpFastOpenConnect, &true);
    }
    let stream = socket.connect(to).await?;
    tune(&stream, options);
    Ok(stream)
}

/// A socket that may have any address, of IPv4 or IPv6.
///
/// # Errors
/// The process lacks the capability, or the system cannot do it.
pub fn transparent(v4: bool) -> io::Result<TcpSocket> {
    let socket = if v4 { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    #[cfg(target_os = "linux")]
    {
        let options = SockRef::from(&socket);
        if v4 {
            options.set_ip_transparent_v4(true)?
        } else {
            options.set_ip_transparent_v6(true)?
        };
        Ok(socket)
    }
    #[cfg(not(target_os = "linux"))]
    Err(io::Error::new(io::ErrorKind::Unsupported, format!("this system has no transparent sockets: {socket:?}")))
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
            Stream::Tls(secured) => {
                let $stream = &mut **secured;
                $call
            }
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

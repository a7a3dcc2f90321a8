//! One connection, read in the units of HTTP/1.1. Every read ends within the patience of the tests.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::caller::{Session, Tls};
use crate::message::{self, Fields, Framing};
use crate::wait::PATIENCE;

/// A connection and what was read ahead from it.
pub struct Wire {
    stream: Stream,
    ahead: Vec<u8>,
}

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<dyn Tls>),
}

impl Wire {
    /// Over TCP, without Nagle's delay.
    #[must_use]
    pub fn tcp(stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("TCP_NODELAY");
        let wire = Self { stream: Stream::Tcp(stream), ahead: Vec::new() };
        wire.patience(PATIENCE);
        wire
    }

    /// Over a Unix socket.
    #[must_use]
    pub fn unix(stream: UnixStream) -> Self {
        let wire = Self { stream: Stream::Unix(stream), ahead: Vec::new() };
        wire.patience(PATIENCE);
        wire
    }

    /// With TLS, over a socket that has its patience.
    #[must_use]
    pub fn tls(stream: Box<dyn Tls>) -> Self {
        let wire = Self { stream: Stream::Tls(stream), ahead: Vec::new() };
        wire.patience(PATIENCE);
        wire
    }

    /// With TLS as a server, which shakes hands when it is read.
    ///
    /// # Errors
    /// The configuration is of no use.
    pub fn tls_server(stream: TcpStream, config: Arc<ServerConfig>) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        let session = ServerConnection::new(config).map_err(io::Error::other)?;
        Ok(Self::tls(Box::new(StreamOwned::new(session, stream))))
    }

    /// What was agreed on with TLS.
    ///
    /// # Panics
    /// Without TLS.
    #[must_use]
    pub fn session(&self) -> Session {
        match &self.stream {
            Stream::Tls(stream) => stream.session(),
            _ => panic!("there is no TLS on this connection"),
        }
    }

    /// The other side's address.
    ///
    /// # Errors
    /// It is gone, or has none.
    pub fn peer(&self) -> io::Result<SocketAddr> {
        match &self.stream {
            Stream::Tcp(stream) => stream.peer_addr(),
            Stream::Tls(stream) => stream.tcp().ok_or(ErrorKind::AddrNotAvailable)?.peer_addr(),
            Stream::Unix(_) => Err(ErrorKind::AddrNotAvailable.into()),
        }
    }

    /// Sets how long a read or a write may wait.
    pub fn patience(&self, limit: Duration) {
        let set = match &self.stream {
            Stream::Tls(s) => s.patience(limit),
            Stream::Tcp(s) => s.set_read_timeout(Some(limit)).and_then(|()| s.set_write_timeout(Some(limit))),
            Stream::Unix(s) => s.set_read_timeout(Some(limit)).and_then(|()| s.set_write_timeout(Some(limit))),
        };
        // Fails on a socket that the other side has reset; the next read says so better.
        let _ = set;
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// As the socket's.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        match &mut self.stream {
            Stream::Tcp(s) => s.write_all(bytes.as_ref()),
            Stream::Unix(s) => s.write_all(bytes.as_ref()),
            Stream::Tls(s) => s.write_all(bytes.as_ref()).and_then(|()| s.flush()),
        }
    }

    /// Writes once; answers how many bytes went.
    ///
    /// # Errors
    /// As the socket's; `WouldBlock` when nothing went within the patience.
    pub fn send_some(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.stream {
            Stream::Tcp(s) => s.write(bytes),
            Stream::Unix(s) => s.write(bytes),
            Stream::Tls(s) => s.write(bytes),
        }
    }

    /// Writes one chunk of a chunked body.
    ///
    /// # Errors
    /// As the socket's.
    pub fn send_chunk(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        let bytes = bytes.as_ref();
        self.send([format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat())
    }

    /// Tells the other side that nothing more comes.
    pub fn finish(&mut self) {
        let _ = match &mut self.stream {
            Stream::Tls(s) => s.finish(),
            Stream::Tcp(s) => s.shutdown(Shutdown::Write),
            Stream::Unix(s) => s.shutdown(Shutdown::Write),
        };
    }

    /// Makes the drop of this connection a reset instead of an orderly end.
    pub fn reset_on_drop(&self) {
        let stream = match &self.stream {
            Stream::Tcp(stream) => Some(stream),
            Stream::Tls(stream) => stream.tcp(),
            Stream::Unix(_) => None,
        };
        if let Some(stream) = stream {
            let _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
        }
    }

    /// What has arrived, waiting for at least a byte; empty at the end.
    ///
    /// # Errors
    /// As the socket's; `WouldBlock` when nothing came within the patience.
    pub fn some(&mut self) -> io::Result<Vec<u8>> {
        if self.ahead.is_empty() {
            self.fill()?;
        }
        Ok(std::mem::take(&mut self.ahead))
    }

    /// Exactly so many bytes.
    ///
    /// # Errors
    /// As the socket's; `UnexpectedEof` when it ends before.
    pub fn exact(&mut self, count: usize) -> io::Result<Vec<u8>> {
        while self.ahead.len() < count {
            self.more()?;
        }
        Ok(self.ahead.drain(..count).collect())
    }

    /// All until the end.
    ///
    /// # Errors
    /// As the socket's.
    pub fn rest(&mut self) -> io::Result<Vec<u8>> {
        while self.fill()? > 0 {}
        Ok(std::mem::take(&mut self.ahead))
    }

    /// Whether the other side ends the connection (orderly or by a reset) before it sends anything.
    ///
    /// Waits as long as the patience allows.
    pub fn ended(&mut self) -> bool {
        match self.some() {
            Ok(bytes) => bytes.is_empty(),
            Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        }
    }

    /// A head, its empty line included; none when the connection ends before it starts.
    ///
    /// # Errors
    /// As the socket's; `UnexpectedEof` when it ends within the head.
    pub fn head(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(at) = self.ahead.windows(4).position(|w| w == b"\r\n\r\n") {
                return Ok(Some(self.ahead.drain(..at + 4).collect()));
            }
            if self.fill()? == 0 {
                return if self.ahead.is_empty() { Ok(None) } else { Err(ErrorKind::UnexpectedEof.into()) };
            }
        }
    }

    /// A body of this framing, decoded, and its trailers.
    ///
    /// # Errors
    /// As the socket's; `UnexpectedEof` when it is cut.
    pub fn body(&mut self, framing: Framing) -> io::Result<(Vec<u8>, Fields)> {
        match framing {
            Framing::Empty => Ok((Vec::new(), Fields::default())),
            Framing::Length(count) => Ok((self.exact(count)?, Fields::default())),
            Framing::Close => Ok((self.rest()?, Fields::default())),
            Framing::Chunked => {
                let mut body = Vec::new();
                while let Some(chunk) = self.chunk()? {
                    body.extend(chunk);
                }
                Ok((body, self.trailers()?))
            }
        }
    }

    /// The next chunk, none for the last; [`trailers`](Self::trailers) come after it.
    ///
    /// # Errors
    /// As the socket's; `InvalidData` for a bad size.
    pub fn chunk(&mut self) -> io::Result<Option<Vec<u8>>> {
        let line = self.line()?;
        let text = String::from_utf8_lossy(&line);
        let size = text.trim().split(';').next().unwrap_or_default();
        let size = usize::from_str_radix(size, 16).map_err(|_| io::Error::new(ErrorKind::InvalidData, text.clone()))?;
        if size == 0 {
            return Ok(None);
        }
        let chunk = self.exact(size)?;
        self.exact(2)?;
        Ok(Some(chunk))
    }

    /// The fields after the last chunk.
    ///
    /// # Errors
    /// As the socket's; `InvalidData` when they are no fields.
    pub fn trailers(&mut self) -> io::Result<Fields> {
        let mut lines = Vec::new();
        loop {
            let line = self.line()?;
            lines.extend_from_slice(&line);
            if line == b"\r\n" {
                return message::trailers(&lines);
            }
        }
    }

    fn line(&mut self) -> io::Result<Vec<u8>> {
        loop {
            if let Some(at) = self.ahead.windows(2).position(|w| w == b"\r\n") {
                return Ok(self.ahead.drain(..at + 2).collect());
            }
            self.more()?;
        }
    }

    fn more(&mut self) -> io::Result<()> {
        if self.fill()? == 0 { Err(ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    fn fill(&mut self) -> io::Result<usize> {
        let mut buffer = [0; 16 * 1024];
        let count = match &mut self.stream {
            Stream::Tcp(s) => s.read(&mut buffer),
            Stream::Unix(s) => s.read(&mut buffer),
            Stream::Tls(s) => s.read(&mut buffer),
        }?;
        self.ahead.extend_from_slice(&buffer[..count]);
        Ok(count)
    }
}

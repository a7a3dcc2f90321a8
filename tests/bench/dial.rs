//! How the clients of these benchmarks connect: from many addresses of loopback, so that ports do not run out, and with a
//! TLS that is the same for all proxies. It sends and reads what it is told, and knows no more of HTTP than the end of a
//! head.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};

use anyhow::{Context, Result, bail};
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs::{self, kx_group};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Addresses that connections come from, one after the other: each has some 28 000 ports, and a closed connection keeps its
/// port for a minute.
const SOURCES: u16 = 200;

/// Bytes of a WebSocket's message of 64 bytes from a client: head, mask, and the message.
pub(crate) const FRAME: usize = 2 + 4 + 64;

/// A client of one proxy.
pub(crate) struct Dial {
    address: SocketAddr,
    tls: Option<TlsConnector>,
    next: AtomicU16,
}

/// A connection of either kind.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Wire for T {}

impl Dial {
    /// To this address, without TLS.
    pub(crate) fn plain(address: SocketAddr) -> Self {
        Self { address, tls: None, next: AtomicU16::new(0) }
    }

    /// To this address: TLS 1.3 with X25519, the authority's certificate checked, and no session resumed.
    pub(crate) fn secure(address: SocketAddr, authority: &Path) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(authority)? {
            roots.add(certificate?)?;
        }
        let mut provider = aws_lc_rs::default_provider();
        provider.kx_groups = vec![kx_group::X25519];
        let builder = ClientConfig::builder_with_provider(Arc::new(provider));
        let builder = builder.with_protocol_versions(&[&rustls::version::TLS13])?;
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.resumption = Resumption::disabled();
        Ok(Self { tls: Some(TlsConnector::from(Arc::new(config))), ..Self::plain(address) })
    }

    /// A new connection without TLS.
    pub(crate) async fn tcp(&self) -> Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        let last = u8::try_from(2 + self.next.fetch_add(1, Relaxed) % SOURCES)?;
        socket.bind((Ipv4Addr::new(127, 0, 0, last), 0).into())?;
        let stream = socket.connect(self.address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// A new socket for datagrams.
    pub(crate) async fn udp(&self) -> Result<UdpSocket> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        socket.connect(self.address).await?;
        Ok(socket)
    }

    /// A new connection after its handshake.
    pub(crate) async fn tls(&self) -> Result<TlsStream<TcpStream>> {
        let connector = self.tls.as_ref().context("it has no TLS")?;
        Ok(connector.connect(ServerName::from(self.address.ip()), self.tcp().await?).await?)
    }

    /// A new WebSocket, without TLS.
    pub(crate) async fn websocket(&self) -> Result<TcpStream> {
        let mut stream = self.tcp().await?;
        ask(
            &mut stream,
            b"GET /chat HTTP/1.1\r\nhost: bench\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
              sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            b"HTTP/1.1 101 ",
            0,
        )
        .await?;
        Ok(stream)
    }
}

/// Asks for the benchmark's page, of 128 bytes.
pub(crate) async fn get(stream: &mut impl Wire) -> Result<()> {
    ask(stream, b"GET / HTTP/1.1\r\nhost: bench\r\n\r\n", b"HTTP/1.1 200 ", 128).await
}

/// Sends a message and waits for its echo.
pub(crate) async fn echo(stream: &mut impl Wire) -> Result<()> {
    // Final, binary, masked with zeros, 64 bytes.
    let mut frame = [0; FRAME];
    (frame[0], frame[1]) = (0x82, 0x80 | 64);
    stream.write_all(&frame).await?;
    let mut answer = [0; FRAME];
    stream.read_exact(&mut answer).await?;
    if answer != frame {
        bail!("another echo");
    }
    Ok(())
}

/// Sends this, and reads a head that begins so, and a body of this length.
async fn ask(stream: &mut impl Wire, request: &[u8], begin: &[u8], body: usize) -> Result<()> {
    stream.write_all(request).await?;
    let (mut answer, mut filled) = ([0; 1024], 0);
    loop {
        match stream.read(&mut answer[filled..]).await? {
            0 => bail!("closed too early"),
            count => filled += count,
        }
        if let Some(at) = answer[..filled].windows(4).position(|window| window == b"\r\n\r\n")
            && filled >= at + 4 + body
        {
            break;
        }
    }
    if !answer.starts_with(begin) {
        bail!("answered {}", String::from_utf8_lossy(&answer[..filled]));
    }
    Ok(())
}

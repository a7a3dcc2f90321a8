//! Clients that speak TLS: whom they trust, which name they ask for, what they show.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, RootCertStore, ServerConnection, StreamOwned,
    SupportedProtocolVersion,
};

use crate::certificates::{Authority, Issued};
use crate::client::Client;
use crate::wait::PATIENCE;
use crate::wire::Wire;

/// How to call a listener with TLS. Clones share the sessions that may be resumed.
#[derive(Clone)]
pub struct Caller {
    config: ClientConfig,
    name: ServerName<'static>,
}

/// What a handshake settled.
#[derive(Debug, Clone)]
pub struct Session {
    /// The other side's certificate, DER.
    pub certificate: Option<Vec<u8>>,
    /// By ALPN.
    pub protocol: Option<String>,
    /// Such as `TLSv1_3`.
    pub version: &'static str,
    /// Whether an earlier session goes on.
    pub resumed: bool,
}

/// A socket with TLS.
pub trait Tls: Read + Write + Send {
    /// What is below, where it is TCP.
    fn tcp(&self) -> Option<&TcpStream>;
    /// Sets how long a read or a write may wait.
    ///
    /// # Errors
    /// As the socket's.
    fn patience(&self, limit: Duration) -> io::Result<()>;
    /// Says that nothing more comes, and ends this direction.
    ///
    /// # Errors
    /// As the socket's.
    fn finish(&mut self) -> io::Result<()>;
    /// What was agreed on.
    fn session(&self) -> Session;
}

impl Caller {
    /// Trusts this authority, asks for `test`, offers nothing by ALPN.
    #[must_use]
    pub fn trusting(authority: &Authority) -> Self {
        Self::with(authority, None, rustls::DEFAULT_VERSIONS)
    }

    /// The same with this version only.
    #[must_use]
    pub fn speaking(authority: &Authority, version: &'static SupportedProtocolVersion) -> Self {
        Self::with(authority, None, &[version])
    }

    /// Shows this certificate where it is asked for one.
    #[must_use]
    pub fn showing(authority: &Authority, shown: &Issued) -> Self {
        Self::with(authority, Some(shown), rustls::DEFAULT_VERSIONS)
    }

    fn with(authority: &Authority, shown: Option<&Issued>, versions: &[&'static SupportedProtocolVersion]) -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(authority.der().clone()).expect("a root");
        let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).expect("versions");
        let builder = builder.with_root_certificates(roots);
        let config = match shown {
            None => builder.with_no_client_auth(),
            Some(shown) => builder
                .with_client_auth_cert(vec![shown.der().clone()], shown.key())
                .expect("a certificate and its key"),
        };
        Self { config, name: ServerName::try_from("test").expect("a name") }
    }

    /// Asks for this name, or expects this address without asking.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.name = ServerName::try_from(name.to_owned()).expect("a name");
        self
    }

    /// Offers these protocols.
    #[must_use]
    pub fn offering(mut self, protocols: &[&str]) -> Self {
        self.config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        self
    }

    /// Each connection is a full handshake.
    #[must_use]
    pub fn resuming_nothing(mut self) -> Self {
        self.config.resumption = Resumption::disabled();
        self
    }

    /// What it is configured with, and whom it asks for.
    pub(crate) fn parts(&self) -> (Arc<ClientConfig>, ServerName<'static>) {
        (Arc::new(self.config.clone()), self.name.clone())
    }

    /// Connects and shakes hands.
    ///
    /// # Errors
    /// There is no handshake. With TLS 1.3 a refusal of what we have shown comes only with the first read.
    pub fn connect(&self, address: SocketAddr) -> io::Result<Client> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let local = stream.local_addr()?;
        let session = self.shake(&mut stream)?;
        Ok(Client { wire: Wire::tls(Box::new(StreamOwned::new(session, stream))), local })
    }

    /// The same by way of a Unix socket.
    ///
    /// # Errors
    /// There is no handshake.
    pub fn connect_unix(&self, path: &Path) -> io::Result<Client> {
        let mut stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let session = self.shake(&mut stream)?;
        Ok(Client::over(Wire::tls(Box::new(StreamOwned::new(session, stream)))))
    }

    fn shake(&self, stream: &mut (impl Read + Write)) -> io::Result<ClientConnection> {
        let session = ClientConnection::new(Arc::new(self.config.clone()), self.name.clone());
        let mut session = session.map_err(io::Error::other)?;
        while session.is_handshaking() {
            session.complete_io(stream)?;
        }
        Ok(session)
    }

    /// The same, where there is a handshake.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn call(&self, address: SocketAddr) -> Client {
        self.connect(address).unwrap_or_else(|error| panic!("no handshake with {address}: {error}"))
    }
}

/// What both sides do alike.
macro_rules! tls {
    ($session:ty, $socket:ty, $tcp:expr) => {
        impl Tls for StreamOwned<$session, $socket> {
            fn tcp(&self) -> Option<&TcpStream> {
                let tcp: fn(&$socket) -> Option<&TcpStream> = $tcp;
                tcp(&self.sock)
            }

            fn patience(&self, limit: Duration) -> io::Result<()> {
                self.sock.set_read_timeout(Some(limit)).and_then(|()| self.sock.set_write_timeout(Some(limit)))
            }

            fn finish(&mut self) -> io::Result<()> {
                self.conn.send_close_notify();
                self.flush()?;
                self.sock.shutdown(Shutdown::Write)
            }

            fn session(&self) -> Session {
                let session = &self.conn;
                let text = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
                Session {
                    certificate: session.peer_certificates().and_then(|shown| Some(shown.first()?.to_vec())),
                    protocol: session.alpn_protocol().map(text),
                    version: session.protocol_version().and_then(|version| version.as_str()).unwrap_or_default(),
                    resumed: session.handshake_kind() == Some(HandshakeKind::Resumed),
                }
            }
        }
    };
}

tls!(ClientConnection, TcpStream, |socket| Some(socket));
tls!(ClientConnection, UnixStream, |_| None);
tls!(ServerConnection, TcpStream, |socket| Some(socket));

//! TLS on both sides: what a configuration says, ready to shake hands. The only module that knows rustls.
//!
//! It opens and accepts no connections, and keeps no time: who shakes hands says for how long.

mod by_name;
mod client;
mod failure;
mod files;
mod hello;
mod server;
mod session;
mod trust;
pub mod x509;

use std::path::PathBuf;

pub use client::{Connector, ToBackend, is_http2};
pub use failure::HandshakeEnd;
pub use hello::{Hello, HelloReader, NoHello};
pub use server::{Acceptor, Secured};
pub use session::{ClientCertificate, Security};

/// What is offered by ALPN (RFC 7301).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// `http/1.1`
    Http1,
    /// `h2`
    Http2,
}

/// Why there can be no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or holds no PEM.
    #[error("cannot read {what} of `{}`: {error}", path.display())]
    File {
        /// What it should hold.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        error: String,
    },
    /// A file holds nothing of what it should.
    #[error("there is no {what} in `{}`", path.display())]
    Empty {
        /// What it should hold.
        what: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// The system has no certificates to trust.
    #[error("the system has no root certificates ({0}); `ca` can name a file of them")]
    NoRoots(String),
    /// A key is that of another certificate.
    #[error("the key `{}` does not belong to the certificate `{}`", key.display(), cert.display())]
    Mismatch {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// Certificate and key cannot be used.
    #[error("cannot use the certificate `{}` and its key: {error}", path.display())]
    Identity {
        /// The certificate's file.
        path: PathBuf,
        /// Why not.
        error: rustls::Error,
    },
    /// Certificates of clients cannot be checked.
    #[error("cannot check certificates of clients by `{}`: {error}", path.display())]
    ClientCa {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: String,
    },
    /// No certificate can be for this name.
    #[error("`{0}` is no name that a certificate can be for")]
    ServerName(String),
    /// What is configured cannot be.
    #[error("cannot use TLS: {0}")]
    Unusable(#[from] rustls::Error),
}

impl Protocol {
    /// The registered name.
    fn name(self) -> &'static [u8] {
        match self {
            Self::Http1 => b"http/1.1",
            Self::Http2 => b"h2",
        }
    }
}

/// A list as rustls takes it.
pub fn alpn(protocols: &[Protocol]) -> Vec<Vec<u8>> {
    protocols.iter().map(|protocol| protocol.name().to_vec()).collect()
}

//! TLS as a client: what a configuration says, ready to shake hands. The only module that knows rustls.
//!
//! It opens no connections, and it serves nobody.

mod trust;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
pub use tokio_rustls::server::TlsStream as Secured;

use crate::config::{Identity, Tls};

/// TLS towards backends: roots, our own certificate, protocols.
#[derive(Clone)]
pub struct Connector {
    config: Arc<ClientConfig>,
    /// In place of the name or address that is connected to.
    server_name: Option<ServerName<'static>>,
}

/// What is offered by ALPN (RFC 7301).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// `http/1.1`
    Http1,
    /// `h2`
    Http2,
    /// Nothing: what is spoken inside is not known here.
    Opaque,
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
    /// Certificate and key do not fit, or cannot be used.
    #[error("cannot use the certificate `{}` and its key: {error}", path.display())]
    Identity {
        /// The certificate's file.
        path: PathBuf,
        /// Why not.
        error: rustls::Error,
    },
    /// No certificate can be for this name.
    #[error("`{0}` is no name that a certificate can be for")]
    ServerName(String),
    /// What is configured cannot be.
    #[error("cannot use TLS: {0}")]
    Unusable(#[from] rustls::Error),
}

impl Connector {
    /// Reads the files that `tls` names. Blocks.
    ///
    /// # Errors
    /// A file cannot be used, or there are no roots.
    pub fn new(tls: &Tls, protocol: Protocol) -> Result<Self, TlsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder =
            ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
        let builder = match tls.insecure {
            true => builder.dangerous().with_custom_certificate_verifier(trust::anybody(&provider)),
            false => builder.with_root_certificates(roots(tls.ca.as_deref())?),
        };
        let mut config = match &tls.identity {
            None => builder.with_no_client_auth(),
            Some(Identity { cert, key }) => {
                let (chain, key) = (certificates(cert)?, private_key(key)?);
                let failed = |error| TlsError::Identity { path: cert.clone(), error };
                builder.with_client_auth_cert(chain, key).map_err(failed)?
            }
        };
        config.alpn_protocols = match protocol {
            Protocol::Http1 => vec![b"http/1.1".to_vec()],
            Protocol::Http2 => vec![b"h2".to_vec()],
            Protocol::Opaque => Vec::new(),
        };
        let parsed =
            |name: &str| ServerName::try_from(name.to_owned()).map_err(|_| TlsError::ServerName(name.to_owned()));
        let server_name = tls.server_name.as_deref().map(parsed).transpose()?;
        Ok(Self { config: Arc::new(config), server_name })
    }

    /// Shakes hands on `stream`; `host` is the name or address that it was connected to. The certificate must be for the
    /// configured `server_name`, or else for that.
    ///
    /// # Errors
    /// The other side is not whom it should be, speaks no TLS, or another version of it.
    pub async fn connect<S: AsyncRead + AsyncWrite + Unpin>(&self, host: &str, stream: S) -> io::Result<TlsStream<S>> {
        let name = match &self.server_name {
            Some(name) => name.clone(),
            None => ServerName::try_from(host.to_owned()).map_err(io::Error::other)?,
        };
        TlsConnector::from(Arc::clone(&self.config)).connect(name, stream).await
    }
}

/// Of a file, or of the system.
fn roots(ca: Option<&Path>) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    match ca {
        Some(path) => {
            for certificate in certificates(path)? {
                let failed = |error: rustls::Error| TlsError::File {
                    what: "the certificates",
                    path: path.to_owned(),
                    error: error.to_string(),
                };
                roots.add(certificate).map_err(failed)?;
            }
        }
        None => {
            let found = rustls_native_certs::load_native_certs();
            // The system's may hold some that nobody can use any more.
            roots.add_parsable_certificates(found.certs);
            if roots.is_empty() {
                let why = found.errors.first().map_or("none were found".to_owned(), ToString::to_string);
                return Err(TlsError::NoRoots(why));
            }
        }
    }
    Ok(roots)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    const WHAT: &str = "the certificates";
    let read = CertificateDer::pem_file_iter(path).map_err(|error| unreadable(WHAT, path, &error))?;
    let certificates: Vec<_> = read.collect::<Result<_, _>>().map_err(|error| unreadable(WHAT, path, &error))?;
    match certificates.is_empty() {
        true => Err(TlsError::Empty { what: "certificate in PEM", path: path.to_owned() }),
        false => Ok(certificates),
    }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| match error {
        pem::Error::NoItemsFound => TlsError::Empty { what: "private key in PEM", path: path.to_owned() },
        error => unreadable("the private key", path, &error),
    })
}

fn unreadable(what: &'static str, path: &Path, error: &pem::Error) -> TlsError {
    let error = match error {
        pem::Error::Io(error) => error.to_string(),
        error => error.to_string(),
    };
    TlsError::File { what, path: path.to_owned(), error }
}

/// Keys are not shown.
impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connector").field("server_name", &self.server_name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_of_no_use_are_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("ca.pem");
        let tls = Tls { ca: Some(path.clone()), ..Tls::default() };
        let said = |tls: &Tls| Connector::new(tls, Protocol::Http1).expect_err("refused").to_string();
        let shown = path.display();
        assert!(said(&tls).starts_with(&format!("cannot read the certificates of `{shown}`: No such file")));
        std::fs::write(&path, "no PEM").expect("written");
        assert_eq!(said(&tls), format!("there is no certificate in PEM in `{shown}`"));
        std::fs::write(&path, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").expect("written");
        assert!(
            said(&tls).starts_with(&format!("cannot read the certificates of `{shown}`: invalid peer certificate"))
        );
        let identity = Some(Identity { cert: path.clone(), key: path.clone() });
        let tls = Tls { identity, insecure: true, ..Tls::default() };
        assert_eq!(said(&tls), format!("there is no private key in PEM in `{shown}`"));
    }
}

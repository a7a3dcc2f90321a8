//! TLS as a client, towards backends: what a configuration says, ready to shake hands.

use std::io;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
pub use tokio_rustls::client::TlsStream as ToBackend;

use super::{Protocol, TlsError, files, trust};
use crate::config::{Identity, Tls};

/// TLS towards backends: roots, our own certificate, protocols. Sessions are resumed where backends allow it.
#[derive(Clone)]
pub struct Connector {
    config: Arc<ClientConfig>,
    /// The same, but that it offers no HTTP/2.
    without_http2: Arc<ClientConfig>,
    /// In place of the name or address that is connected to.
    server_name: Option<ServerName<'static>>,
    insecure: bool,
    /// Of all that it was made from, the content of files included.
    digest: [u8; 32],
}

impl Connector {
    /// Reads the files that `tls` names. Blocks.
    ///
    /// # Errors
    /// A file cannot be used, or there are no roots.
    pub fn new(tls: &Tls, protocols: &[Protocol]) -> Result<Self, TlsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut digest = Sha256::new();
        digest.update(format!("{tls:?} {protocols:?}"));
        let builder =
            ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
        let builder = match tls.insecure {
            true => builder.dangerous().with_custom_certificate_verifier(trust::anybody(&provider)),
            false => {
                let roots = match &tls.ca {
                    Some(path) => files::roots(path)?,
                    None => system_roots()?,
                };
                roots.roots.iter().for_each(|root| note(&mut digest, &root.subject_public_key_info));
                builder.with_root_certificates(roots)
            }
        };
        let mut config = match &tls.identity {
            None => builder.with_no_client_auth(),
            Some(Identity { cert, key }) => {
                let (chain, key) = (files::certificates(cert)?, files::private_key(key)?);
                note_identity(&mut digest, &chain, &key);
                let failed = |error| TlsError::Identity { path: cert.clone(), error };
                builder.with_client_auth_cert(chain, key).map_err(failed)?
            }
        };
        config.alpn_protocols = super::alpn(&[Protocol::Http1]);
        let without_http2 = Arc::new(config.clone());
        config.alpn_protocols = super::alpn(protocols);
        let parsed =
            |name: &str| ServerName::try_from(name.to_owned()).map_err(|_| TlsError::ServerName(name.to_owned()));
        let server_name = tls.server_name.as_deref().map(parsed).transpose()?;
        let digest = digest.finalize().into();
        Ok(Self { config: Arc::new(config), without_http2, server_name, insecure: tls.insecure, digest })
    }

    /// Whether any certificate is taken.
    pub fn is_insecure(&self) -> bool {
        self.insecure
    }

    /// The same, but that it offers HTTP/1.1 alone.
    pub fn without_http2(&self) -> Self {
        Self { config: Arc::clone(&self.without_http2), ..self.clone() }
    }

    /// Shakes hands on `stream`; `host` is the name or address that it was connected to. The certificate must be for the
    /// configured `server_name`, or else for that. A name is asked for by SNI, an address is not (RFC 6066 §3).
    ///
    /// # Errors
    /// The other side is not whom it should be, speaks no TLS, or another version of it.
    pub async fn connect<S: AsyncRead + AsyncWrite + Unpin>(&self, host: &str, stream: S) -> io::Result<ToBackend<S>> {
        let name = match &self.server_name {
            Some(name) => name.clone(),
            None => ServerName::try_from(host.to_owned()).map_err(io::Error::other)?,
        };
        TlsConnector::from(Arc::clone(&self.config)).connect(name, stream).await
    }
}

/// Whether a handshake agreed on HTTP/2.
pub fn is_http2<S>(stream: &ToBackend<S>) -> bool {
    stream.get_ref().1.alpn_protocol() == Some(Protocol::Http2.name())
}

/// Of the same settings and files.
impl PartialEq for Connector {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

/// Keys are not shown.
impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connector").field("server_name", &self.server_name).finish_non_exhaustive()
    }
}

fn system_roots() -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    // The system's may hold some that nobody can use any more.
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let why = found.errors.first().map_or("none were found".to_owned(), ToString::to_string);
        return Err(TlsError::NoRoots(why));
    }
    Ok(roots)
}

fn note_identity(digest: &mut Sha256, chain: &[CertificateDer<'_>], key: &PrivateKeyDer<'_>) {
    chain.iter().for_each(|certificate| note(digest, certificate));
    note(digest, key.secret_der());
}

/// The length too: no two lists of parts are noted alike.
fn note(digest: &mut Sha256, part: &[u8]) {
    digest.update(part.len().to_be_bytes());
    digest.update(part);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_of_no_use_are_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("ca.pem");
        let tls = Tls { ca: Some(path.clone()), ..Tls::default() };
        let said = |tls: &Tls| Connector::new(tls, &[Protocol::Http1]).expect_err("refused").to_string();
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

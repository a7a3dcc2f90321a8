//! TLS as a server, towards clients: what a listener's configuration says, ready to shake hands.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, ProducesTickets, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{InconsistentKeys, ServerConfig, SupportedProtocolVersion};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
pub use tokio_rustls::server::TlsStream as Secured;

use super::by_name::{ByName, Named};
use super::{Security, TlsError, files, x509};
use crate::config::{ClientCertificates, Identity, ServerTls, Versions};

/// TLS towards the clients of a listener: certificates, versions, tickets, and who must show a certificate.
pub struct Acceptor {
    config: Arc<ServerConfig>,
    timeout: Duration,
    clients: Clients,
}

/// What clients are asked for, and what theirs must lead to. Tickets are good for as long as this is the same.
#[derive(PartialEq)]
struct Clients {
    asked: ClientCertificates,
    roots: Vec<Vec<u8>>,
}

impl Acceptor {
    /// Reads the files that `tls` names. Blocks. `protocols` are the names that are agreed on by ALPN, the best first. With the one `before` it, clients can go on with their sessions, unless
    /// other clients are let in now. What is no error but will surprise somebody is told to `warn`.
    ///
    /// Sessions are resumed by tickets alone; nothing is kept of a session that has ended. The keys of tickets are this
    /// process's, shared by all workers, and replaced every six hours; a ticket is good for twelve at most.
    ///
    /// # Errors
    /// A file cannot be used.
    pub fn new(
        tls: &ServerTls,
        protocols: Vec<Vec<u8>>,
        before: Option<&Self>,
        mut warn: impl FnMut(String),
    ) -> Result<Self, TlsError> {
        const BOTH: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
        let provider = Arc::new(aws_lc_rs::default_provider());
        let certificates: Vec<_> = tls
            .certificates
            .iter()
            .map(|identity| certificate(identity, &provider, &mut warn))
            .collect::<Result<_, _>>()?;
        let Some(by_name) = ByName::new(&certificates, &mut warn) else {
            return Err(rustls::Error::General("there is no certificate".to_owned()).into());
        };
        let versions = match tls.versions {
            Versions::Both => &BOTH[..],
            Versions::Only13 => &BOTH[..1],
            Versions::Only12 => &BOTH[1..],
        };
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(versions)?;
        let (builder, roots) = match tls.clients.ca() {
            None => (builder.with_no_client_auth(), Vec::new()),
            Some(ca) => {
                let is_optional = matches!(tls.clients, ClientCertificates::Optional(_));
                let (verifier, roots) = verifier(ca, is_optional, &provider)?;
                (builder.with_client_cert_verifier(verifier), roots)
            }
        };
        let clients = Clients { asked: tls.clients.clone(), roots };
        let mut config = builder.with_cert_resolver(Arc::new(by_name));
        config.alpn_protocols = protocols;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        if tls.tickets {
            // A listener has its own: a ticket is no way around the verification of another.
            let known = before.filter(|before| before.clients == clients).map(Self::ticketer);
            config.ticketer = match known.filter(|known| known.enabled()) {
                Some(known) => Arc::clone(known),
                None => aws_lc_rs::Ticketer::new()?,
            };
        } else {
            config.send_tls13_tickets = 0;
        }
        Ok(Self { config: Arc::new(config), timeout: tls.handshake_timeout, clients })
    }

    /// How long a handshake may take.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Whether clients are asked who they are.
    pub fn asks_clients(&self) -> bool {
        self.clients.asked != ClientCertificates::None
    }

    /// Shakes hands on `stream`.
    ///
    /// # Errors
    /// [`HandshakeEnd::of`](super::HandshakeEnd::of) says what they mean.
    pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> io::Result<(Secured<S>, Security)> {
        let secured = TlsAcceptor::from(Arc::clone(&self.config)).accept(stream).await?;
        let security = Security::of(secured.get_ref().1);
        Ok((secured, security))
    }

    fn ticketer(&self) -> &Arc<dyn ProducesTickets> {
        &self.config.ticketer
    }
}

/// Keys are not shown.
impl std::fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Acceptor").finish_non_exhaustive()
    }
}

fn certificate(
    Identity { cert, key }: &Identity,
    provider: &CryptoProvider,
    warn: &mut impl FnMut(String),
) -> Result<Named, TlsError> {
    let chain = files::certificates(cert)?;
    let own = chain.first().and_then(|first| x509::read(first));
    let certified = CertifiedKey::from_der(chain, files::private_key(key)?, provider).map_err(|error| match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            TlsError::Mismatch { cert: cert.clone(), key: key.clone() }
        }
        error => TlsError::Identity { path: cert.clone(), error },
    })?;
    let (now, shown) = (SystemTime::now(), cert.display());
    match &own {
        None => warn(format!("the names of the certificate `{shown}` cannot be read")),
        Some(own) if now > own.ends => warn(format!("the certificate `{shown}` has expired")),
        Some(own) if now < own.begins => warn(format!("the certificate `{shown}` is not valid yet")),
        Some(_) => {}
    }
    let names = own.map(|own| own.names).unwrap_or_default();
    Ok(Named { path: cert.clone(), names, key: Arc::new(certified) })
}

/// Certificates, as bytes.
type Known = Vec<Vec<u8>>;

/// A client's certificate must lead to one of `ca`, which are answered too.
fn verifier(
    ca: &Path,
    is_optional: bool,
    provider: &Arc<CryptoProvider>,
) -> Result<(Arc<dyn ClientCertVerifier>, Known), TlsError> {
    let known = files::certificates(ca)?.iter().map(|certificate| certificate.to_vec()).collect();
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(files::roots(ca)?), Arc::clone(provider));
    let builder = if is_optional { builder.allow_unauthenticated() } else { builder };
    let failed = |error: rustls::server::VerifierBuilderError| TlsError::ClientCa {
        path: ca.to_owned(),
        error: error.to_string(),
    };
    Ok((builder.build().map_err(failed)?, known))
}

//! TLS on either side: `tls` towards a backend, `certificates` and `tls` of a listener.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Towards a backend: `tls = true`, or `{ ca = "ca.pem", server_name = "app.internal" }`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Tls {
    /// `ca`: file of certificates in PEM that a backend's must lead to (none, the default: the system's).
    pub ca: Option<PathBuf>,
    /// `server_name` that is asked for by SNI and that the certificate must have (none, the default: the host's name or
    /// address).
    pub server_name: Option<Arc<str>>,
    /// `cert` and `key`: files in PEM by which we show who we are; both or none (default).
    pub identity: Option<Identity>,
    /// `insecure = true`: any certificate is taken (default false).
    pub insecure: bool,
}

/// A certificate and its key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    /// `cert`: the certificate, and those that lead from it to the root.
    pub cert: PathBuf,
    /// `key`: its private key (PKCS #8, PKCS #1 or SEC 1).
    pub key: PathBuf,
}

/// Towards clients: `certificates` and `tls` of a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerTls {
    /// `certificates`, in file order, one at least: chosen by the name that the client asks for (SNI). The first is for who
    /// asks for no name, or for one that no certificate has.
    pub certificates: Vec<Identity>,
    /// `min_version` and `max_version`, inclusive (default `"1.2"` to `"1.3"`).
    pub versions: Versions,
    /// `handshake_timeout`: from accept to the end of the handshake (default 10 s). The connection is closed.
    pub handshake_timeout: Duration,
    /// `client_ca` and `client_certificate`
    pub clients: ClientCertificates,
    /// `tickets`: whether clients may resume (RFC 8446 §2.2, RFC 5077). Keys are the process's own, for this listener
    /// alone, and rotated (default true; false: each connection is a full handshake).
    pub tickets: bool,
    /// `alpn` of a listener with `protocol = "tcp"`: what clients may agree on with those behind, in the order of preference. Who
    /// offers only others is turned away in the handshake (RFC 7301 §3.2). Empty (default): nothing is agreed on.
    pub alpn: Vec<Arc<str>>,
}

/// Versions of TLS that are spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Versions {
    /// 1.2 and 1.3 (default).
    Both,
    /// `max_version = "1.2"`
    Only12,
    /// `min_version = "1.3"`
    Only13,
}

/// Whether clients show who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientCertificates {
    /// `client_certificate = "none"` (default without `client_ca`): they are not asked.
    None,
    /// `client_certificate = "optional"`: they are asked; one that is shown must lead to a certificate of this file
    /// (`client_ca`).
    Optional(PathBuf),
    /// `client_certificate = "required"` (default with `client_ca`): who has none is turned away in the handshake.
    Required(PathBuf),
}

impl ClientCertificates {
    /// `client_ca`
    pub fn ca(&self) -> Option<&PathBuf> {
        match self {
            Self::None => None,
            Self::Optional(ca) | Self::Required(ca) => Some(ca),
        }
    }
}

impl Tls {
    /// The files that it names.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.ca.iter().chain(self.identity.iter().flat_map(Identity::files))
    }
}

impl Identity {
    /// The files that it names.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.cert, &self.key].into_iter()
    }
}

impl ServerTls {
    /// The files that it names.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.certificates.iter().flat_map(Identity::files).chain(self.clients.ca())
    }
}

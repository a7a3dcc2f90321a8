//! TLS towards a backend: `tls`.

use std::path::PathBuf;
use std::sync::Arc;

/// `tls = true`, or `{ ca = "ca.pem", server_name = "app.internal" }`.
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

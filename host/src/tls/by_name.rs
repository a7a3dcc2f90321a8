//! Our certificates, by the name that a client asks for (SNI, RFC 6066 §3).
//!
//! A name goes before a wildcard, which stands for one label (RFC 9525 §6.3); who asks for no name, or one that nobody
//! has, gets the first certificate. Of two for the same name with keys of another kind, a client gets ECDSA or Ed25519
//! where it can, else RSA.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::SignatureAlgorithm;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// A certificate with its names.
pub(super) struct Named {
    /// The file, for messages.
    pub(super) path: PathBuf,
    /// DNS names, lower case.
    pub(super) names: Vec<String>,
    pub(super) key: Arc<CertifiedKey>,
}

/// Certificates with keys of different kinds, the preferred first. Never empty.
type Kinds = Vec<Arc<CertifiedKey>>;

/// All certificates of a listener.
pub(super) struct ByName {
    exact: HashMap<String, Kinds>,
    /// By what is behind `*.`.
    wildcard: HashMap<String, Kinds>,
    /// For everybody else.
    first: Kinds,
}

impl ByName {
    /// Of certificates in the order of the file; none where there is none. `warn` hears of those that nobody will get.
    pub(super) fn new(certificates: &[Named], mut warn: impl FnMut(String)) -> Option<Self> {
        let first = certificates.first()?;
        let mut owners: HashMap<&str, Vec<&Named>> = HashMap::new();
        for certificate in certificates {
            let shown = certificate.path.display();
            if certificate.names.is_empty() && !std::ptr::eq(certificate, first) {
                warn(format!("nobody gets the certificate `{shown}`: it has no DNS name, and is not the first"));
            }
            let kind = certificate.key.key.algorithm();
            for name in &certificate.names {
                let known = owners.entry(name).or_default();
                match known.iter().find(|known| known.key.key.algorithm() == kind) {
                    None => known.push(certificate),
                    // A certificate may name a name twice.
                    Some(same) if same.path == certificate.path => {}
                    Some(same) => {
                        let same = same.path.display();
                        warn(format!(
                            "the certificates `{same}` and `{shown}` are both for `{name}`: the first counts"
                        ));
                    }
                }
            }
        }
        let (mut exact, mut wildcard) = (HashMap::new(), HashMap::new());
        for (name, owners) in &owners {
            match name.strip_prefix("*.") {
                Some(parent) => wildcard.insert(parent.to_owned(), kinds(owners)),
                None => exact.insert((*name).to_owned(), kinds(owners)),
            };
        }
        let first = match first.names.first().and_then(|name| owners.get(&**name)) {
            Some(owners) => kinds(owners),
            None => vec![Arc::clone(&first.key)],
        };
        Some(Self { exact, wildcard, first })
    }

    /// Those for a name, lower case.
    fn of(&self, name: &str) -> Option<&Kinds> {
        self.exact.get(name).or_else(|| self.wildcard.get(name.split_once('.')?.1))
    }
}

fn kinds(owners: &[&Named]) -> Kinds {
    let mut kinds: Kinds = owners.iter().map(|owner| Arc::clone(&owner.key)).collect();
    kinds.sort_by_key(|key| key.key.algorithm() == SignatureAlgorithm::RSA);
    kinds
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let kinds = hello.server_name().and_then(|name| self.of(&name.to_ascii_lowercase())).unwrap_or(&self.first);
        let usable = |key: &&Arc<CertifiedKey>| key.key.choose_scheme(hello.signature_schemes()).is_some();
        kinds.iter().find(usable).or(kinds.first()).map(Arc::clone)
    }
}

impl fmt::Debug for ByName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByName").field("names", &(self.exact.len() + self.wildcard.len())).finish_non_exhaustive()
    }
}

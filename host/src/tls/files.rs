//! Certificates and keys from files in PEM.

use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};

use super::TlsError;

/// All of a file, in its order; one at least.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    const WHAT: &str = "the certificates";
    let read = CertificateDer::pem_file_iter(path).map_err(|error| unreadable(WHAT, path, &error))?;
    let certificates: Vec<_> = read.collect::<Result<_, _>>().map_err(|error| unreadable(WHAT, path, &error))?;
    match certificates.is_empty() {
        true => Err(TlsError::Empty { what: "certificate in PEM", path: path.to_owned() }),
        false => Ok(certificates),
    }
}

/// The first of a file.
pub(super) fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| match error {
        pem::Error::NoItemsFound => TlsError::Empty { what: "private key in PEM", path: path.to_owned() },
        error => unreadable("the private key", path, &error),
    })
}

/// The certificates of a file, as those that others lead to.
pub(super) fn roots(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        let failed = |error: rustls::Error| TlsError::File {
            what: "the certificates",
            path: path.to_owned(),
            error: error.to_string(),
        };
        roots.add(certificate).map_err(failed)?;
    }
    Ok(roots)
}

fn unreadable(what: &'static str, path: &Path, error: &pem::Error) -> TlsError {
    let error = match error {
        pem::Error::Io(error) => error.to_string(),
        error => error.to_string(),
    };
    TlsError::File { what, path: path.to_owned(), error }
}

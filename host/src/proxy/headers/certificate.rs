//! What backends are told of a client's certificate that was verified.
//!
//! `Client-Cert` and `Client-Cert-Chain` (RFC 9440), and for those who would rather not parse: `X-Client-Cert-Subject`
//! (RFC 4514), `X-Client-Cert-Serial` (hexadecimal), `X-Client-Cert-Fingerprint` (SHA-256 of the certificate, hexadecimal).
//! On a listener that asks for certificates nobody else can say so, trusted proxies included; elsewhere `forged` decides.

use std::fmt::Write;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::tls::ClientCertificate;

const CERTIFICATE: HeaderName = HeaderName::from_static("client-cert");
const CHAIN: HeaderName = HeaderName::from_static("client-cert-chain");
const SUBJECT: HeaderName = HeaderName::from_static("x-client-cert-subject");
const SERIAL: HeaderName = HeaderName::from_static("x-client-cert-serial");
const FINGERPRINT: HeaderName = HeaderName::from_static("x-client-cert-fingerprint");

/// What all of them begin with.
const BEGINNINGS: [&str; 2] = ["client-cert", "x-client-cert"];

/// The fields of one connection. None of them where the client has shown nothing.
pub struct Fields(Vec<(HeaderName, HeaderValue)>);

impl Fields {
    /// Made once for a connection.
    pub fn new(certificate: Option<ClientCertificate>) -> Self {
        let Some(certificate) = certificate else { return Self(Vec::new()) };
        let chain: Vec<_> = certificate.chain.iter().map(|der| byte_sequence(der)).collect();
        let mut fingerprint = String::with_capacity(64);
        for byte in certificate.fingerprint {
            // Writing to a string cannot fail.
            let _ = write!(fingerprint, "{byte:02x}");
        }
        let texts = [
            (CERTIFICATE, byte_sequence(&certificate.der)),
            (CHAIN, chain.join(", ")),
            (SUBJECT, certificate.subject),
            (SERIAL, certificate.serial),
            (FINGERPRINT, fingerprint),
        ];
        let fields = texts.into_iter().filter(|(_, text)| !text.is_empty());
        Self(fields.filter_map(|(name, text)| Some((name, HeaderValue::try_from(text).ok()?))).collect())
    }

    /// Puts them in place of what the client says itself.
    pub fn set(&self, headers: &mut HeaderMap) {
        let is_ours = |name: &HeaderName| BEGINNINGS.iter().any(|beginning| name.as_str().starts_with(beginning));
        let said: Vec<HeaderName> = headers.keys().filter(|name| is_ours(name)).cloned().collect();
        for name in said {
            headers.remove(name);
        }
        for (name, value) in &self.0 {
            headers.insert(name.clone(), value.clone());
        }
    }
}

/// As structured fields have it (RFC 8941 §3.3.5).
fn byte_sequence(der: &[u8]) -> String {
    format!(":{}:", STANDARD.encode(der))
}

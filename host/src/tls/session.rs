//! What a handshake with a client has settled.

use std::sync::Arc;

use rustls::{HandshakeKind, ServerConnection};
use sha2::{Digest, Sha256};

use super::x509;

/// A connection of a client is secured, and how.
#[derive(Debug)]
pub struct Security {
    /// The name that the client asked for (SNI), lower case.
    pub server_name: Option<Arc<str>>,
    /// The protocol that was agreed on (ALPN).
    pub protocol: Option<Arc<str>>,
    /// Such as `TLSv1_3`.
    pub version: &'static str,
    /// Such as `TLS13_AES_128_GCM_SHA256`.
    pub cipher: &'static str,
    /// An earlier session goes on.
    pub resumed: bool,
    /// What the client has shown, which was verified.
    pub client: Option<ClientCertificate>,
}

/// A client's certificate that was verified. One of a resumed session was verified when that began.
#[derive(Debug)]
pub struct ClientCertificate {
    /// The certificate, DER.
    pub der: Vec<u8>,
    /// Further ones that came with it, DER, in their order. They were not necessarily needed to verify it.
    pub chain: Vec<Vec<u8>>,
    /// Its subject (RFC 4514), printable ASCII; empty if it has none.
    pub subject: String,
    /// Its serial number, hexadecimal and lower case.
    pub serial: String,
    /// SHA-256 of its DER.
    pub fingerprint: [u8; 32],
}

impl Security {
    pub(super) fn of(session: &ServerConnection) -> Self {
        let text = |protocol: &[u8]| std::str::from_utf8(protocol).ok().map(Arc::from);
        Self {
            server_name: session.server_name().map(|name| name.to_ascii_lowercase().into()),
            protocol: session.alpn_protocol().and_then(text),
            version: session.protocol_version().and_then(|version| version.as_str()).unwrap_or("unknown"),
            cipher: session.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str()).unwrap_or("unknown"),
            resumed: session.handshake_kind() == Some(HandshakeKind::Resumed),
            client: session.peer_certificates().and_then(client),
        }
    }

    /// Whether the client wants HTTP/2.
    pub fn is_http2(&self) -> bool {
        self.protocol.as_deref() == Some("h2")
    }
}

fn client(certificates: &[rustls::pki_types::CertificateDer<'_>]) -> Option<ClientCertificate> {
    let (first, chain) = certificates.split_first()?;
    let (subject, serial) = x509::read(first).map(|read| (read.subject, read.serial)).unwrap_or_default();
    Some(ClientCertificate {
        der: first.to_vec(),
        chain: chain.iter().map(|certificate| certificate.to_vec()).collect(),
        subject,
        serial,
        fingerprint: Sha256::digest(first).into(),
    })
}

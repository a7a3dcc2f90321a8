//! How handshakes with clients end.

use std::io;

use rustls::Error;

/// How a handshake ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandshakeEnd {
    /// Well, from the beginning.
    Full,
    /// Well, by going on with an earlier session.
    Resumed,
    /// Not within `handshake_timeout`.
    Timeout,
    /// The client closed or reset the connection.
    Left,
    /// The client spoke HTTP without TLS.
    Plaintext,
    /// What came is no TLS, or not as it must be.
    Malformed,
    /// Nothing that both sides can: version, cipher, protocol.
    Incompatible,
    /// The client did not like our certificate, or something else.
    Alert,
    /// The client has no certificate, and must.
    NoCertificate,
    /// The client's certificate was not believed.
    BadCertificate,
    /// Our own fault.
    Failed,
}

impl HandshakeEnd {
    /// All of them, by number.
    pub const ALL: [Self; 11] = [
        Self::Full,
        Self::Resumed,
        Self::Timeout,
        Self::Left,
        Self::Plaintext,
        Self::Malformed,
        Self::Incompatible,
        Self::Alert,
        Self::NoCertificate,
        Self::BadCertificate,
        Self::Failed,
    ];

    /// The word of metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Resumed => "resumed",
            Self::Timeout => "timeout",
            Self::Left => "left",
            Self::Plaintext => "plaintext",
            Self::Malformed => "malformed",
            Self::Incompatible => "incompatible",
            Self::Alert => "alert",
            Self::NoCertificate => "no-certificate",
            Self::BadCertificate => "bad-certificate",
            Self::Failed => "failed",
        }
    }

    /// What an error of a handshake means.
    pub fn of(error: &io::Error) -> Self {
        let Some(error) = error.get_ref().and_then(|error| error.downcast_ref::<Error>()) else { return Self::Left };
        match error {
            Error::NoCertificatesPresented => Self::NoCertificate,
            Error::InvalidCertificate(_) => Self::BadCertificate,
            Error::AlertReceived(_) => Self::Alert,
            Error::PeerIncompatible(_) | Error::NoApplicationProtocol => Self::Incompatible,
            Error::InvalidMessage(_)
            | Error::InappropriateMessage { .. }
            | Error::InappropriateHandshakeMessage { .. }
            | Error::PeerMisbehaved(_)
            | Error::DecryptError
            | Error::PeerSentOversizedRecord => Self::Malformed,
            _ => Self::Failed,
        }
    }
}

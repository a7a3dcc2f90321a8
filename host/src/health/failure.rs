//! Why a check failed, in the words that logs and the admin API say it in.

use std::fmt;
use std::io;
use std::ops::RangeInclusive;
use std::time::Duration;

use rustix::io::Errno;

/// Why a backend is not well.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Refused, unreachable, not resolved, or out of descriptors.
    #[error("{}", plain(.0))]
    Connect(io::Error),
    /// The other side is not whom it should be, or speaks no TLS.
    #[error("TLS: {0}")]
    Tls(io::Error),
    /// Not within the timeout.
    #[error("no connection within {0:?}")]
    NoConnection(Duration),
    /// Not within the timeout.
    #[error("no TLS handshake within {0:?}")]
    NoHandshake(Duration),
    /// Not, or not the whole of it, within the timeout.
    #[error("no response within {0:?}")]
    NoAnswer(Duration),
    /// The connection broke, or this is not the protocol.
    #[error("no response: {}", cause(.0))]
    Broken(hyper::Error),
    /// Another status.
    #[error("status {status}, expected {expected}")]
    Status {
        /// The response's.
        status: u16,
        /// What it should be.
        expected: Statuses,
    },
    /// Another body.
    #[error("the body does not contain {0:?}")]
    Body(Box<str>),
    /// The response is not one of gRPC.
    #[error("no gRPC response: {0}")]
    NotGrpc(String),
    /// gRPC says that the call failed.
    #[error("gRPC status {}", .0)]
    GrpcStatus(String),
    /// The service is not serving.
    #[error("the service is {0}")]
    NotServing(&'static str),
    /// The question cannot be sent.
    #[error("no request: {0}")]
    Request(#[from] http::Error),
}

impl Failure {
    /// Whether it says something of us and nothing of the backend: we are out of descriptors or memory. Out of ports
    /// towards it, requests are as well.
    pub fn is_ours(&self) -> bool {
        const OURS: [Errno; 4] = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
        match self {
            Self::Connect(error) => Errno::from_io_error(error).is_some_and(|error| OURS.contains(&error)),
            _ => false,
        }
    }
}

/// Statuses that were expected.
#[derive(Debug, Clone)]
pub struct Statuses(pub Vec<RangeInclusive<u16>>);

impl fmt::Display for Statuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, range) in self.0.iter().enumerate() {
            let comma = if number == 0 { "" } else { ", " };
            match range.start() == range.end() {
                true => write!(f, "{comma}{}", range.start())?,
                false => write!(f, "{comma}{}-{}", range.start(), range.end())?,
            }
        }
        Ok(())
    }
}

/// Without the system's number where the kind says it all.
fn plain(error: &io::Error) -> String {
    let kind = error.kind().to_string();
    match error.raw_os_error() {
        Some(_) if !kind.contains("uncategorized") => kind,
        _ => error.to_string(),
    }
}

/// hyper's own words are about itself; what lies below is about the backend.
fn cause(error: &hyper::Error) -> String {
    let source = std::error::Error::source(error);
    match source.and_then(|source| source.downcast_ref::<io::Error>()) {
        Some(error) => plain(error),
        None => source.map_or_else(|| error.to_string(), |source| format!("{error}: {source}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_about_the_backend() {
        let said = |errno: Errno| Failure::Connect(errno.into()).to_string();
        assert_eq!(said(Errno::CONNREFUSED), "connection refused");
        assert_eq!(said(Errno::HOSTUNREACH), "host unreachable");
        assert_eq!(said(Errno::MFILE), "Too many open files (os error 24)");
        let failure = Failure::Status { status: 500, expected: Statuses(vec![200..=299, 404..=404]) };
        assert_eq!(failure.to_string(), "status 500, expected 200-299, 404");
        assert_eq!(Failure::NoAnswer(Duration::from_millis(1500)).to_string(), "no response within 1.5s");
    }

    #[test]
    fn what_we_lack_is_not_the_backends_fault() {
        let is_ours = |errno: Errno| Failure::Connect(errno.into()).is_ours();
        assert!(is_ours(Errno::MFILE) && !is_ours(Errno::ADDRNOTAVAIL) && !is_ours(Errno::CONNREFUSED));
        assert!(!Failure::NoAnswer(Duration::ZERO).is_ours());
    }
}

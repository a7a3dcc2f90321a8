//! The PROXY protocol: `proxy_protocol` of listeners, pools and health checks.

use std::time::Duration;

use super::Peers;

/// `proxy_protocol` of a listener: `true`, or `{ from = ["10.0.0.0/8"], others = "plain" }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyProtocol {
    /// `from`: peers that are believed, and must send a header (empty, the default: all).
    pub from: Peers,
    /// `others`: what becomes of the rest.
    pub others: Others,
    /// `timeout` of the header (default 5 s).
    pub timeout: Duration,
}

/// `others`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Others {
    /// `"refuse"` (default): they are closed.
    #[default]
    Refuse,
    /// `"plain"`: they are served as they are, without a header.
    Plain,
}

/// `proxy_protocol` of a pool or a health check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProxyVersion {
    /// `"v1"`: a line of text.
    V1,
    /// `"v2"`: with SNI, ALPN and a unique id.
    V2,
}

impl Default for ProxyProtocol {
    fn default() -> Self {
        Self { from: Peers::default(), others: Others::default(), timeout: Duration::from_secs(5) }
    }
}

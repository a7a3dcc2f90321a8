//! What a listener speaks: `protocol`, and what is said of connections that are carried as they are.

use std::time::Duration;

/// `protocol` of a listener, with what only that has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ListenerProtocol {
    /// `"http"` (default): each request is decided.
    #[default]
    Http,
    /// `"tcp"`: each connection is decided, and its bytes are carried both ways. With `certificates`, TLS ends here.
    Tcp(Carried),
    /// `"tls-passthrough"`: as TCP; what a client says at the beginning of its handshake (SNI, ALPN) is read, and carried
    /// untouched.
    TlsPassthrough {
        /// As of TCP.
        carried: Carried,
        /// `handshake_timeout`: until all of the ClientHello is there (default 10 s).
        handshake_timeout: Duration,
    },
    /// `"udp"`: each flow is decided, that is, what comes from one address and port, and its datagrams are carried both ways,
    /// each as it is. What a plugin refuses is dropped.
    Udp {
        /// Of flows: `idle_timeout` (default 60 s, as Envoy has it).
        carried: Carried,
        /// `responses`: a flow ends when so many datagrams have come back for each that went (as nginx' `proxy_responses`; 1 suits
        /// DNS); 0: nothing is expected to come back, nothing is kept of a flow, and each datagram is decided; none
        /// (default): it ends when it is idle.
        responses: Option<u32>,
    },
}

/// What connections and flows are carried by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carried {
    /// `idle_timeout`: a connection ends when nothing has moved for so long, either way (default 1 h; none, written `false`:
    /// never).
    pub idle_timeout: Option<Duration>,
    /// `refuse_with`: what a client sees whom a plugin refuses, or for whom there is no backend.
    pub refuse_with: RefuseWith,
}

/// `refuse_with`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RefuseWith {
    /// `"close"` (default): the end of the connection.
    #[default]
    Close,
    /// `"reset"`
    Reset,
}

impl ListenerProtocol {
    /// The settings of connections that are carried; none for HTTP.
    pub fn carried(&self) -> Option<&Carried> {
        match self {
            Self::Http => None,
            Self::Tcp(carried) | Self::TlsPassthrough { carried, .. } | Self::Udp { carried, .. } => Some(carried),
        }
    }

    /// Whether it is of datagrams.
    pub fn is_udp(&self) -> bool {
        matches!(self, Self::Udp { .. })
    }

    /// As it is written, and as plugins see it where it is not HTTP.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Tcp(_) => "tcp",
            Self::TlsPassthrough { .. } => "tls-passthrough",
            Self::Udp { .. } => "udp",
        }
    }
}

impl Default for Carried {
    fn default() -> Self {
        Self { idle_timeout: Some(Duration::from_secs(60 * 60)), refuse_with: RefuseWith::default() }
    }
}

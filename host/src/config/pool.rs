//! Backends, and how one of them is chosen and used: `[pool.NAME]`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{
    Address, Capacity, Discovery, Feedback, Health, OutlierPolicy, PluginUse, ProxyVersion, Recovery, Retry,
    TcpOptions, Tls,
};

/// `[pool.NAME]`
#[derive(Debug, Clone, PartialEq)]
pub struct Pool {
    /// `balancer`: the plugin that picks, or a list of them: a chain. Never empty (default `round-robin` alone).
    pub balancer: Vec<PluginUse>,
    /// `affinity`: the plugin that binds clients; none (default): clients are not bound.
    pub affinity: Option<PluginUse>,
    /// In file order; may be empty (503). No two have the same id or address.
    pub backends: Vec<Backend>,
    /// `discover`: where further backends come from at run time; none (default): nowhere.
    pub discover: Option<Discovery>,
    /// `feedback`: what backends may say of themselves; none (default): nothing.
    pub feedback: Option<Feedback>,
    /// `connect_timeout` (default 5 s).
    pub connect_timeout: Duration,
    /// `response_timeout`: from the sent request to the response head, and between two reads of the
    /// response's body (default 60 s).
    pub response_timeout: Duration,
    /// `idle_timeout`: of kept connections to backends (default 60 s).
    pub idle_timeout: Duration,
    /// `max_idle`: kept connections per backend and worker (default 256, 0 to 65535).
    pub max_idle: usize,
    /// `request_timeout`: from a request's head to the head of its response, over all tries (none, the default: no limit of
    /// its own).
    pub request_timeout: Option<Duration>,
    /// `retries` and `retry`
    pub retry: Retry,
    /// `health`; none (default): backends are not checked.
    pub health: Option<Health>,
    /// `outlier`; none (default): outcomes take nobody out.
    pub outlier: Option<OutlierPolicy>,
    /// `panic`, `slow_start`, `drain_timeout`
    pub recovery: Recovery,
    /// `limits`: what it takes at a time.
    pub limits: Capacity,
    /// `tls` towards its backends; none (default): without. Health checks say for themselves whether they use TLS
    /// (`health.tls`), as they may ask another port.
    pub tls: Option<Tls>,
    /// `tunnel_timeout`: upgraded connections end when nothing has moved for so long, either way (default 1 h; none, written
    /// `false`: never).
    pub tunnel_timeout: Option<Duration>,
    /// `keepalive`, `tcp_user_timeout`, `tcp_fast_open`
    pub tcp: TcpOptions,
    /// `proxy_protocol`: backends are told by a PROXY header whom a connection is from, or that this is unknown, as of a Unix
    /// socket; none (default): they are not. A kept connection then serves one client's connection only. Not with HTTP/2.
    pub proxy_protocol: Option<ProxyVersion>,
    /// `transparent`: connections to backends come from the address of the client (`IP_TRANSPARENT`, Linux; needs
    /// `CAP_NET_ADMIN` or `CAP_NET_RAW`, and answers that come back by way of this machine), from any port. Where client and
    /// backend are of different families, for clients of Unix sockets, and for health checks, from our own (default false). A kept connection then serves
    /// one client's connection only. Not with HTTP/2.
    pub transparent: bool,
    /// `protocol` and `max_streams`: what backends are spoken to with.
    pub protocol: Protocol,
}

/// `protocol = "h2"` with `max_streams`: requests at a time on one connection (default 100, 1 to 1000; a backend may allow
/// fewer). WebSockets are opened by extended CONNECT (RFC 8441) there; a backend that takes none gets them by HTTP/1.1 with
/// `"auto"`, and not at all with `"h2"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// `"http/1.1"` (default)
    #[default]
    Http1,
    /// `"h2"`: with prior knowledge, or by ALPN where there is `tls`.
    Http2 {
        /// `max_streams`
        max_streams: u32,
    },
    /// `"auto"`: either, by ALPN.
    Auto {
        /// `max_streams`
        max_streams: u32,
    },
}

impl Protocol {
    /// Requests at a time on one connection of HTTP/2, if that may be spoken.
    pub fn max_streams(self) -> Option<u32> {
        match self {
            Self::Http1 => None,
            Self::Http2 { max_streams } | Self::Auto { max_streams } => Some(max_streams),
        }
    }
}

/// One of `backends`: `"10.0.0.1:8080"` or a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Backend {
    /// Unique in the pool (default: the address as written).
    pub id: Arc<str>,
    /// Where it is.
    pub address: Address,
    /// 0 to 65535 (default 1).
    pub weight: u32,
    /// `backup = true`: only while no other backend is ready.
    pub backup: bool,
    /// `state = "draining"` (default ready).
    pub draining: bool,
    /// `labels`, sorted by key.
    pub labels: BTreeMap<String, String>,
    /// `max_requests` at a time, 1 to 1000000000, in place of the pool's `backend_requests` (default: none).
    pub max_requests: Option<u32>,
}

//! Where we accept, and whom: `[[listener]]`.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::{
    ErrorPages, HeaderRules, Http2, ListenerProtocol, PathPolicy, Peers, ProxyProtocol, RateLimit, ServerTls,
    TcpOptions,
};

/// `[[listener]]`
#[derive(Debug, Clone, PartialEq)]
pub struct Listener {
    /// Unique (default: the address as text).
    pub name: Arc<str>,
    /// An IP address and a port, of TCP or UDP, or a Unix socket.
    pub address: ListenerAddress,
    /// `mode` of a Unix socket's file, such as `"0660"`: who may write to it may connect. None (default): as the process's umask
    /// says.
    pub mode: Option<u32>,
    /// `ipv6_only`: whether an address of IPv6 takes clients of IPv6 alone (default true). `[::]` without it takes those of IPv4
    /// too, and no other listener can have their address.
    pub ipv6_only: bool,
    /// `keepalive`, `tcp_user_timeout`, `tcp_fast_open`
    pub tcp: TcpOptions,
    /// `protocol`: what is spoken there.
    pub protocol: ListenerProtocol,
    /// `proxy_protocol`: peers say by a PROXY header whom a connection is from, before anything else; none (default): they do not.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// The pool for what no route matches (default: none; 404, or the end of the connection). Without it there is a route.
    pub pool: Option<Arc<str>>,
    /// Who may connect.
    pub access: Access,
    /// Peers whose `X-Forwarded-*` and `Forwarded` are believed (default: none).
    pub trusted_proxies: Peers,
    /// Whether to send `Forwarded` (RFC 7239) beside `X-Forwarded-*` (default false).
    pub forwarded: bool,
    /// Limits and timeouts of its connections.
    pub limits: Limits,
    /// `max_connections` at a time, over all workers, 1 to 1000000000; none (default): no limit. Beyond it: 503,
    /// or the end of the connection. Of datagrams it is flows (default 10000), and those that would begin another are dropped.
    pub max_connections: Option<u32>,
    /// `rate_limit` of its requests, or of its connections where they are carried as they are; none (default): no limit.
    pub rate_limit: Option<RateLimit>,
    /// `paths`: `as-sent` (default), `normalise` or `strict`.
    pub paths: PathPolicy,
    /// `request_headers` of all requests that go to a backend, before those of their route (default: none).
    pub request_headers: HeaderRules,
    /// `response_headers` of all responses, ours too, before those of their route (default: none).
    pub response_headers: HeaderRules,
    /// `error_pages` (default: none): where the route has none.
    pub error_pages: ErrorPages,
    /// `intercept_errors`: whether error pages also take the place of what backends answer with such a status (default
    /// false).
    pub intercept_errors: bool,
    /// `certificates`, `tls` and `alpn`; none (default): without TLS.
    pub tls: Option<ServerTls>,
    /// `redirect_to_https`: requests are sent on to HTTPS, but for those that a route of this very listener matches; none
    /// (default): they are served. Only without TLS.
    pub redirect_to_https: Option<HttpsRedirect>,
    /// `http2` (default true): by ALPN with TLS, by prior knowledge without; none: `false`.
    pub http2: Option<Http2>,
}

/// `address` of a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenerAddress {
    /// `10.0.0.1:80`, `[::]:80`: for TCP (port 0: any free one).
    Socket(SocketAddr),
    /// `unix:/run/trimtab.sock`: what comes there has no address of a client, unless its peer tells of one.
    Unix(PathBuf),
}

impl ListenerAddress {
    /// Whether it is another one each time.
    pub fn is_any(&self) -> bool {
        matches!(self, Self::Socket(address) if address.port() == 0)
    }
}

/// As it is written in a configuration.
impl fmt::Display for ListenerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// `redirect_to_https`: to the same URL, on this port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpsRedirect {
    /// `port` (default 443, which is not written in the URL).
    pub port: u16,
    /// `status`: 308 (default), 307, 301 or 302.
    pub status: u16,
}

/// Limits and timeouts of a listener's connections. All are on by default; no timeout is below 1 ms.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// `header_timeout`: from the first byte of a request (of a connection: from accept) to the end
    /// of its head (default 10 s). 408.
    pub header_timeout: Duration,
    /// `body_timeout`: between two reads of a request's body (default 30 s). 408.
    pub body_timeout: Duration,
    /// `idle_timeout`: a connection between two requests (default 75 s).
    pub idle_timeout: Duration,
    /// `write_timeout`: the client takes nothing of a response (default 60 s).
    pub write_timeout: Duration,
    /// `max_head_size` in bytes (default 16 KiB, 8 KiB to 1 MiB). 431, or 414 when it is the URI.
    pub max_head_size: usize,
    /// `max_headers` (default 100, 1 to 10000). 431.
    pub max_headers: usize,
    /// `max_body_size` in bytes; none (default): no limit. 413.
    pub max_body_size: Option<u64>,
}

/// `allow` and `deny`, lists of addresses, CIDR blocks and `"unix:"` (default: empty). Deny wins; a non-empty `allow` denies
/// everyone else.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Access {
    /// `allow`
    pub allow: Peers,
    /// `deny`
    pub deny: Peers,
}

//! How a pool's backends are checked: `health`.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use super::{ProxyVersion, Tls};

/// `health = { http = "/healthz", interval = "2s" }`, or with `tcp = true` or `grpc = "service"` in place of `http`.
///
/// Thresholds are HAProxy's: `fall` failures in a row take a backend out, `rise` successes in a row bring it back, and the
/// first result of all decides at once. Pools that ask the same of the same address share one check, at the shortest of
/// their intervals.
#[derive(Debug, Clone, PartialEq)]
pub struct Health {
    /// What is asked, and what must be answered.
    pub question: Question,
    /// `interval` between the beginnings of two checks (default 2 s, 10 ms to 1 h).
    pub interval: Duration,
    /// `fast_interval`: the same while a backend is on its way from one state to the other (default 1 s, or `interval` if
    /// that is less; at most `interval`).
    pub fast_interval: Duration,
    /// `jitter`: percent by which an interval may be shorter, by chance, so that checks do not fall into step (default 10,
    /// 0 to 100).
    pub jitter: u8,
    /// `rise`: successes in a row that bring a backend back (default 2, 1 to 1000).
    pub rise: u32,
    /// `fall`: failures in a row that take it out (default 3, 1 to 1000).
    pub fall: u32,
    /// `initial = "down"`: a backend gets requests only after its first success (default `"ready"`: until it fails).
    pub initially_down: bool,
}

/// What a check asks. Equal questions to the same address are one check.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Question {
    /// `http`, `tcp` or `grpc`
    pub probe: Probe,
    /// `port` in place of the backend's, 1 to 65535 (none, the default: the backend's own). Unix sockets have none.
    pub port: Option<u16>,
    /// `tls`: `true`, or a table (none, the default: without).
    pub tls: Option<Tls>,
    /// `proxy_protocol`: a PROXY header says that the connection is our own (default: as the pool's, or none where there is a
    /// `port`).
    pub proxy_protocol: Option<ProxyVersion>,
    /// `timeout` of connection, TLS and answer together (default 1 s, or `interval` if that is less; at most `interval`).
    pub timeout: Duration,
}

/// What is spoken.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Probe {
    /// `http = "/path"`: a request by HTTP/1.1 on a connection of its own.
    Http(HttpProbe),
    /// `tcp = true`: a connection can be made.
    Tcp,
    /// `grpc = "service"`: the service says by `grpc.health.v1.Health` that it is serving (empty: the whole server).
    Grpc(GrpcProbe),
}

/// An HTTP check.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HttpProbe {
    /// `http`: path and query.
    pub path: Arc<str>,
    /// `method = "HEAD"` (default `"GET"`).
    pub head: bool,
    /// `host` (default: the backend's address).
    pub host: Option<Arc<str>>,
    /// `headers`: names (lower case) and values.
    pub headers: Vec<(Arc<str>, Arc<str>)>,
    /// `expect_status`: a number, a range such as `"200-299"`, or a list of both (default `"200-399"`).
    pub expect_status: Vec<RangeInclusive<u16>>,
    /// `expect_body`: text that the first 64 KiB of the body must contain (none, the default: any body).
    pub expect_body: Option<Arc<str>>,
}

/// A gRPC check.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GrpcProbe {
    /// `grpc`: the service asked for.
    pub service: Arc<str>,
    /// `host` (default: the backend's address).
    pub host: Option<Arc<str>>,
    /// `headers`: names (lower case) and values.
    pub headers: Vec<(Arc<str>, Arc<str>)>,
}

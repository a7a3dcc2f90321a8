//! Where a pool's backends come from at run time: `discover`. What asks and when is not known here.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// `[pool.NAME] discover`: a source of backends, beside those that the file names.
#[derive(Debug, Clone, PartialEq)]
pub enum Discovery {
    /// `{ dns = "app.internal:8080" }` or `{ srv = "_http._tcp.app.internal" }`
    Dns(DnsSource),
    /// `{ file = "backends.json" }`: a list of the same shape as `backends`, relative to the configuration's folder. It
    /// is TOML with the one key `backends` where the name ends in `.toml`, else JSON: the list alone, or an object
    /// with this one key. It is read again when it changes, and may be missing.
    File(PathBuf),
}

/// A name whose records are backends.
#[derive(Debug, Clone, PartialEq)]
pub struct DnsSource {
    /// What is asked for.
    pub question: DnsQuestion,
    /// `resolver`: name servers to ask, in place of the system's. Without any, the system's configuration and its
    /// file of hosts are used as they are at the time of each question.
    pub resolvers: Vec<SocketAddr>,
    /// How long an answer holds.
    pub holds: Holds,
    /// `weight` of each backend, 0 to 65535 (default 1). Only with `dns`: records of `srv` have their own.
    pub weight: u32,
    /// `labels` of each backend, sorted by key (default: none).
    pub labels: BTreeMap<String, String>,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DnsQuestion {
    /// `dns = "NAME:PORT"`: every A and AAAA record is a backend with this port.
    Addresses(Arc<str>, u16),
    /// `srv = "NAME"`: every SRV record is a backend at each address of its target, with the record's port and weight
    /// (0 counts as 1). Who has not the lowest priority is `backup`.
    Services(Arc<str>),
}

/// How long an answer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// As long as its records say, but at least `min_ttl` (default 1 s) and at most `max_ttl` (default 5 min, or
    /// `min_ttl` if that is more). Both are from 10 ms to 24 h.
    ItsTtl {
        /// `min_ttl`
        min: Duration,
        /// `max_ttl`
        max: Duration,
    },
    /// `refresh`: so long, whatever the records say (10 ms to 24 h).
    Always(Duration),
}

impl fmt::Display for Discovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(DnsSource { question: DnsQuestion::Addresses(name, port), .. }) => write!(f, "dns {name}:{port}"),
            Self::Dns(DnsSource { question: DnsQuestion::Services(name), .. }) => write!(f, "srv {name}"),
            Self::File(path) => write!(f, "file {}", path.display()),
        }
    }
}

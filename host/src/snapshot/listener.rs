//! A listener at one moment: what its connections are held to, and what they count.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use crossbeam_utils::CachePadded;

use super::Pages;
use crate::config::{
    Access, HeaderRules, Http2, HttpsRedirect, Limits, ListenerProtocol, PathPolicy, Peers, ProxyProtocol, TcpOptions,
};
use crate::rate::Limiter;
use crate::telemetry::carried::Carried;
use crate::telemetry::counters::{Counter, PerWorker, Shed, Traffic};
use crate::tls::{Acceptor, HandshakeEnd};

/// An address that we accept on.
#[derive(Debug)]
pub struct Listener {
    /// Unique.
    pub name: Arc<str>,
    /// What is spoken there.
    pub protocol: ListenerProtocol,
    /// Options of its connections.
    pub tcp: TcpOptions,
    /// What its peers tell of a connection.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// Position of the pool for what no route matches.
    pub pool: Option<usize>,
    /// Who may connect.
    pub access: Access,
    /// Whose forwarding headers are believed.
    pub trusted_proxies: Peers,
    /// Whether `Forwarded` is sent.
    pub forwarded: bool,
    /// Limits and timeouts.
    pub limits: Limits,
    /// Counts for each pool, and behind them for requests that reached no pool.
    pub traffic: Vec<Arc<PerWorker<Traffic>>>,
    /// The same of connections that are carried as they are; empty where none are.
    pub carried: Vec<Arc<PerWorker<Carried>>>,
    /// Client connections that are open.
    pub connections: Arc<PerWorker<Counter>>,
    /// The same, over all workers: they are held to `max_connections` together.
    pub open: Arc<CachePadded<AtomicU32>>,
    /// Connections that may be open.
    pub max_connections: Option<u32>,
    /// Connections that were accepted only to be closed.
    pub shed: Arc<PerWorker<Shed>>,
    /// How many requests are let in.
    pub limiter: Option<Arc<Limiter>>,
    /// What becomes of paths.
    pub paths: PathPolicy,
    /// Of all requests.
    pub request_headers: HeaderRules,
    /// Of all responses.
    pub response_headers: HeaderRules,
    /// For errors, behind those of routes.
    pub pages: Pages,
    /// Whether they also take the place of backends' errors.
    pub intercept_errors: bool,
    /// TLS towards its clients.
    pub tls: Option<Arc<Acceptor>>,
    /// How handshakes ended.
    pub handshakes: Arc<PerWorker<Handshakes>>,
    /// Where requests are sent that no route of its own matches.
    pub redirect_to_https: Option<HttpsRedirect>,
    /// HTTP/2, where it is spoken.
    pub http2: Option<Http2>,
}

/// What one worker counted of handshakes.
#[derive(Debug, Default)]
pub struct Handshakes([Counter; HandshakeEnd::ALL.len()]);

impl Handshakes {
    /// Of this end.
    pub fn of(&self, end: HandshakeEnd) -> &Counter {
        &self.0[end as usize]
    }
}

impl Listener {
    /// Handshakes by how they ended, over all workers.
    pub fn handshakes(&self) -> impl Iterator<Item = (&'static str, u64)> {
        HandshakeEnd::ALL.into_iter().map(|end| (end.as_str(), self.handshakes.sum(|cell| cell.of(end).get())))
    }
}

impl Access {
    /// Whether who comes from this address (none: by way of a Unix socket) may pass: not denied, and allowed where there is a
    /// list.
    pub fn permits(&self, address: impl Into<Option<IpAddr>>) -> bool {
        let address = address.into();
        !self.deny.names(address) && (self.allow.is_empty() || self.allow.names(address))
    }

    /// Whether everybody may pass.
    pub fn is_open(&self) -> bool {
        self.deny.is_empty() && self.allow.is_empty()
    }
}

//! What a configuration says, in types that cannot be wrong.
//!
//! [`load`] turns a file into a [`Config`] once; whatever holds one need not check it again. This
//! module knows neither sockets nor plugins: that a component exists and does what it should is found
//! out when it is built.
//!
//! The comments on the fields are the reference of the file: each names its key where the field is
//! called otherwise, its default and its range. A key without default must be given. Durations are
//! written with a unit (`"500ms"`, `"30s"`, `"2m"`) and are at most 30 days; sizes are bytes, or have a
//! unit (`"16KiB"`, `"10MB"`); paths start at the folder of the file. `examples/trimtab.toml` shows
//! every key.

mod capacity;
mod carried;
mod discovery;
mod feedback;
mod health;
mod http2;
pub mod listed;
mod listener;
pub mod load;
mod outlier;
mod peers;
mod plugin;
mod pool;
mod proxy_protocol;
mod rate;
mod recovery;
pub mod report;
pub mod retry;
mod route;
mod rules;
mod schema;
pub mod secret;
mod sockets;
mod syntax;
#[cfg(test)]
mod tests;
mod tls;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use capacity::Capacity;
pub use carried::{Carried, ListenerProtocol, RefuseWith};
pub use discovery::{Discovery, DnsQuestion, DnsSource, Holds};
pub use feedback::Feedback;
pub use health::{GrpcProbe, Health, HttpProbe, Probe, Question};
pub use http2::Http2;
pub use listener::{Access, HttpsRedirect, Limits, Listener, ListenerAddress};
pub use outlier::OutlierPolicy;
pub use peers::Peers;
pub use plugin::{BreakerPolicy, Conformance, Plugin, PluginLimits, PluginUse};
pub use pool::{Backend, Pool, Protocol};
pub use proxy_protocol::{Others, ProxyProtocol, ProxyVersion};
pub use rate::RateLimit;
pub use recovery::{Panic, Recovery, Serve};
pub use retry::Retry;
pub use route::{HostPattern, PathPattern, Route, RouterUse};
pub use rules::{
    Answer, Content, ErrorPages, HeaderRules, Occasion, Part, PathPolicy, REASONS, Source, Template, Variable,
};
pub use sockets::TcpOptions;
pub use tls::{ClientCertificates, Identity, ServerTls, Tls, Versions};

/// A whole configuration. Names that refer to something (`pool`, `listener`, `plugin`) have been resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// `[server]`
    pub server: Server,
    /// `[admin]`; none: no admin API.
    pub admin: Option<Admin>,
    /// `[log]`
    pub log: Log,
    /// `[[listener]]`, in file order, at least one.
    pub listeners: Vec<Listener>,
    /// `[[route]]`, in file order.
    pub routes: Vec<Route>,
    /// `[pool.NAME]`, by name.
    pub pools: BTreeMap<Arc<str>, Pool>,
    /// `[plugin.NAME]`, by name. A name that is not here but used is a built-in.
    pub plugins: BTreeMap<Arc<str>, Plugin>,
}

impl Config {
    /// Whether requests go to this pool, and not only connections that are carried as they are.
    pub fn has_requests(&self, pool: &str) -> bool {
        let is_this = |name: &Arc<str>| **name == *pool;
        let listeners = self.listeners.iter().filter(|listener| listener.protocol.carried().is_none());
        let mut routes = self.routes.iter().filter(|route| !route.carried);
        listeners.filter_map(|listener| listener.pool.as_ref()).any(is_this)
            || routes.any(|route| {
                let routed = route.router.iter().flat_map(|router| &router.pools);
                route.pool.iter().chain(routed).any(is_this)
            })
    }
}

/// `[server]`
#[derive(Debug, Clone, PartialEq)]
pub struct Server {
    /// Serving threads, 1 to 512 (default: one per core).
    pub workers: usize,
    /// How long a stopping process waits for what runs (default 30 s; 0 s: not at all).
    pub drain_timeout: Duration,
    /// Seed of the key hash, any 64-bit number (default 0).
    pub hash_seed: u64,
    /// Size above which a component is refused, in bytes (default 32 MiB, 1 KiB to 1 GiB).
    pub max_component_size: usize,
    /// `name` of this balancer among its fellows (default: the host's name). Shapers get it as `process` in their
    /// settings.
    pub name: Arc<str>,
    /// `secret_file`: at least 16 bytes that fellow balancers share, see [`secret`]. None: a new secret per process,
    /// with a warning where an affinity is used.
    pub secret_file: Option<PathBuf>,
    /// `max_instances`: sandboxes that may exist at a time, 1 to 8000 (none: as many as the configuration needs
    /// three times over, 256 at least).
    pub max_instances: Option<u32>,
    /// Whether the configuration is loaded again when its file changes (default false).
    pub watch: bool,
    /// `code_cache`: where compiled code of plugins is kept over restarts.
    pub code_cache: CodeCache,
    /// `error_pages` (default: none): where neither route nor listener has one.
    pub error_pages: ErrorPages,
}

/// `[server] code_cache`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CodeCache {
    /// `true` (default): `$CACHE_DIRECTORY`, which systemd sets, else `trimtab` in `$XDG_CACHE_HOME`, else in
    /// `$HOME/.cache`; nowhere if none of them is set.
    Default,
    /// `false`: plugins are compiled at each start.
    Off,
    /// A folder that belongs to the process's user and that nobody else can write to; it is made if need be.
    Folder(PathBuf),
}

/// `[admin]`
#[derive(Debug, Clone, PartialEq)]
pub struct Admin {
    /// Where the admin API listens (default `127.0.0.1:9901`; port 0: any free one).
    pub listen: Address,
    /// File with the bearer token; always there unless `listen` is loopback or a Unix socket.
    pub token_file: Option<PathBuf>,
}

/// `[log]`
#[derive(Debug, Clone, PartialEq)]
pub struct Log {
    /// `human`, `json`, or (default) human on a terminal and json elsewhere: `auto`.
    pub format: LogFormat,
    /// A level, or a list of levels for parts, such as `info` (default) or `warn,trimtab::proxy=debug`.
    pub level: String,
    /// Where the access log goes; none (default): nowhere.
    pub access: Option<AccessLog>,
}

/// `[log] format`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// By what stderr is.
    Auto,
    /// One line a record, for people.
    Human,
    /// One JSON object a record.
    Json,
}

/// `[log] access`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessLog {
    /// `access = "stdout"`
    Stdout,
    /// `access = "/path"` (`./path` for a relative one); reopened on SIGUSR1.
    File(PathBuf),
}

/// An address to listen on or connect to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// `10.0.0.1:80`, `[::1]:80`
    Socket(SocketAddr),
    /// `localhost:80`: resolved when used.
    Name(Arc<str>, u16),
    /// `unix:/run/app.sock`
    Unix(PathBuf),
}

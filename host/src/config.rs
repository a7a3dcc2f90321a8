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
mod discovery;
mod feedback;
mod health;
pub mod listed;
pub mod load;
mod outlier;
mod rate;
mod recovery;
pub mod report;
pub mod retry;
mod schema;
pub mod secret;
mod syntax;
#[cfg(test)]
mod tests;
mod tls;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use crate::decide::Key;

pub use capacity::Capacity;
pub use discovery::{Discovery, DnsQuestion, DnsSource, Holds};
pub use feedback::Feedback;
pub use health::{GrpcProbe, Health, HttpProbe, Probe, Question};
pub use outlier::OutlierPolicy;
pub use rate::RateLimit;
pub use recovery::{Panic, Recovery, Serve};
pub use retry::Retry;
pub use tls::{Identity, Tls};

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

/// `[[listener]]`
#[derive(Debug, Clone, PartialEq)]
pub struct Listener {
    /// Unique (default: the address as text).
    pub name: Arc<str>,
    /// An IP address and a port, for TCP (port 0: any free one).
    pub address: SocketAddr,
    /// The pool for what no route matches (default: none, 404). Without it there is a route.
    pub pool: Option<Arc<str>>,
    /// Who may connect.
    pub access: Access,
    /// Peers whose `X-Forwarded-*` and `Forwarded` are believed (default: none).
    pub trusted_proxies: Vec<IpNet>,
    /// Whether to send `Forwarded` (RFC 7239) beside `X-Forwarded-*` (default false).
    pub forwarded: bool,
    /// Limits and timeouts of its connections.
    pub limits: Limits,
    /// `max_connections` at a time, over all workers, 1 to 1000000000; none (default): no limit. Beyond it: 503.
    pub max_connections: Option<u32>,
    /// `rate_limit` of its requests; none (default): no limit.
    pub rate_limit: Option<RateLimit>,
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

/// `allow` and `deny`, lists of addresses and CIDR blocks (default: empty). Deny wins; a non-empty `allow` denies everyone else.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Access {
    /// `allow`
    pub allow: Vec<IpNet>,
    /// `deny`
    pub deny: Vec<IpNet>,
}

/// `[[route]]`: all conditions must hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// `name`, unique (default: `route-N`, N its place in the file from 1).
    pub name: Arc<str>,
    /// Only for this listener; none: for all.
    pub listener: Option<Arc<str>>,
    /// `host`
    pub host: Option<HostPattern>,
    /// `path`
    pub path: PathPattern,
    /// `methods`, upper case; empty: any.
    pub methods: Vec<Arc<str>>,
    /// `query`: name to value; the value must be equal.
    pub query: Vec<(Arc<str>, Arc<str>)>,
    /// `headers`: name (lower case) to value; one value of the header must be equal.
    pub headers: Vec<(Arc<str>, Arc<str>)>,
    /// Who may use it; others get 403.
    pub access: Access,
    /// `max_body_size` in bytes, in place of the listener's.
    pub max_body_size: Option<u64>,
    /// `rate_limit` of the requests that it matches, beside the listener's; none (default): no limit.
    pub rate_limit: Option<RateLimit>,
    /// Where matching requests go, unless the router says otherwise.
    pub pool: Arc<str>,
    /// `router`; none (default): all go to `pool`.
    pub router: Option<RouterUse>,
}

/// `router = { plugin = "split", pools = ["api", "api-next"], percent = 5 }`
#[derive(Debug, Clone, PartialEq)]
pub struct RouterUse {
    /// The plugin that picks a pool.
    pub used: PluginUse,
    /// `pools` between which it picks, in the order that it is told; at least one, no two the same.
    pub pools: Vec<Arc<str>>,
}

/// `host`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostPattern {
    /// `api.example.com`, lower case.
    Exact(Arc<str>),
    /// `*.example.com`: any name below it (one or more labels); holds `example.com`.
    Below(Arc<str>),
}

/// `path` (a prefix) or `path_exact`: compared as sent, so percent-encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathPattern {
    /// On segment boundaries: `/v1` matches `/v1` and `/v1/x`, not `/v10`. `/` matches all (default).
    Prefix(Arc<str>),
    /// The whole path.
    Exact(Arc<str>),
}

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
}

/// The use of a plugin: `"p2c"` or `{ plugin = "p2c", key = "path", choices = 3 }`.
///
/// `secret` and `process` are in no settings: the host sets them.
#[derive(Debug, Clone, PartialEq)]
pub struct PluginUse {
    /// Name in `[plugin]` or of a built-in.
    pub plugin: Arc<str>,
    /// `key`: one or a list of key sources, in place of the plan's.
    pub keys: Vec<Key>,
    /// The plugin's settings with the inline ones merged over them key by key, as a JSON object.
    pub settings: serde_json::Map<String, serde_json::Value>,
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

/// `[plugin.NAME]`
#[derive(Debug, Clone, PartialEq)]
pub struct Plugin {
    /// `component`, relative to the configuration's folder; none: the built-in of this name.
    pub component: Option<PathBuf>,
    /// `settings`, as a JSON object (default: empty); dates and times are strings in it.
    pub settings: serde_json::Map<String, serde_json::Value>,
    /// `response_headers`: names besides `set-cookie` that its `bind` may add, lower case (default: none).
    /// None of them frames a message or is meant for one hop.
    pub response_headers: Vec<Arc<str>>,
    /// Limits of an instance.
    pub limits: PluginLimits,
    /// Whether it is replaced when the component's file changes (default false). Only with `component`.
    pub watch: bool,
    /// `shadow`: how long a new generation decides beside the old one, only compared, before it takes over
    /// (1 s to 1 h; none, the default or `false`: not at all).
    pub shadow: Option<Duration>,
    /// `probation`: how long after a swap the generation before is kept warm; it comes back by itself when the
    /// new one faults too often (default 30 s, 1 s to 1 h; `false`, none: not at all).
    pub probation: Option<Duration>,
    /// `breaker`: when a plugin that fails is left alone (default `true`; `false`, none: never).
    pub breaker: Option<BreakerPolicy>,
}

/// What a plugin of which the file says nothing has: built-ins, mostly.
impl Default for Plugin {
    fn default() -> Self {
        Self {
            component: None,
            settings: serde_json::Map::new(),
            response_headers: Vec::new(),
            limits: PluginLimits::default(),
            watch: false,
            shadow: None,
            probation: Some(Duration::from_secs(30)),
            breaker: Some(BreakerPolicy::default()),
        }
    }
}

/// `breaker = { faults = 10, window = "10s", delay = "1s", max_delay = "60s" }`: a plugin that has so many faults
/// within the window is not asked for a while; the fallback decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerPolicy {
    /// `faults` that open it (default 10, 1 to 1000000).
    pub faults: u32,
    /// `window` within which they are counted (default 10 s, 1 s to 1 h).
    pub window: Duration,
    /// `delay`: how long it stays open the first time; twice as long each further time in a row (default 1 s,
    /// 100 ms to 1 h).
    pub delay: Duration,
    /// `max_delay`: the longest that a delay grows to (default 60 s, or `delay` if that is more; up to 24 h).
    pub max_delay: Duration,
}

impl Default for BreakerPolicy {
    fn default() -> Self {
        Self {
            faults: 10,
            window: Duration::from_secs(10),
            delay: Duration::from_secs(1),
            max_delay: Duration::from_secs(60),
        }
    }
}

/// Limits of a plugin's instances. Deadlines are 1 ms to 60 s.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PluginLimits {
    /// `deadline`: processor time of one decision (default 5 ms).
    pub deadline: Duration,
    /// `update_deadline`: of one `update` or `adjust` (default 100 ms).
    pub update_deadline: Duration,
    /// `configure_deadline` (default 1 s; instantiation is within it).
    pub configure_deadline: Duration,
    /// `memory`: over all memories of an instance, in bytes (default 128 MiB, 64 KiB to 4 GiB).
    pub memory: usize,
    /// `table`: shared memory of the plugin, for each pool, in bytes (default 16 MiB, 64 KiB to 1 GiB).
    pub table: usize,
}

impl Default for PluginLimits {
    fn default() -> Self {
        Self {
            deadline: Duration::from_millis(5),
            update_deadline: Duration::from_millis(100),
            configure_deadline: Duration::from_secs(1),
            memory: 128 << 20,
            table: 16 << 20,
        }
    }
}

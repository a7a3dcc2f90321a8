//! Where requests go: `[[route]]`.

use std::sync::Arc;

use super::{Access, Answer, ErrorPages, HeaderRules, PluginUse, RateLimit};

/// `[[route]]`: all conditions must hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// `name`, unique (default: `route-N`, N its place in the file from 1).
    pub name: Arc<str>,
    /// It is for connections that are carried as they are: it has `sni`, or its listener carries them.
    pub carried: bool,
    /// Only for this listener; none: for all of HTTP, or with `sni` for all that carry connections.
    pub listener: Option<Arc<str>>,
    /// `sni`: the name that a client asks for in its TLS handshake; only of connections.
    pub sni: Option<HostPattern>,
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
    /// Where matching requests go, unless the router says otherwise; none: there is an `answer`.
    pub pool: Option<Arc<str>>,
    /// `router`; none (default): all go to `pool`.
    pub router: Option<RouterUse>,
    /// `redirect` or `respond`, in place of `pool`.
    pub answer: Option<Answer>,
    /// `strip_prefix`: what is taken off the front of the path on its way to a backend, without a slash at its end: `true`
    /// for the whole `path`, or a part of it. Backends learn it from `X-Forwarded-Prefix`. `Location` and cookies of
    /// responses stay as they are. (Default: nothing.)
    pub strip_prefix: Option<Arc<str>>,
    /// `add_prefix`: what is put there then, without a slash at its end (default: nothing).
    pub add_prefix: Option<Arc<str>>,
    /// `request_headers`, after the listener's (default: none).
    pub request_headers: HeaderRules,
    /// `response_headers`, after the listener's (default: none).
    pub response_headers: HeaderRules,
    /// `error_pages` (default: none), before those of the listener.
    pub error_pages: ErrorPages,
    /// `intercept_errors`, in place of the listener's.
    pub intercept_errors: Option<bool>,
}

/// `router = { plugin = "split", pools = ["api", "api-next"], percent = 5 }`
#[derive(Debug, Clone, PartialEq)]
pub struct RouterUse {
    /// The plugin that picks a pool.
    pub used: PluginUse,
    /// `pools` between which it picks, in the order that it is told; at least one, no two the same.
    pub pools: Vec<Arc<str>>,
}

/// `host` or `sni`
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

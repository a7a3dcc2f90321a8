//! What is changed of requests and responses on their way, and what is answered without a backend.

use std::path::PathBuf;
use std::sync::Arc;

use http::{HeaderName, HeaderValue, StatusCode};

/// `request_headers` and `response_headers`: `{ remove = ["x-a"], set = { x-b = "1" }, add = { x-c = "{host}" } }`.
/// In this order, whatever the order in the file: what is set replaces all values, what is added goes beside them.
/// Names that frame a message or belong to one connection cannot be named; `host` can be set in requests.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HeaderRules {
    /// `remove`
    pub remove: Vec<HeaderName>,
    /// `set`
    pub set: Vec<(HeaderName, Template)>,
    /// `add`
    pub add: Vec<(HeaderName, Template)>,
}

impl HeaderRules {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.set.is_empty() && self.add.is_empty()
    }
}

/// A text with variables in braces: `"https://{host}{path}{query}"`; `{{` and `}}` are braces.
#[derive(Debug, Clone, PartialEq)]
pub enum Template {
    /// Without any.
    Plain(HeaderValue),
    /// In this order.
    Parts(Arc<[Part]>),
}

/// A part of a [`Template`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// As it is.
    Text(Arc<str>),
    /// What a request has for it.
    Variable(Variable),
}

/// What a request has for `{name}`; nothing, where it has nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variable {
    /// `client-address`: after trusted proxies, without port; nothing for a Unix socket.
    ClientAddress,
    /// `client-port`
    ClientPort,
    /// `scheme`: `http` or `https`, as `X-Forwarded-Proto` has it for backends.
    Scheme,
    /// `host`: lower case, without port.
    Host,
    /// `method`
    Method,
    /// `path`: what routes match.
    Path,
    /// `rest`: the path behind the `path` of the route.
    Rest,
    /// `query`: with its `?`, or nothing.
    Query,
    /// `request-id`
    RequestId,
    /// `sni`: the name that the TLS handshake asked for.
    Sni,
    /// `listener`: its name.
    Listener,
    /// `route`: its name.
    Route,
    /// `backend`: the id of the one that the request goes to, or that the response comes from.
    Backend,
    /// `backend-address`: its address as configured.
    BackendAddress,
}

impl Variable {
    /// All, by name.
    pub const ALL: [(&'static str, Self); 14] = [
        ("client-address", Self::ClientAddress),
        ("client-port", Self::ClientPort),
        ("scheme", Self::Scheme),
        ("host", Self::Host),
        ("method", Self::Method),
        ("path", Self::Path),
        ("rest", Self::Rest),
        ("query", Self::Query),
        ("request-id", Self::RequestId),
        ("sni", Self::Sni),
        ("listener", Self::Listener),
        ("route", Self::Route),
        ("backend", Self::Backend),
        ("backend-address", Self::BackendAddress),
    ];
}

/// What a route says itself, in place of a pool.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// `redirect = "https://example.com{path}{query}"`, or `{ to = "…", status = 301 }`.
    Redirect {
        /// `to`: an `http` or `https` URL, or a path.
        to: Template,
        /// `status`: 301, 302, 303, 307 or 308 (default).
        status: StatusCode,
    },
    /// `respond = { status = 503, body = "back soon\n" }`, or with a `file`.
    Respond {
        /// `status`: 200 (default) to 599.
        status: StatusCode,
        /// `body` or `file`.
        content: Content,
    },
}

/// What is sent as a body.
#[derive(Debug, Clone, PartialEq)]
pub struct Content {
    /// Where it is.
    pub source: Source,
    /// `type`: the `Content-Type` (default: by the file's extension, else `text/plain; charset=utf-8`).
    pub kind: HeaderValue,
}

/// Where a body comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// `body`
    Text(Arc<str>),
    /// `file`: read when the configuration is loaded, at most 1 MiB.
    File(PathBuf),
}

/// `error_pages = { 404 = "404.html", 5xx = ["5xx.html", "5xx.json"], no-backend = "soon.html" }`: files in place of our
/// own short texts. Of several the client's `Accept` picks one. gRPC gets none. A reason goes before a status, and that
/// before a class; a route's page before a listener's, and that before one of `[server]`.
pub type ErrorPages = Vec<(Occasion, Vec<Content>)>;

/// When an error page is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Occasion {
    /// `no-backend`: what `x-trimtab-reason` says.
    Reason(&'static str),
    /// `404`
    Status(u16),
    /// `5xx`
    Class(u16),
}

/// All that `x-trimtab-reason` can say of an error.
pub const REASONS: [&str; 30] = [
    "bad-request",
    "bad-framing",
    "transfer-coding",
    "http-version",
    "expectation",
    "bad-path",
    "bad-host",
    "connect-method",
    "denied",
    "no-route",
    "header-timeout",
    "body-timeout",
    "body-too-large",
    "body-broken",
    "uri-too-long",
    "head-too-large",
    "refused-by-plugin",
    "no-backend",
    "rate-limited",
    "too-many-connections",
    "queue-full",
    "queue-timeout",
    "out-of-descriptors",
    "connect-error",
    "connect-timeout",
    "backend-reset",
    "response-timeout",
    "request-timeout",
    "bad-response",
    "no-upgrade",
];

/// `paths`: what becomes of paths that can be written in several ways. Routes match what comes out, and backends get
/// the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PathPolicy {
    /// `as-sent` (default): nothing. A backend that decodes paths may read another one than routes do, so do not keep
    /// anybody out of a path with it.
    #[default]
    AsSent,
    /// `normalise`: `/a/../b` and `//b` and `/%62` are `/b` (RFC 3986 §6.2.2, and slashes are merged). What stays unclear is
    /// refused: a backslash, an escape that is none, control characters, dots between escaped slashes. 400. A backend that reads `%2F` as a slash, or takes off what
    /// follows a `;`, may still read another path: to keep somebody out of one, use `strict`.
    Normalise,
    /// `strict`: what `normalise` would change is refused, and so are escaped slashes and `;`. 400.
    Strict,
}

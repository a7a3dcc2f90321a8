//! `[[route]]`.

use std::net::Ipv6Addr;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use http::Method;

use super::names::Names;
use super::plugin::Plugins;
use super::rules::{self, Way};
use super::table::Table;
use super::value::Value;
use super::{address, listener, rate, values};
use crate::config::report::{Finding, Sink};
use crate::config::{Answer, HeaderRules, HostPattern, Listener, ListenerProtocol, PathPattern, PathPolicy, Route};

/// A route, and where it is written.
pub(super) struct Written {
    pub(super) route: Route,
    header: Range<usize>,
}

/// What routes may name.
pub(super) struct Known<'a> {
    pub(super) plugins: &'a Plugins<'a>,
    pub(super) pools: &'a Names,
    /// Of listeners.
    pub(super) names: &'a Names,
    /// Those without errors.
    pub(super) listeners: &'a [listener::Written],
    pub(super) folder: &'a Path,
}

/// `[[route]]`, the `number`th of the file. Its name is declared even when something else is wrong with it.
pub(super) fn route(mut table: Table<'_>, number: usize, known: &Known<'_>, routes: &mut Names) -> Option<Written> {
    let Known { plugins, pools, names, listeners, folder } = known;
    let header = table.span();
    let name = match table.take("name") {
        Some(value) => {
            value.string("a name in quotes", "api").map(|text| routes.declare(text, value.span(), value.sink()))
        }
        None => Some(routes.declare(&format!("route-{number}"), header.clone(), table.sink())),
    };
    let listener = table.optional("listener", |value| names.resolve(value));
    let carried = carried(&mut table, listener.as_ref(), listeners);
    // Outer none: they have errors.
    let answer = answer(&mut table, folder);
    let pool = match &answer {
        Some(None) => table.required("pool", "pool = \"NAME\"", |value| pools.resolve(value)).map(Some),
        _ => Some(None),
    };
    // As before.
    let router = match table.take("router") {
        Some(value) => plugins.router(value, pools).map(Some),
        None => Some(None),
    };
    let path = path(&mut table);
    let prefix = match &path {
        PathPattern::Prefix(path) | PathPattern::Exact(path) => Arc::clone(path),
    };
    let route = Route {
        name: name.clone().unwrap_or_else(|| "".into()),
        carried,
        listener,
        sni: table.optional("sni", host),
        host: table.optional("host", host),
        path,
        methods: table.or("methods", Vec::new(), methods),
        query: table.optional("query", |value| values::texts(value, query_name)).unwrap_or_default(),
        headers: table.optional("headers", |value| values::texts(value, values::header_name)).unwrap_or_default(),
        access: address::access(&mut table),
        max_body_size: table.optional("max_body_size", values::size(0..=u64::MAX)),
        rate_limit: table.optional("rate_limit", rate::rate_limit),
        pool: pool.clone().flatten(),
        router: None,
        answer: answer.clone().flatten(),
        strip_prefix: table
            .optional("strip_prefix", |value| rules::strip_prefix(value, &prefix))
            .filter(|prefix| !prefix.is_empty()),
        add_prefix: table.or("add_prefix", None, values::or_false(rules::add_prefix)),
        request_headers: table.or("request_headers", HeaderRules::default(), rules::headers(Way::Request)),
        response_headers: table.or("response_headers", HeaderRules::default(), rules::headers(Way::Response)),
        error_pages: table.or("error_pages", Vec::new(), |value| rules::error_pages(value, folder)),
        intercept_errors: table.optional("intercept_errors", |value| value.boolean()),
    };
    table.finish();
    let (_, _, _, router) = (name?, answer?, pool?, router?);
    Some(Written { route: Route { router, ..route }, header })
}

/// Keys of a route that mean something to requests only.
const OF_REQUESTS: [&str; 15] = [
    "host",
    "path",
    "path_exact",
    "methods",
    "query",
    "headers",
    "max_body_size",
    "redirect",
    "respond",
    "strip_prefix",
    "add_prefix",
    "request_headers",
    "response_headers",
    "error_pages",
    "intercept_errors",
];

/// Whether the route is for connections that are carried as they are, and then has nothing that is for requests.
fn carried(table: &mut Table<'_>, listener: Option<&Arc<str>>, listeners: &[listener::Written]) -> bool {
    let listener = listener.and_then(|name| listeners.iter().find(|written| written.listener.name == *name));
    let speaks = listener.map(|written| &written.listener.protocol);
    let sni = table.take("sni");
    if let (Some(sni), Some(ListenerProtocol::Http)) = (sni, speaks) {
        let _: Option<()> = sni.reject_with(
            "`sni` is of connections that are carried as they are, and this listener speaks HTTP",
            "compare the `host` of requests",
        );
        return false;
    }
    if let (Some(sni), Some(ListenerProtocol::Tcp(_))) = (sni, speaks)
        && listener.is_some_and(|written| written.listener.tls.is_none() && written.listener.proxy_protocol.is_none())
    {
        let _: Option<()> = sni.reject_with(
            "no client of this listener says a name: it speaks TCP without TLS",
            "add `certificates` to the listener, or write `protocol = \"tls-passthrough\"` there",
        );
    }
    if let (Some(sni), Some(ListenerProtocol::Udp { .. })) = (sni, speaks) {
        let _: Option<()> = sni.reject_with("no client of this listener says a name: it has datagrams", "remove `sni`");
    }
    let is_carried = sni.is_some() || speaks.is_some_and(|protocol| protocol.carried().is_some());
    for key in if is_carried { &OF_REQUESTS[..] } else { &[] } {
        if let Some(value) = table.take(key) {
            let message =
                format!("`{key}` is of requests, and this route is for connections that are carried as they are");
            let _: Option<()> = value.reject_with(message, format_args!("remove `{key}`"));
        }
    }
    is_carried
}

/// `redirect` or `respond`, and then nothing that is for a pool. None: it has errors.
fn answer(table: &mut Table<'_>, folder: &Path) -> Option<Option<Answer>> {
    let written = [table.take("redirect"), table.take("respond")];
    let first = match written {
        [None, None] => return Some(None),
        [Some(_), Some(second)] => {
            return second.reject_with("a route has either `redirect` or `respond`", "remove one of them");
        }
        [redirect, respond] => redirect.or(respond)?,
    };
    for key in ["pool", "router", "strip_prefix", "add_prefix", "request_headers"] {
        if let Some(value) = table.take(key) {
            let finding = Finding::error(
                value.span(),
                format_args!("nothing of this route goes to a backend, so `{key}` means nothing"),
            );
            table.sink().push(
                finding
                    .related(first.span(), format_args!("`{}` answers it", first.key()))
                    .help(format_args!("remove `{key}`")),
            );
        }
    }
    match first.key() {
        "redirect" => rules::redirect(first),
        _ => rules::respond(first, folder),
    }
    .map(Some)
}

/// `api.example.com`, or `*.example.com`; lower case, without port.
fn host(value: Value<'_>) -> Option<HostPattern> {
    let text = value.string("a host name", "api.example.com")?;
    let lower = text.to_ascii_lowercase();
    let lower = lower.strip_suffix('.').unwrap_or(&lower);
    if let Some(below) = lower.strip_prefix("*.").filter(|below| address::is_name(below)) {
        return Some(HostPattern::Below(below.into()));
    }
    let bracketed = lower.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if address::is_name(lower) || bracketed.is_some_and(|inner| inner.parse::<Ipv6Addr>().is_ok()) {
        return Some(HostPattern::Exact(lower.into()));
    }
    let key = value.key();
    let problem = format!("`{key}` cannot be \"{text}\"");
    match lower.rsplit_once(':') {
        _ if lower == "*" => value.reject_with(problem, format_args!("leave `{key}` out to match every name")),
        _ if lower.parse::<Ipv6Addr>().is_ok() => value.reject_with(problem, format_args!("write `\"[{lower}]\"`")),
        _ if lower.contains("://") => value.reject_with(problem, "write the name alone, such as `\"api.example.com\"`"),
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => {
            value.reject_with(problem, format_args!("names are compared without port: write `\"{name}\"`"))
        }
        _ if lower.contains('*') => {
            value.reject_with(problem, "`*` stands only before the first dot: `\"*.example.com\"`")
        }
        _ => value.reject_with(problem, "write a name such as `\"api.example.com\"` or `\"*.example.com\"`"),
    }
}

/// `path` or `path_exact`; without either, all paths.
fn path(table: &mut Table<'_>) -> PathPattern {
    let [prefix, exact] = ["path", "path_exact"].map(|key| table.take(key));
    if let (Some(prefix), Some(exact)) = (prefix, exact) {
        let finding =
            Finding::error(exact.span(), "a route has either `path` or `path_exact`").help("remove one of them");
        table.sink().push(finding.related(prefix.span(), "`path` is here"));
    }
    let prefix = prefix.and_then(path_text).map(PathPattern::Prefix);
    exact.and_then(path_text).map(PathPattern::Exact).or(prefix).unwrap_or_else(|| PathPattern::Prefix("/".into()))
}

fn path_text(value: Value<'_>) -> Option<Arc<str>> {
    let text = value.string("a path", "/v1")?;
    let key = value.key();
    if !text.starts_with('/') {
        let help = format!("write `\"/{}\"`", text.trim_end_matches('*'));
        return value.reject_with(format_args!("`{key}` must begin with `/`"), help);
    }
    if text.ends_with("/*") {
        let help = format!("`path` is a prefix: write `path = \"{}\"`", text.trim_end_matches('*'));
        return value.reject_with(format_args!("`{key}` knows no `*`"), help);
    }
    if let Some(wrong) = text.chars().find(|c| !c.is_ascii_graphic() || matches!(c, '?' | '#')) {
        let help = match wrong {
            '?' => "compare the query with `query = { name = \"value\" }`",
            _ => "paths are compared as they are sent: write such characters percent-encoded",
        };
        return value.reject_with(format_args!("`{key}` cannot hold {wrong:?}"), help);
    }
    Some(text.into())
}

/// Any method names, standard or not.
fn methods(value: Value<'_>) -> Option<Vec<Arc<str>>> {
    let one = |value: Value<'_>| -> Option<Arc<str>> {
        let text = value.string("a list of methods", "GET")?;
        match Method::from_bytes(text.as_bytes()) {
            Ok(_) => Some(text.to_ascii_uppercase().into()),
            Err(_) => value.reject_with(format_args!("\"{text}\" is no method"), "write one such as `\"GET\"`"),
        }
    };
    let example = format!("[\"{}\"]", value.raw().as_str().unwrap_or("GET"));
    value.list("a list of methods", &example)?.map(one).collect::<Vec<_>>().into_iter().collect()
}

fn query_name(name: &str, value: Value<'_>) -> Option<Arc<str>> {
    match name.contains(['&', '=', '#']) || name.is_empty() {
        false => Some(name.into()),
        true => value.reject(format_args!("no name in a query can be \"{name}\"")),
    }
}

/// Warns of routes that keep somebody out of a path which can be written in another way.
pub(super) fn warn_of_ways_around<'a>(routes: &[Written], listeners: impl Iterator<Item = &'a Listener>, sink: &Sink) {
    let lax: Vec<_> = listeners.filter(|listener| listener.paths != PathPolicy::Strict).collect();
    for Written { route, header } in routes {
        let is_all = matches!(&route.path, PathPattern::Prefix(path) if &**path == "/");
        let listener = lax.iter().find(|listener| route.listener.as_ref().is_none_or(|name| *name == listener.name));
        if let (false, false, false, Some(listener)) = (route.carried, is_all, route.access.is_open(), listener) {
            let message = "this route keeps clients out of a path that they can write in other ways";
            let example = match listener.paths {
                PathPolicy::Normalise => "backends may read `%2F` as a slash, and take off what follows a `;`: use",
                _ => "add",
            };
            let help = format!("{example} `paths = \"strict\"` on the listener `{}`", listener.name);
            sink.push(Finding::warning(header.clone(), message).help(help));
        }
    }
}

/// Warns of routes with the same conditions as an earlier one: file order lets the first win.
pub(super) fn warn_of_repeats(routes: &[Written], sink: &Sink) {
    let conditions = |written: &Written| {
        let Route { carried, listener, sni, host, path, methods, query, headers, .. } = written.route.clone();
        (carried, listener, sni, host, path, methods, query, headers)
    };
    for (i, this) in routes.iter().enumerate() {
        if let Some(first) = routes[..i].iter().find(|first| conditions(first) == conditions(this)) {
            let finding =
                Finding::warning(this.header.clone(), "nothing reaches this route: an earlier one matches the same");
            sink.push(finding.related(first.header.clone(), "this one wins"));
        }
    }
}

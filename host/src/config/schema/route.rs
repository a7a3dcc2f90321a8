//! `[[route]]`.

use std::net::Ipv6Addr;
use std::ops::Range;
use std::sync::Arc;

use http::Method;

use super::names::Names;
use super::plugin::Plugins;
use super::table::Table;
use super::value::Value;
use super::{address, rate, values};
use crate::config::report::{Finding, Sink};
use crate::config::{HostPattern, PathPattern, Route};

/// A route, and where it is written.
pub(super) struct Written {
    pub(super) route: Route,
    header: Range<usize>,
}

/// What routes may name.
pub(super) struct Known<'a> {
    pub(super) plugins: &'a Plugins<'a>,
    pub(super) pools: &'a Names,
    pub(super) listeners: &'a Names,
}

/// `[[route]]`, the `number`th of the file. Its name is declared even when something else is wrong with it.
pub(super) fn route(mut table: Table<'_>, number: usize, known: &Known<'_>, routes: &mut Names) -> Option<Written> {
    let Known { plugins, pools, listeners } = known;
    let header = table.span();
    let name = match table.take("name") {
        Some(value) => {
            value.string("a name in quotes", "api").map(|text| routes.declare(text, value.span(), value.sink()))
        }
        None => Some(routes.declare(&format!("route-{number}"), header.clone(), table.sink())),
    };
    let pool = table.required("pool", "pool = \"NAME\"", |value| pools.resolve(value));
    // Outer none: it has errors.
    let router = match table.take("router") {
        Some(value) => plugins.router(value, pools).map(Some),
        None => Some(None),
    };
    let route = Route {
        name: name.clone().unwrap_or_else(|| "".into()),
        listener: table.optional("listener", |value| listeners.resolve(value)),
        host: table.optional("host", host),
        path: path(&mut table),
        methods: table.or("methods", Vec::new(), methods),
        query: table.optional("query", |value| values::texts(value, query_name)).unwrap_or_default(),
        headers: table.optional("headers", |value| values::texts(value, values::header_name)).unwrap_or_default(),
        access: address::access(&mut table),
        max_body_size: table.optional("max_body_size", values::size(0..=u64::MAX)),
        rate_limit: table.optional("rate_limit", rate::rate_limit),
        pool: pool.clone().unwrap_or_else(|| "".into()),
        router: None,
    };
    table.finish();
    let (_, _, router) = (name?, pool?, router?);
    Some(Written { route: Route { router, ..route }, header })
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
    let problem = format!("`host` cannot be \"{text}\"");
    match lower.rsplit_once(':') {
        _ if lower == "*" => value.reject_with(problem, "leave `host` out to match every host"),
        _ if lower.parse::<Ipv6Addr>().is_ok() => value.reject_with(problem, format_args!("write `\"[{lower}]\"`")),
        _ if lower.contains("://") => value.reject_with(problem, "write the name alone, such as `\"api.example.com\"`"),
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => {
            value.reject_with(problem, format_args!("hosts are compared without port: write `\"{name}\"`"))
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

/// Warns of routes with the same conditions as an earlier one: file order lets the first win.
pub(super) fn warn_of_repeats(routes: &[Written], sink: &Sink) {
    let conditions = |written: &Written| {
        let Route { listener, host, path, methods, query, headers, .. } = written.route.clone();
        (listener, host, path, methods, query, headers)
    };
    for (i, this) in routes.iter().enumerate() {
        if let Some(first) = routes[..i].iter().find(|first| conditions(first) == conditions(this)) {
            let finding =
                Finding::warning(this.header.clone(), "nothing reaches this route: an earlier one matches the same");
            sink.push(finding.related(first.header.clone(), "this one wins"));
        }
    }
}

//! How a pool's backends are checked: `health`.
//!
//! Only what may be written; who checks is not known here.

use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::uri::{Authority, PathAndQuery};
use http::{HeaderName, HeaderValue, header};
use toml::de::DeValue;

use super::table::Table;
use super::value::Value;
use super::{proxy_protocol, tls, values};
use crate::config::report::Finding;
use crate::config::{GrpcProbe, Health, HttpProbe, Probe, ProxyVersion, Question};

/// What an interval may be. A shorter one would be load and not a check.
const INTERVAL: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(60 * 60);
const EXAMPLE: &str = "`{ http = \"/healthz\" }`, `{ tcp = true }` or `{ grpc = \"\" }`";
/// Headers that say how a check is sent, and how to set them where that is possible.
const SET_BY_HOST: [(HeaderName, &str); 4] = [
    (header::HOST, "write `host = \"…\"` beside `headers`"),
    (header::CONNECTION, "remove it"),
    (header::CONTENT_LENGTH, "remove it: a check has no body"),
    (header::TRANSFER_ENCODING, "remove it: a check has no body"),
];

/// `{ http = "/healthz", interval = "2s", rise = 2, fall = 3 }`; `of_pool` is the pool's `proxy_protocol`.
pub(super) fn health(value: Value<'_>, of_pool: Option<ProxyVersion>, folder: &Path) -> Option<Health> {
    let DeValue::Table(_) = value.raw() else {
        return value.wrong_type("a table", format_args!("write {EXAMPLE}"));
    };
    let mut table = value.table("`health = { … }`")?;
    let probe = probe(&mut table);
    let interval = table.or("interval", Duration::from_secs(2), values::duration(INTERVAL));
    let second = Duration::from_secs(1).min(interval);
    let [fast_interval, timeout] = ["fast_interval", "timeout"].map(|key| {
        let written = table.take(key);
        let read = written.map_or(Some(second), values::duration(INTERVAL));
        if let (Some(written), Some(read)) = (written, read)
            && read > interval
        {
            let message = format!("`{key}` is longer than `interval` ({})", humantime::format_duration(interval));
            return written.reject_with(message, "checks of one backend do not overlap: make `interval` longer");
        }
        read
    });
    let jitter = table.or("jitter", 10, values::percent(0..=100));
    let rise = table.or("rise", 2, values::whole(1..=1000));
    let fall = table.or("fall", 3, values::whole(1..=1000));
    let port = table.optional("port", values::whole(1..=65_535));
    let initially_down = table.or("initial", false, values::word(&[("ready", false), ("down", true)]));
    let tls = table.or("tls", None, |value| tls::tls(value, folder));
    let of_pool = of_pool.filter(|_| port.is_none());
    let proxy_protocol = table.or("proxy_protocol", of_pool, proxy_protocol::sent);
    table.finish();
    let question = Question { probe: probe?, port, tls, proxy_protocol, timeout: timeout? };
    Some(Health { question, interval, fast_interval: fast_interval?, jitter, rise, fall, initially_down })
}

fn probe(table: &mut Table<'_>) -> Option<Probe> {
    let [http, tcp, grpc] = ["http", "tcp", "grpc"].map(|key| table.take(key));
    let written: Vec<_> = [http, tcp, grpc].into_iter().flatten().collect();
    match written[..] {
        [] => {
            let finding = Finding::error(table.span(), "this check asks nothing");
            table.sink().push(finding.absence().help(format_args!("write one of {EXAMPLE}")));
        }
        [first, second, ..] => {
            let message = format!("a check is one of `http`, `tcp` and `grpc`, not `{}` and this", first.key());
            let finding = Finding::error(second.span(), message).related(first.span(), "the first is here");
            table.sink().push(finding.help("remove one of them"));
        }
        [_] => {}
    }
    let asks_http = http.is_some();
    let method = of_http(table, "method", asks_http, values::word(&[("GET", false), ("HEAD", true)])).unwrap_or(false);
    let expect_status = of_http(table, "expect_status", asks_http, statuses).unwrap_or_else(|| vec![200..=399]);
    let body_written = of_http(table, "expect_body", asks_http, |value| Some((value, text(value)?)));
    if let (true, Some((value, _))) = (method, &body_written) {
        value.reject_with::<()>("the response to a HEAD has no body", "remove `expect_body`, or `method = \"HEAD\"`");
    }
    let expect_body = body_written.map(|(_, text)| text);
    let has_head = asks_http || grpc.is_some() || written.is_empty();
    let host = of(table, "host", has_head, "an HTTP or gRPC check", host);
    let headers = of(table, "headers", has_head, "an HTTP or gRPC check", headers).unwrap_or_default();
    if let Some(value) = http {
        return Some(Probe::Http(HttpProbe {
            path: path(value)?,
            head: method,
            host,
            headers,
            expect_status,
            expect_body,
        }));
    }
    if let Some(value) = grpc {
        let service = value.string("the name of a service", "shop.Cart")?.into();
        return Some(Probe::Grpc(GrpcProbe { service, host, headers }));
    }
    match tcp?.boolean()? {
        true => Some(Probe::Tcp),
        false => tcp?.reject_with("this check asks nothing", format_args!("write one of {EXAMPLE}")),
    }
}

/// A key that only HTTP checks have.
fn of_http<'a, T>(
    table: &mut Table<'a>,
    key: &'static str,
    asks_http: bool,
    read: impl FnOnce(Value<'a>) -> Option<T>,
) -> Option<T> {
    of(table, key, asks_http, "an HTTP check", read)
}

/// A key that only some checks have.
fn of<'a, T>(
    table: &mut Table<'a>,
    key: &'static str,
    belongs: bool,
    whose: &str,
    read: impl FnOnce(Value<'a>) -> Option<T>,
) -> Option<T> {
    let value = table.take(key)?;
    if !belongs {
        return value
            .reject_with(format_args!("`{key}` belongs to {whose}"), "remove it, or write `http = \"/healthz\"`");
    }
    read(value)
}

fn path(value: Value<'_>) -> Option<Arc<str>> {
    let text = value.string("a path", "/healthz")?;
    if text.starts_with('/') && text.parse::<PathAndQuery>().is_ok_and(|parsed| parsed.as_str() == text) {
        return Some(text.into());
    }
    let help = match text.split_once("://").map(|(_, rest)| rest.split_once('/')) {
        Some(Some((_, path))) => format!("write `\"/{path}\"`: the address is the backend's"),
        _ => "write a path that begins with `/`, such as `\"/healthz\"`, percent-encoded where it must be".to_owned(),
    };
    value.reject_with(format_args!("\"{text}\" is no path"), help)
}

fn host(value: Value<'_>) -> Option<Arc<str>> {
    let text = value.string("a host's name", "app.internal")?;
    match text.parse::<Authority>() {
        Ok(authority) if !authority.as_str().contains('@') => Some(text.into()),
        _ => value.reject_with(format_args!("\"{text}\" is no host"), "write a name, such as `\"app.internal\"`"),
    }
}

fn headers(value: Value<'_>) -> Option<Vec<(Arc<str>, Arc<str>)>> {
    values::texts(value, |name, value| {
        let name = values::header_name(name, value)?;
        if let Some((_, help)) = SET_BY_HOST.iter().find(|(known, _)| *known == *name) {
            return value.reject_with(format_args!("a check sets `{name}` itself"), help);
        }
        match value.raw().as_str().is_none_or(|text| HeaderValue::from_str(text).is_ok()) {
            true => Some(name),
            false => value.reject(format_args!("`{name}` must not hold line breaks or control characters")),
        }
    })
}

fn text(value: Value<'_>) -> Option<Arc<str>> {
    match value.string("a text in quotes", "ok")? {
        "" => value.reject_with("every body contains an empty text", "remove it, or write what must be in the body"),
        text => Some(text.into()),
    }
}

/// A status, a range of them, or a list of both.
fn statuses(value: Value<'_>) -> Option<Vec<RangeInclusive<u16>>> {
    match value.raw() {
        DeValue::Array(elements) if elements.is_empty() => {
            value.reject_with("`expect_status` names no status", "write one, such as `200`, or remove the key")
        }
        DeValue::Array(_) => {
            let ranges: Vec<_> = value.list("a list of statuses", "[200]")?.map(range).collect();
            ranges.into_iter().collect()
        }
        _ => Some(vec![range(value)?]),
    }
}

fn range(value: Value<'_>) -> Option<RangeInclusive<u16>> {
    const HELP: &str = "write a number, such as `200`, or a range, such as `\"200-299\"`";
    let bounds = match value.raw() {
        DeValue::Integer(_) => values::whole(100..=599)(value).map(|status: u16| (status, status))?,
        DeValue::String(text) => {
            let (low, high) = text.split_once('-').unwrap_or((text, text));
            match (low.trim().parse(), high.trim().parse()) {
                (Ok(low), Ok(high)) => (low, high),
                _ => return value.reject_with(format_args!("\"{text}\" is no range of statuses"), HELP),
            }
        }
        _ => return value.wrong_type("a status or a range of them", HELP),
    };
    match bounds {
        (low, high) if low <= high && low >= 100 && high <= 599 => Some(low..=high),
        (low, high) => value.reject_with(format_args!("{low}-{high} is no range from 100 to 599"), HELP),
    }
}

//! What is changed of requests and responses: `request_headers`, `response_headers`, `redirect`, `respond`,
//! `error_pages`.
//!
//! Only what may be written; the files that are named are not touched here.

use std::path::Path;
use std::sync::Arc;

use http::StatusCode;
use http::header::{self, HeaderName, HeaderValue};
use toml::de::DeValue;

use super::suggest::suggest;
use super::table::Table;
use super::value::{Value, number};
use super::{path, values};
use crate::config::{Answer, Content, ErrorPages, HeaderRules, Occasion, Part, REASONS, Source, Template, Variable};

/// Names that frame a message, or belong to one connection: what becomes of them is not a matter of rules.
const UNTOUCHABLE: [HeaderName; 10] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::TE,
    header::TRAILER,
    header::UPGRADE,
    header::EXPECT,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("http2-settings"),
];

/// Which way a message goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Request,
    Response,
}

/// `{ remove = ["x-a"], set = { x-b = "1" }, add = { x-c = "2" } }`
pub(super) fn headers(way: Way) -> impl Fn(Value<'_>) -> Option<HeaderRules> {
    move |value| {
        let mut table = value.table(format!("`{} = {{ set = {{ name = \"value\" }} }}`", value.key()))?;
        let rules = HeaderRules {
            remove: table.or("remove", Vec::new(), names),
            set: table.or("set", Vec::new(), |value| pairs(value, way, true)),
            add: table.or("add", Vec::new(), |value| pairs(value, way, false)),
        };
        table.finish();
        Some(rules)
    }
}

fn names(value: Value<'_>) -> Option<Vec<HeaderName>> {
    let one = |value: Value<'_>| name(value.string("a list of names", "x-powered-by")?, value, false);
    value.list("a list of names", "[\"x-powered-by\"]")?.map(one).collect::<Vec<_>>().into_iter().collect()
}

fn pairs(value: Value<'_>, way: Way, is_set: bool) -> Option<Vec<(HeaderName, Template)>> {
    let table = value.table(format!("`{} = {{ name = \"value\" }}`", value.key()))?;
    let pairs = table.entries().map(|(written, _, value)| {
        let template = template(value);
        Some((name(written, value, way == Way::Request && is_set)?, template?))
    });
    pairs.collect::<Vec<_>>().into_iter().collect()
}

fn name(text: &str, value: Value<'_>, may_be_host: bool) -> Option<HeaderName> {
    let known = values::header_name(text, value)?;
    let name = HeaderName::from_bytes(known.as_bytes()).ok()?;
    if UNTOUCHABLE.contains(&name) {
        return value
            .reject_with(format_args!("`{name}` is not a matter of rules"), "it belongs to one connection: remove it");
    }
    if name == header::HOST && !may_be_host {
        return value.reject_with(
            "`host` cannot be added or removed",
            "a request has one `host`: write `request_headers = { set = { host = \"…\" } }`",
        );
    }
    Some(name)
}

/// A text with variables.
pub(super) fn template(value: Value<'_>) -> Option<Template> {
    let text = value.string("a string", "{client-address}")?;
    if !text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t')) {
        return value.reject_with(
            format_args!("`{}` holds what a header cannot", value.key()),
            "write visible ASCII and spaces",
        );
    }
    let mut parts = Vec::new();
    let (mut plain, mut rest) = (String::new(), text);
    while let Some(at) = rest.find(['{', '}']) {
        let (before, behind) = rest.split_at(at);
        plain.push_str(before);
        if let Some(behind) = behind.strip_prefix("{{").or_else(|| behind.strip_prefix("}}")) {
            plain.push_str(&rest[at..=at]);
            rest = behind;
            continue;
        }
        let inner = behind.strip_prefix('{').and_then(|inner| inner.split_once('}'));
        let Some((name, behind)) = inner else {
            return value.reject_with(
                format_args!("`{}` has a brace without its other half", value.key()),
                "write `{{` or `}}` for a brace",
            );
        };
        let Some((_, variable)) = Variable::ALL.iter().find(|(known, _)| *known == name) else {
            let known = Variable::ALL.map(|(name, _)| name);
            return value.reject_with(
                format_args!("there is no variable `{{{name}}}`"),
                suggest(name, &known, "variables are"),
            );
        };
        if !plain.is_empty() {
            parts.push(Part::Text(std::mem::take(&mut plain).into()));
        }
        parts.push(Part::Variable(*variable));
        rest = behind;
    }
    plain.push_str(rest);
    if parts.is_empty() {
        return HeaderValue::from_str(&plain).ok().map(Template::Plain);
    }
    if !plain.is_empty() {
        parts.push(Part::Text(plain.into()));
    }
    Some(Template::Parts(parts.into()))
}

/// `"https://example.com{path}"`, or `{ to = "…", status = 301 }`.
pub(super) fn redirect(value: Value<'_>) -> Option<Answer> {
    let permanent = StatusCode::PERMANENT_REDIRECT;
    if let DeValue::String(_) = value.raw() {
        return Some(Answer::Redirect { to: location(value)?, status: permanent });
    }
    let mut table = value.table("`redirect = { to = \"https://example.com{path}\" }`")?;
    let to = table.required("to", "to = \"https://example.com{path}{query}\"", location);
    let status = table.or("status", permanent, |value| match value.raw() {
        DeValue::Integer(written) => match number(written) {
            Some(status @ (301 | 302 | 303 | 307 | 308)) => StatusCode::from_u16(status as u16).ok(),
            _ => value.reject_with(
                "a redirect has a status of 301, 302, 303, 307 or 308",
                "write `308`, or `307` if it may change",
            ),
        },
        _ => value.wrong_type("a status", "write `308`"),
    });
    table.finish();
    Some(Answer::Redirect { to: to?, status })
}

/// Where a redirect leads: what a client sends must not decide about the host, unless it is the one it asks for.
fn location(value: Value<'_>) -> Option<Template> {
    let text = value.string("a URL or a path", "https://example.com{path}{query}")?;
    let behind_scheme = ["http://", "https://", "{scheme}://"].iter().find_map(|scheme| text.strip_prefix(scheme));
    let names_host = behind_scheme.is_some_and(|rest| {
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        // A path begins with a slash, so it cannot go on with the host.
        let plain = host.replace("{host}", "h").replace("{sni}", "h");
        let plain = ["{path}", "{rest}", "{query}"]
            .iter()
            .fold(plain.as_str(), |plain, end| plain.split(end).next().unwrap_or_default());
        !plain.is_empty() && !plain.contains(['{', '@', '\\', ' '])
    });
    let is_path =
        text.starts_with('/') && !text.starts_with("//") && !text.starts_with("/\\") || text.starts_with("{path}");
    if names_host || is_path {
        return template(value);
    }
    value.reject_with(
        format_args!("\"{text}\" is nowhere to go to"),
        "write a URL such as `\"https://example.com{path}{query}\"`, or a path such as `\"/new{rest}\"`",
    )
}

/// `{ status = 503, body = "back soon\n" }`, or with a file.
pub(super) fn respond(value: Value<'_>, folder: &Path) -> Option<Answer> {
    let mut table = value.table("`respond = { status = 503, body = \"back soon\" }`")?;
    let status = table.or("status", 200, values::whole::<u16>(200..=599));
    let [body, file] = ["body", "file"].map(|key| table.take(key));
    let kind = table.optional("type", kind);
    let (span, sink) = (table.span(), table.sink());
    table.finish();
    let source = match (body, file) {
        (Some(_), Some(file)) => return file.reject_with("a response has a `body` or a `file`", "remove one of them"),
        (Some(body), None) => Source::Text(body.string("a string", "back soon\\n")?.into()),
        (None, Some(file)) => Source::File(path(file, folder)?),
        (None, None) => Source::Text("".into()),
    };
    let Ok(status) = StatusCode::from_u16(status) else { return None };
    let has_content = !matches!(&source, Source::Text(text) if text.is_empty());
    if has_content && matches!(status.as_u16(), 204 | 205 | 304) {
        let finding =
            crate::config::report::Finding::error(span, format_args!("a response of {} has no body", status.as_u16()));
        sink.push(finding.help("remove the body, or write another status"));
        return None;
    }
    let kind = kind.unwrap_or_else(|| by_extension(&source));
    Some(Answer::Respond { status, content: Content { source, kind } })
}

fn kind(value: Value<'_>) -> Option<HeaderValue> {
    let text = value.string("a media type", "text/html; charset=utf-8")?;
    match HeaderValue::from_str(text) {
        Ok(kind) if text.contains('/') && text.is_ascii() => Some(kind),
        _ => value.reject_with(format_args!("\"{text}\" is no media type"), "write one such as `\"text/html\"`"),
    }
}

fn by_extension(source: &Source) -> HeaderValue {
    let extension = match source {
        Source::File(file) => file.extension().and_then(|extension| extension.to_str()).unwrap_or_default(),
        Source::Text(_) => "",
    };
    HeaderValue::from_static(match extension {
        "html" | "htm" => "text/html; charset=utf-8",
        "json" => "application/json",
        "xml" => "application/xml",
        "svg" => "image/svg+xml",
        _ => "text/plain; charset=utf-8",
    })
}

/// `{ 404 = "404.html", 5xx = ["5xx.html", "5xx.json"], no-backend = "soon.html" }`
pub(super) fn error_pages(value: Value<'_>, folder: &Path) -> Option<ErrorPages> {
    let table = value.table("`error_pages = { 404 = \"404.html\" }`")?;
    let pages = table.entries().map(|(name, _, value)| {
        let occasion = occasion(name, value);
        let contents = contents(value, folder);
        Some((occasion?, contents?))
    });
    pages.collect::<Vec<_>>().into_iter().collect()
}

fn occasion(name: &str, value: Value<'_>) -> Option<Occasion> {
    let problem = || format!("there is no error `{name}`");
    match (name, name.parse::<u16>()) {
        ("4xx", _) => Some(Occasion::Class(4)),
        ("5xx", _) => Some(Occasion::Class(5)),
        (_, Ok(status @ 400..=599)) => Some(Occasion::Status(status)),
        (_, Ok(_)) => value.reject_with(problem(), "write a status from 400 to 599"),
        _ => match REASONS.iter().find(|reason| **reason == name) {
            Some(reason) => Some(Occasion::Reason(reason)),
            None => value.reject_with(problem(), suggest(name, &REASONS, "write a status, `4xx`, `5xx`, or a reason:")),
        },
    }
}

fn contents(value: Value<'_>, folder: &Path) -> Option<Vec<Content>> {
    let one = |value: Value<'_>| -> Option<Content> {
        if let DeValue::Table(_) = value.raw() {
            let mut table: Table<'_> = value.table("`{ file = \"404.html\" }`")?;
            let file = table.required("file", "file = \"404.html\"", |value| path(value, folder));
            let kind = table.optional("type", kind);
            table.finish();
            let source = Source::File(file?);
            return Some(Content { kind: kind.unwrap_or_else(|| by_extension(&source)), source });
        }
        let source = Source::File(path(value, folder)?);
        Some(Content { kind: by_extension(&source), source })
    };
    match value.raw() {
        DeValue::Array(files) if files.is_empty() => value.reject("an error page is a file, or a list of files"),
        DeValue::Array(_) => {
            value.list("a list of files", "[\"404.html\"]")?.map(one).collect::<Vec<_>>().into_iter().collect()
        }
        _ => one(value).map(|content| vec![content]),
    }
}

/// `"/v1"`, or `true` for the whole `path` of the route; what is taken off is a part of that.
pub(super) fn strip_prefix(value: Value<'_>, of: &str) -> Option<Arc<str>> {
    let of = of.trim_end_matches('/');
    let prefix = match value.raw() {
        DeValue::Boolean(true) => of,
        DeValue::Boolean(false) => "",
        DeValue::String(text) => text.trim_end_matches('/'),
        _ => return value.wrong_type("true or a path", "write `true`, or `\"/v1\"`"),
    };
    let rest = of.strip_prefix(prefix);
    if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
        return Some(prefix.into());
    }
    value.reject_with(
        format_args!("`path` does not begin with \"{prefix}\""),
        format_args!("write `true`, or a part of `\"{of}\"`"),
    )
}

/// `"/new"`: what goes in front of the path.
pub(super) fn add_prefix(value: Value<'_>) -> Option<Arc<str>> {
    let text = value.string("a path", "/new")?;
    let prefix = text.trim_end_matches('/');
    let is_path = prefix.starts_with('/') && !prefix.starts_with("//");
    if is_path && prefix.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#' | b'\\')) {
        return Some(prefix.into());
    }
    value.reject_with(
        format_args!("\"{text}\" is nothing that can go in front of a path"),
        "write one such as `\"/new\"`",
    )
}

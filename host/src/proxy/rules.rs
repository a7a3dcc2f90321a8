//! What listeners and routes make of requests and responses: header rules, and other paths.
//!
//! Plugins and routes see a request as the client sent it; rules are applied to what goes to a backend, for each attempt,
//! and to what goes to the client. A rule without variables costs a clone.

use std::fmt::Write;

use http::{HeaderMap, HeaderValue, Request};

use super::headers::{self, Peer};
use super::target;
use crate::config::{HeaderRules, Part, Template, Variable};
use crate::decide::Facts;
use crate::pool::Backend;
use crate::route::Entry;
use crate::snapshot::Listener;

/// Set where a prefix was taken off the path.
const X_FORWARDED_PREFIX: &str = "x-forwarded-prefix";

/// Where a request is, for the variables of a [`Template`].
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    /// The client's connection.
    pub peer: &'a Peer,
    /// Its listener.
    pub listener: &'a Listener,
    /// The route that matches.
    pub route: Option<&'a Entry>,
}

impl Scope<'_> {
    /// Makes of a request what `backend` is to get.
    pub(super) fn rewrite<B>(&self, request: &mut Request<B>, facts: &Facts, backend: &Backend) {
        if let Some(route) = self.route {
            move_path(request, route);
        }
        self.apply(&self.listener.request_headers, request.headers_mut(), facts, Some(backend));
        if let Some(route) = self.route {
            self.apply(&route.rules().request_headers, request.headers_mut(), facts, Some(backend));
        }
    }

    /// Makes of a response's head what the client is to get.
    pub(super) fn dress(&self, headers: &mut HeaderMap, facts: &Facts, backend: Option<&Backend>) {
        self.apply(&self.listener.response_headers, headers, facts, backend);
        if let Some(route) = self.route {
            self.apply(&route.rules().response_headers, headers, facts, backend);
        }
    }

    /// What `to` is for this request: nowhere but where it was written to lead.
    pub(super) fn location(&self, to: &Template, facts: &Facts) -> Option<HeaderValue> {
        let location = self.render(to, facts, None)?;
        let text = location.as_bytes();
        if matches!(text, [b'/', b'/' | b'\\', ..]) {
            // Two slashes would begin with a host, and the client would have named it.
            let rest = text.iter().position(|byte| !matches!(byte, b'/' | b'\\')).unwrap_or(text.len());
            return HeaderValue::from_bytes(&[b"/", &text[rest..]].concat()).ok();
        }
        Some(location)
    }

    fn apply(&self, rules: &HeaderRules, headers: &mut HeaderMap, facts: &Facts, backend: Option<&Backend>) {
        if rules.is_empty() {
            return;
        }
        for name in &rules.remove {
            headers.remove(name);
        }
        for (name, template) in &rules.set {
            match self.render(template, facts, backend) {
                Some(value) => drop(headers.insert(name, value)),
                // A request without `Host` is none.
                None if *name == http::header::HOST => {}
                None => drop(headers.remove(name)),
            }
        }
        for (name, template) in &rules.add {
            if let Some(value) = self.render(template, facts, backend) {
                headers.append(name, value);
            }
        }
    }

    /// None: there is nothing to say, or it is nothing that a header can hold.
    fn render(&self, template: &Template, facts: &Facts, backend: Option<&Backend>) -> Option<HeaderValue> {
        let parts = match template {
            Template::Plain(value) => return Some(value.clone()),
            Template::Parts(parts) => parts,
        };
        let mut text = String::new();
        for part in &**parts {
            match part {
                Part::Text(plain) => text.push_str(plain),
                Part::Variable(variable) => self.write(*variable, facts, backend, &mut text),
            }
        }
        if text.is_empty() { None } else { HeaderValue::from_maybe_shared(bytes::Bytes::from(text)).ok() }
    }

    fn write(&self, variable: Variable, facts: &Facts, backend: Option<&Backend>, text: &mut String) {
        let client = facts.client.or(self.peer.address);
        let header = |name| facts.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        match variable {
            // Writing to a string cannot fail.
            Variable::ClientAddress => drop(client.map(|client| write!(text, "{}", client.ip()))),
            Variable::ClientPort => drop(client.map(|client| write!(text, "{}", client.port()))),
            Variable::Scheme => text.push_str(match header(headers::X_FORWARDED_PROTO) {
                Some("https") => "https",
                _ => "http",
            }),
            Variable::Host => text.push_str(&facts.host()),
            Variable::Method => text.push_str(facts.method.as_str()),
            Variable::Path => text.push_str(path(facts)),
            Variable::Rest => text.push_str(self.route.map_or(path(facts), |route| route.rest(path(facts)))),
            Variable::Query => {
                if let Some(query) = facts.uri.query() {
                    text.push('?');
                    text.push_str(query);
                }
            }
            Variable::RequestId => text.push_str(header(headers::X_REQUEST_ID).unwrap_or_default()),
            Variable::Sni => text.push_str(facts.sni.as_deref().unwrap_or_default()),
            Variable::Listener => text.push_str(&self.listener.name),
            Variable::Route => text.push_str(self.route.map_or("", |route| &**route.name())),
            Variable::Backend => text.push_str(backend.map_or("", |backend| &*backend.id)),
            Variable::BackendAddress => text.push_str(backend.map_or("", |backend| &*backend.address_text)),
        }
    }
}

/// The path; `OPTIONS *` has none.
fn path(facts: &Facts) -> &str {
    match facts.path() {
        path if path.starts_with('/') => path,
        _ => "/",
    }
}

/// Takes the route's prefix off the path, and puts another in front.
fn move_path<B>(request: &mut Request<B>, route: &Entry) {
    let rules = route.rules();
    let (strip, add) = (rules.strip_prefix.as_deref(), rules.add_prefix.as_deref().unwrap_or_default());
    if strip.is_none() && add.is_empty() || !request.uri().path().starts_with('/') {
        return;
    }
    let path = request.uri().path();
    let rest = strip.and_then(|strip| path.strip_prefix(strip)).unwrap_or(path);
    // What is left begins with one slash, so that it is never taken for a host.
    let next = match rest.trim_start_matches('/') {
        "" if !add.is_empty() && rest.is_empty() => add.to_owned(),
        _ if add.is_empty() && strip.is_none() => path.to_owned(),
        inner if strip.is_some() => [add, "/", inner].concat(),
        _ => [add, rest].concat(),
    };
    let Some(uri) = target::with_path(request.uri(), &next) else { return };
    *request.uri_mut() = uri;
    let Some(strip) = strip else { return };
    // A trusted proxy may have taken something off before.
    let headers = request.headers_mut();
    let before = headers.get(X_FORWARDED_PREFIX).map(HeaderValue::as_bytes).unwrap_or_default();
    if let Ok(prefix) =
        HeaderValue::from_bytes(&[before.strip_suffix(b"/").unwrap_or(before), strip.as_bytes()].concat())
    {
        headers.insert(X_FORWARDED_PREFIX, prefix);
    }
}

//! What a request asks for: its method, target and `Host`, checked and in one form.

use http::header::HOST;
use http::{HeaderValue, Method, Uri, Version};

use super::error::Error;
use crate::decide::Facts;

/// Checks `Host`, and turns the target into origin form. A target in absolute form overrides `Host` (RFC 9112 §3.2.2).
pub(super) fn normalise(facts: &mut Facts, version: Version) -> Result<(), Error> {
    if facts.method == Method::CONNECT {
        return Err(Error::ConnectMethod);
    }
    if let Some(authority) = facts.uri.authority() {
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_| Error::BadHost)?;
        facts.headers.insert(HOST, host);
        let target = facts.uri.path_and_query().cloned().unwrap_or(http::uri::PathAndQuery::from_static("/"));
        facts.uri = Uri::from(target);
    }
    let mut hosts = facts.headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) if is_valid_host(host.as_bytes()) => Ok(()),
        (None, _) if version < Version::HTTP_11 => Ok(()),
        _ => Err(Error::BadHost),
    }
}

/// Whether this is a `Host` that may be passed on: `name`, `name:port`, `[v6]:port`, printable and without
/// what would make it a URL, a list or user information.
fn is_valid_host(host: &[u8]) -> bool {
    host.len() <= 255 + 6
        && host.iter().all(|b| {
            b.is_ascii_graphic() && !matches!(b, b'/' | b'?' | b'#' | b'@' | b',' | b'\\' | b'"' | b'<' | b'>')
        })
}

//! What a request asks for: its method, target and `Host`, checked and in one form.

use http::header::{CONTENT_LENGTH, HOST};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Uri, Version};

use super::error::Error;
use super::path;
use crate::config::PathPolicy;
use crate::decide::Facts;

/// Checks the target and `Host`, and turns the target into origin form. A target in absolute form overrides `Host` (RFC
/// 9112 §3.2.2), and `:authority` is as `Host` if both are there (RFC 9113 §8.3.1).
///
/// # Errors
/// For what cannot be passed on, or can be read in more than one way.
pub fn normalise(facts: &mut Facts, version: Version, policy: PathPolicy) -> Result<(), Error> {
    if facts.method == Method::CONNECT {
        return Err(Error::ConnectMethod);
    }
    check_hosts(facts, version)?;
    if version > Version::HTTP_11 {
        check_lengths(&facts.headers)?;
    }
    if let Some(authority) = facts.uri.authority() {
        // Without a scheme it is the form of CONNECT.
        if !matches!(facts.uri.scheme_str(), Some("http" | "https")) {
            return Err(Error::BadRequest);
        }
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_| Error::BadHost)?;
        facts.headers.insert(HOST, host);
        let target = facts.uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
        facts.uri = Uri::from(target);
    }
    match facts.headers.get(HOST) {
        Some(host) if !is_valid_host(host.as_bytes()) => return Err(Error::BadHost),
        None if version >= Version::HTTP_11 => return Err(Error::BadHost),
        _ => {}
    }
    normalise_path(facts, policy)
}

/// One `Host` at most, and one at least where it has to be.
fn check_hosts(facts: &Facts, version: Version) -> Result<(), Error> {
    let mut hosts = facts.headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next(), facts.uri.authority()) {
        (_, Some(_), _) => Err(Error::BadHost),
        (None, ..) if version == Version::HTTP_11 => Err(Error::BadHost),
        (Some(host), _, Some(authority))
            if version > Version::HTTP_11 && !authority.as_str().as_bytes().eq_ignore_ascii_case(host.as_bytes()) =>
        {
            Err(Error::BadHost)
        }
        _ => Ok(()),
    }
}

/// One `Content-Length` at most. In HTTP/1.1 that was seen to before the head was parsed; h2 lets the same one pass twice.
fn check_lengths(headers: &HeaderMap) -> Result<(), Error> {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    match (lengths.next(), lengths.next()) {
        (None, _) => Ok(()),
        (Some(length), None) if is_length(length.as_bytes()) => Ok(()),
        _ => Err(Error::BadFraming),
    }
}

/// Whether this is a `Content-Length` that everybody reads in the same way: digits, and no more of them than fit.
pub(super) fn is_length(text: &[u8]) -> bool {
    (1..=18).contains(&text.len()) && text.iter().all(u8::is_ascii_digit)
}

fn normalise_path(facts: &mut Facts, policy: PathPolicy) -> Result<(), Error> {
    let target = facts.uri.path_and_query().map_or("/", PathAndQuery::as_str);
    if target == "*" {
        // Of the server as a whole, and of nothing that a path names.
        return if facts.method == Method::OPTIONS { Ok(()) } else { Err(Error::BadRequest) };
    }
    // Of a fragment alone nothing is left: that is shown as `/`, and passed on as no path at all.
    if facts.uri.path().is_empty() || !target.starts_with('/') || !target.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Error::BadRequest);
    }
    let path = path::apply(policy, facts.uri.path()).map_err(|_| Error::BadPath)?;
    if let std::borrow::Cow::Owned(path) = path {
        facts.uri = with_path(&facts.uri, &path).ok_or(Error::BadPath)?;
    }
    Ok(())
}

/// The same query behind another path.
pub(super) fn with_path(uri: &Uri, path: &str) -> Option<Uri> {
    let target = match uri.query() {
        Some(query) => [path, "?", query].concat(),
        None => path.to_owned(),
    };
    PathAndQuery::try_from(target).ok().map(Uri::from)
}

/// Whether this is a `Host` that may be passed on: a name or an address, and a port or none (RFC 3986 §3.2.2, without
/// user information). Names with escapes are none that anybody uses, and not everybody reads them.
pub(super) fn is_valid_host(host: &[u8]) -> bool {
    let (name, port) = match host {
        [b'[', inner @ ..] => {
            let Some(end) = inner.iter().position(|byte| *byte == b']') else { return false };
            let address = std::str::from_utf8(&inner[..end]).unwrap_or_default();
            if address.parse::<std::net::Ipv6Addr>().is_err() {
                return false;
            }
            (&b"v6"[..], &inner[end + 1..])
        }
        _ => host.split_at(host.iter().position(|byte| *byte == b':').unwrap_or(host.len())),
    };
    let is_of_names = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+;=".contains(byte);
    let is_port = match port {
        [] => true,
        [b':', digits @ ..] => digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    (1..=255).contains(&name.len()) && name.iter().all(is_of_names) && is_port
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_or_addresses_with_a_port_or_none() {
        for host in ["a", "a.example:80", "127.0.0.1:1", "[::1]", "[::1]:443", "a_b", "a:"] {
            assert!(is_valid_host(host.as_bytes()), "{host}");
        }
        for host in [
            "", ":80", "a:b", "a:1:2", "[::1", "::1", "[a]", "[::1]x", "a b", "u@a", "a/b", "a,b", "a\\b", "a\"",
            "a%41", "a:123456",
        ] {
            assert!(!is_valid_host(host.as_bytes()), "{host}");
        }
        assert!(!is_valid_host(&[b'a'; 256]));
    }

    #[test]
    fn a_fragment_is_no_path() {
        let asked = |target: &'static str, version| {
            let mut facts = Facts { uri: Uri::from_static(target), ..Facts::default() };
            facts.headers.insert(HOST, HeaderValue::from_static("a.example"));
            normalise(&mut facts, version, PathPolicy::AsSent).map(|()| facts.uri.to_string())
        };
        for version in [Version::HTTP_11, Version::HTTP_2] {
            assert_eq!(asked("http://a.example#x", version), Err(Error::BadRequest));
            assert_eq!(asked("http://a.example", version).as_deref(), Ok("/"));
            assert_eq!(asked("http://a.example/b#x", version).as_deref(), Ok("/b"));
        }
    }

    #[test]
    fn http_2_may_name_its_host_twice_but_not_two_hosts() {
        let facts = |host: &'static str| {
            let mut facts = Facts { uri: Uri::from_static("https://a.example/x?y"), ..Facts::default() };
            facts.headers.insert(HOST, HeaderValue::from_static(host));
            facts
        };
        let mut same = facts("A.example");
        assert_eq!(normalise(&mut same, Version::HTTP_2, PathPolicy::AsSent), Ok(()));
        assert_eq!(
            (same.uri.to_string().as_str(), &same.headers[HOST]),
            ("/x?y", &HeaderValue::from_static("a.example"))
        );
        assert_eq!(normalise(&mut facts("b.example"), Version::HTTP_2, PathPolicy::AsSent), Err(Error::BadHost));
        assert_eq!(normalise(&mut facts("b.example"), Version::HTTP_11, PathPolicy::AsSent), Ok(()), "the target wins");
    }
}

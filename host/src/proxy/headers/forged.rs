//! Fields by which a backend knows its client, and that only a proxy may set.
//!
//! From a client that is no trusted proxy they are removed. So are names that a server in the manner of CGI cannot tell
//! from them, `X_Forwarded_For`, from anybody. Other names with underscores pass.

use http::header::{self, HeaderMap, HeaderName};

/// Whole names, beside those of [`PREFIXES`]. By the last two some frameworks take another path than the request's.
const NAMES: [&str; 6] =
    ["forwarded", "x-real-ip", "client-cert", "client-cert-chain", "x-original-url", "x-rewrite-url"];

/// Beginnings of names: `X-Forwarded-For` and its kin, and what is said of a client's certificate.
const PREFIXES: [&str; 3] = ["x-forwarded-", "x-client-cert", "x-ssl-client-"];

/// Names that a client cannot have removed by listing them in `Connection` (RFC 9110 §7.6.1 warns of it): who it is, what
/// it may do, and how its message is framed and directed.
pub fn is_essential(name: &str) -> bool {
    const ESSENTIAL: [&str; 7] = ["host", "te", "content-length", "cookie", "authorization", "x-request-id", "expect"];
    ESSENTIAL.contains(&name) || is_of_proxies(name)
}

/// Removes from trailers what means nothing there, or would mean something else than before the body (RFC 9110 §6.5.1).
pub fn clean_trailers(trailers: &mut HeaderMap) {
    remove_where(trailers, |name| {
        is_disguised(name.as_str()) || is_essential(name.as_str()) || is_of_heads(name) || super::is_of_the_hop(name)
    });
}

/// Removes what the client may not say. `trusted`: it is a proxy that may.
pub fn remove(headers: &mut HeaderMap, trusted: bool) {
    remove_where(headers, |name| is_disguised(name.as_str()) || !trusted && is_of_proxies(name.as_str()));
}

/// Removes the fields whose names are amiss.
pub fn remove_where(headers: &mut HeaderMap, is_amiss: impl Fn(&HeaderName) -> bool) {
    if headers.keys().any(&is_amiss) {
        let amiss: Vec<HeaderName> = headers.keys().filter(|name| is_amiss(name)).cloned().collect();
        for name in amiss {
            headers.remove(name);
        }
    }
}

/// What is decided before a body is looked at: conditions, ranges, caching, and how the body is to be read.
fn is_of_heads(name: &HeaderName) -> bool {
    const NAMES: [HeaderName; 12] = [
        header::CACHE_CONTROL,
        header::PRAGMA,
        header::MAX_FORWARDS,
        header::RANGE,
        header::CONTENT_TYPE,
        header::CONTENT_ENCODING,
        header::CONTENT_RANGE,
        header::TRAILER,
        header::SET_COOKIE,
        header::WWW_AUTHENTICATE,
        header::LOCATION,
        header::VARY,
    ];
    name.as_str().starts_with("if-") || NAMES.contains(name)
}

/// A name that some read as one which only a proxy may set, or as what frames a message.
fn is_disguised(name: &str) -> bool {
    name.contains('_') && {
        let read = name.replace('_', "-");
        is_essential(&read) || read == "transfer-encoding"
    }
}

fn is_of_proxies(name: &str) -> bool {
    matches!(name.as_bytes().first(), Some(b'x' | b'f' | b'c'))
        && (NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix)))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn left(names: &[&'static str], trusted: bool) -> Vec<String> {
        let value = HeaderValue::from_static("1");
        let mut headers: HeaderMap = names.iter().map(|name| (HeaderName::from_static(name), value.clone())).collect();
        remove(&mut headers, trusted);
        headers.keys().map(|name| name.as_str().to_owned()).collect()
    }

    #[test]
    fn only_trusted_proxies_say_who_the_client_is() {
        let names =
            ["x-forwarded-for", "x-forwarded-port", "forwarded", "x-real-ip", "client-cert", "x-client-cert-hash"];
        assert_eq!(left(&names, false), [""; 0]);
        assert_eq!(left(&names, true).len(), names.len());
        assert_eq!(left(&["x-forward", "x-a", "cookie"], false).len(), 3);
    }

    #[test]
    fn trailers_say_nothing_that_belongs_before_the_body() {
        let names =
            ["x_forwarded_for", "x-forwarded-for", "host", "content-type", "if-match", "te", "etag", "grpc-status"];
        let value = HeaderValue::from_static("1");
        let mut trailers: HeaderMap =
            names.map(|name| (HeaderName::from_static(name), value.clone())).into_iter().collect();
        clean_trailers(&mut trailers);
        assert!(
            trailers.len() == 2 && trailers.contains_key("etag") && trailers.contains_key("grpc-status"),
            "{trailers:?}"
        );
    }

    #[test]
    fn nobody_says_it_with_underscores() {
        for trusted in [false, true] {
            assert_eq!(
                left(&["x_forwarded_for", "x_real-ip", "content_length", "transfer_encoding", "host_"], trusted),
                ["host_"]
            );
            assert_eq!(left(&["auth_token", "x_a"], trusted).len(), 2);
        }
    }
}

//! Fields by which a backend knows its client, and that only a proxy may set.
//!
//! From a client that is no trusted proxy they are removed. So are names that a server in the manner of CGI cannot tell
//! from them, `X_Forwarded_For`, from anybody. Other names with underscores pass.

use http::header::{HeaderMap, HeaderName};

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
    let is_amiss = |name: &HeaderName| is_essential(name.as_str()) || super::is_of_the_hop(name);
    if trailers.keys().any(is_amiss) {
        let amiss: Vec<HeaderName> = trailers.keys().filter(|name| is_amiss(name)).cloned().collect();
        for name in amiss {
            trailers.remove(name);
        }
    }
}

/// Removes what the client may not say. `trusted`: it is a proxy that may.
pub fn remove(headers: &mut HeaderMap, trusted: bool) {
    let is_forged = |name: &HeaderName| {
        let name = name.as_str();
        if name.contains('_') {
            let read = name.replace('_', "-");
            return is_essential(&read) || read == "transfer-encoding";
        }
        !trusted && is_of_proxies(name)
    };
    if headers.keys().any(is_forged) {
        let forged: Vec<HeaderName> = headers.keys().filter(|name| is_forged(name)).cloned().collect();
        for name in forged {
            headers.remove(name);
        }
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

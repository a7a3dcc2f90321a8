//! Facts of what is being decided: what the WIT's `request` shows.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;

use http::{HeaderMap, Method, Uri, header};
use smallvec::SmallVec;

/// The facts of one request. Boxed once per connection and lent to each decision, so that a decision
/// neither copies nor counts references.
#[derive(Debug, Default)]
pub struct Facts {
    /// `http/1.1`, `h2`, `tcp`, `tls-passthrough` or `udp`.
    pub protocol: &'static str,
    /// Name of the listener.
    pub listener: Arc<str>,
    /// After trusted proxies; none for Unix sockets.
    pub client: Option<SocketAddr>,
    /// The request's method.
    pub method: Method,
    /// Origin form: path and query only.
    pub uri: Uri,
    /// As received, hop-by-hop headers removed.
    pub headers: HeaderMap,
    /// Server name of the TLS handshake, lower case.
    pub sni: Option<Arc<str>>,
    /// Protocol agreed on by ALPN.
    pub alpn: Option<Arc<str>>,
    /// Indexes tried by earlier attempts, in the table of the deciding instance.
    pub tried: SmallVec<[u32; 4]>,
}

/// The head of the response that a client is about to get: what the WIT's `response` shows.
#[derive(Debug, Default)]
pub struct Head {
    /// Such as 200; 0 for TCP and UDP.
    pub status: u16,
    /// As received.
    pub headers: HeaderMap,
}

impl Head {
    /// The value of this cookie, if the response sets it; the last, if it does so more than once (RFC 6265 §5.3).
    pub fn set_cookie(&self, name: &str) -> Option<&[u8]> {
        self.headers.get_all(header::SET_COOKIE).iter().rev().find_map(|value| {
            let pair = value.as_bytes().split(|b| *b == b';').next()?;
            let (key, value) = cookie_pair(pair)?;
            (key == name.as_bytes()).then_some(value)
        })
    }
}

impl Facts {
    /// Of a connection that is carried as it is: there is no request, and so no method, path or header.
    pub fn of_connection(
        protocol: &'static str,
        listener: &Arc<str>,
        client: impl Into<Option<SocketAddr>>,
    ) -> Box<Self> {
        // The one form of a URI that has no path.
        let uri = Uri::from_static("connection");
        Box::new(Self { protocol, listener: Arc::clone(listener), client: client.into(), uri, ..Self::default() })
    }

    /// The request's method; empty where there is no request.
    pub fn method(&self) -> &str {
        if self.uri.path().is_empty() { "" } else { self.method.as_str() }
    }

    /// The host asked for, lower case, without port and trailing dot; empty where there is none.
    pub fn host(&self) -> Cow<'_, str> {
        let Some(host) = self.headers.get(header::HOST).and_then(|value| value.to_str().ok()) else {
            return Cow::Borrowed("");
        };
        // An IPv6 literal keeps its brackets: `[::1]:80` is `[::1]`.
        let name = match host.rfind(':') {
            Some(colon) if !host[colon..].contains(']') => &host[..colon],
            _ => host,
        };
        let name = name.strip_suffix('.').unwrap_or(name);
        if name.bytes().any(|b| b.is_ascii_uppercase()) {
            Cow::Owned(name.to_ascii_lowercase())
        } else {
            Cow::Borrowed(name)
        }
    }

    /// The path as sent; empty where there is none.
    pub fn path(&self) -> &str {
        self.uri.path()
    }

    /// The query as sent, without `?`; empty where there is none.
    pub fn query(&self) -> &str {
        self.uri.query().unwrap_or_default()
    }

    /// The first value of this name in the query, as sent (not decoded).
    pub fn query_value(&self, name: &str) -> Option<&str> {
        self.query().split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (key == name).then_some(value)
        })
    }

    /// The first cookie of this name (RFC 6265 §5.4, quotes removed).
    pub fn cookie(&self, name: &str) -> Option<&[u8]> {
        self.headers.get_all(header::COOKIE).iter().find_map(|value| {
            value.as_bytes().split(|b| *b == b';').find_map(|pair| {
                let (key, value) = cookie_pair(pair)?;
                (key == name.as_bytes()).then_some(value)
            })
        })
    }
}

/// Name and value, trimmed, the value without quotes.
fn cookie_pair(pair: &[u8]) -> Option<(&[u8], &[u8])> {
    let pair = pair.trim_ascii();
    let split = pair.iter().position(|b| *b == b'=')?;
    let (key, value) = (pair[..split].trim_ascii_end(), pair[split + 1..].trim_ascii_start());
    Some((
        key,
        match value {
            [b'"', inner @ .., b'"'] => inner,
            plain => plain,
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn host_is_normalised() {
        for (sent, host) in [
            ("Example.COM:8080", "example.com"),
            ("example.com.", "example.com"),
            ("[::1]:80", "[::1]"),
            ("[::1]", "[::1]"),
        ] {
            let mut facts = Facts::default();
            facts.headers.insert(header::HOST, HeaderValue::from_static(sent));
            assert_eq!(facts.host(), host);
        }
    }

    #[test]
    fn cookies_are_found() {
        let mut facts = Facts::default();
        facts.headers.append(header::COOKIE, HeaderValue::from_static("a=1; sid = \"x=y\" ;b"));
        facts.headers.append(header::COOKIE, HeaderValue::from_static("c=3;a=9"));
        assert_eq!(facts.cookie("a"), Some(&b"1"[..]));
        assert_eq!(facts.cookie("sid"), Some(&b"x=y"[..]));
        assert_eq!(facts.cookie("b"), None);
        assert_eq!(facts.cookie("c"), Some(&b"3"[..]));
    }

    #[test]
    fn cookies_that_a_response_sets_are_found() {
        let mut head = Head::default();
        for value in ["sid=old; Path=/", "other=1; sid=no", "sid = \"new\"; HttpOnly"] {
            head.headers.append(header::SET_COOKIE, HeaderValue::from_static(value));
        }
        assert_eq!(head.set_cookie("sid"), Some(&b"new"[..]), "the last one holds");
        assert_eq!(head.set_cookie("Path"), None);
    }

    #[test]
    fn query_values_are_found() {
        let facts = Facts { uri: Uri::from_static("/p?id=7&flag&id=8"), ..Facts::default() };
        assert_eq!(facts.query_value("id"), Some("7"));
        assert_eq!(facts.query_value("flag"), Some(""));
        assert_eq!(facts.query_value("i"), None);
    }

    #[test]
    fn a_connection_has_nothing_of_a_request() {
        let facts = Facts::of_connection("tcp", &"pg".into(), SocketAddr::from(([192, 0, 2, 1], 5)));
        assert_eq!((facts.method(), facts.path(), facts.query(), &*facts.host()), ("", "", "", ""));
        assert_eq!(Facts::default().method(), "GET");
    }
}

//! Who may use the admin API.
//!
//! A browser on the same machine can be made to send requests to loopback by any page (DNS rebinding, forms).
//! So requests name a host that is ours, calls that change something carry no foreign `Origin`, and where a
//! token is set it is wanted.

use std::io;

use http::header::{AUTHORIZATION, HOST, HeaderMap, HeaderValue, ORIGIN};
use http::{Method, StatusCode};

use crate::config::{Address, Admin};

/// The rules of one admin listener.
pub(super) struct Guard {
    token: Option<String>,
    unix: bool,
    /// With a token on an open address, names are whatever leads there.
    any_host: bool,
}

impl Guard {
    /// # Errors
    /// The token file cannot be read, or holds no token.
    pub(super) fn new(admin: &Admin) -> io::Result<Self> {
        let token = admin.token_file.as_ref().map(|path| {
            let text = std::fs::read_to_string(path)
                .map_err(|error| io::Error::new(error.kind(), format!("token file {}: {error}", path.display())))?;
            match text.trim() {
                "" => {
                    Err(io::Error::new(io::ErrorKind::InvalidData, format!("token file {} is empty", path.display())))
                }
                token => Ok(token.to_owned()),
            }
        });
        let loopback = match &admin.listen {
            Address::Socket(address) => address.ip().is_loopback(),
            Address::Name(name, _) => **name == *"localhost",
            Address::Unix(_) => false,
        };
        let unix = matches!(admin.listen, Address::Unix(_));
        Ok(Self { token: token.transpose()?, unix, any_host: !loopback && !unix })
    }

    /// # Errors
    /// The status and the reason to refuse with.
    pub(super) fn check(&self, method: &Method, headers: &HeaderMap) -> Result<(), (StatusCode, &'static str)> {
        if !self.unix && !self.any_host && !headers.get(HOST).is_some_and(is_local) {
            return Err((StatusCode::FORBIDDEN, "the Host header names no loopback address"));
        }
        if matches!(*method, Method::GET | Method::HEAD) {
            return Ok(());
        }
        if let Some(origin) = headers.get(ORIGIN)
            && !is_same(origin, headers.get(HOST))
        {
            return Err((StatusCode::FORBIDDEN, "a foreign Origin may change nothing"));
        }
        match &self.token {
            Some(token) if !bears(headers, token) => {
                Err((StatusCode::UNAUTHORIZED, "the token is missing or wrong: Authorization: Bearer TOKEN"))
            }
            _ => Ok(()),
        }
    }
}

/// `localhost`, `127.x`, `[::1]`, with or without a port.
fn is_local(host: &HeaderValue) -> bool {
    let Ok(host) = host.to_str() else { return false };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn is_same(origin: &HeaderValue, host: Option<&HeaderValue>) -> bool {
    let origin = origin.as_bytes();
    let authority = origin.strip_prefix(b"http://").or_else(|| origin.strip_prefix(b"https://"));
    authority.is_some() && authority == host.map(HeaderValue::as_bytes)
}

/// Compares in a time that does not tell how much of the token was right.
fn bears(headers: &HeaderMap, token: &str) -> bool {
    let sent = headers.get(AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    sent.is_some_and(|sent| {
        let different = sent.iter().zip(token.as_bytes()).fold(0, |different, (a, b)| different | (a ^ b));
        sent.len() == token.len() && different == 0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(http::HeaderName, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn strangers_are_refused() {
        let guard = Guard { token: None, unix: false, any_host: false };
        let check =
            |method: Method, pairs: &[_]| guard.check(&method, &headers(pairs)).map_err(|(status, _)| status.as_u16());
        for host in ["127.0.0.1:9901", "localhost", "[::1]:9901"] {
            assert_eq!(check(Method::PATCH, &[(HOST, host)]), Ok(()), "{host}");
        }
        for host in ["evil.example", "127.0.0.1.evil.example:9901", "10.0.0.1"] {
            assert_eq!(check(Method::GET, &[(HOST, host)]), Err(403), "{host}");
        }
        assert_eq!(check(Method::GET, &[]), Err(403));
        assert_eq!(check(Method::PATCH, &[(HOST, "localhost:1"), (ORIGIN, "http://localhost:1")]), Ok(()));
        assert_eq!(check(Method::PATCH, &[(HOST, "localhost:1"), (ORIGIN, "http://evil.example")]), Err(403));
        assert_eq!(check(Method::PATCH, &[(HOST, "localhost:1"), (ORIGIN, "null")]), Err(403));
    }

    #[test]
    fn the_token_is_wanted_where_one_is_set() {
        let guard = Guard { token: Some("s3cret".into()), unix: true, any_host: false };
        let check = |pairs: &[_]| guard.check(&Method::DELETE, &headers(pairs)).is_ok();
        assert!(check(&[(AUTHORIZATION, "Bearer s3cret")]));
        for wrong in ["Bearer s3cre", "Bearer s3cret!", "Bearer ", "Basic s3cret", "s3cret"] {
            assert!(!check(&[(AUTHORIZATION, wrong)]), "{wrong}");
        }
        assert!(!check(&[]));
        assert!(guard.check(&Method::GET, &HeaderMap::new()).is_ok(), "reading is free");
    }
}

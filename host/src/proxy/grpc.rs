//! What gRPC wants of whoever answers in a backend's place, and how long its clients wait.
//!
//! After the protocol over HTTP/2 (`PROTOCOL-HTTP2.md` of gRPC). Whether a request is one is found out here too, and how its
//! backend fared.

use std::fmt::Write;
use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};

use super::body::Body;
use super::error::{Error, REASON};
use crate::decide::Facts;

/// How long the client waits.
pub(super) const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// Most digits of a `grpc-timeout`.
const DIGITS: usize = 8;

/// Whether this is a call of gRPC proper, which reads trailers. gRPC-Web is plain HTTP.
pub(super) fn is_call(facts: &Facts) -> bool {
    let is_native = |kind: &HeaderValue| {
        let kind = kind.as_bytes().strip_prefix(b"application/grpc");
        kind.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';' | b' ')))
    };
    facts.method == Method::POST && facts.headers.get(CONTENT_TYPE).is_some_and(is_native)
}

/// Whether this is a response to a call, by its head.
pub(super) fn is_answer(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

/// The status of a call in its trailers, or in a head that is nothing but trailers.
pub(super) fn told_status(headers: &HeaderMap) -> Option<u8> {
    headers.get(GRPC_STATUS)?.to_str().ok()?.parse().ok()
}

/// Whether a call failed at the server, whatever the HTTP status says.
pub(super) fn is_failure(headers: &HeaderMap) -> bool {
    /// unknown, deadline-exceeded, internal, unavailable, data-loss
    const SERVER_ERRORS: [u8; 5] = [2, 4, 13, 14, 15];
    told_status(headers).is_some_and(|status| SERVER_ERRORS.contains(&status))
}

/// How long the client waits, from its request on; none: it does not say, or not as it should.
pub fn timeout(headers: &HeaderMap) -> Option<Duration> {
    let (unit, digits) = headers.get(GRPC_TIMEOUT)?.as_bytes().split_last()?;
    if digits.is_empty() || digits.len() > DIGITS || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some(match unit {
        b'H' => Duration::from_secs(number * 3600),
        b'M' => Duration::from_secs(number * 60),
        b'S' => Duration::from_secs(number),
        b'm' => Duration::from_millis(number),
        b'u' => Duration::from_micros(number),
        b'n' => Duration::from_nanos(number),
        _ => return None,
    })
}

/// What is left of it, to be passed on.
pub fn remaining(left: Duration) -> HeaderValue {
    const MOST: u128 = 10u128.pow(DIGITS as u32);
    let text = match (left.as_micros(), left.as_millis()) {
        (micros, _) if micros < MOST => format!("{micros}u"),
        (_, millis) if millis < MOST => format!("{millis}m"),
        _ => format!("{}S", left.as_secs().min(99_999_999)),
    };
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("0u"))
}

/// The answer to a call that no backend answers: nothing but trailers, which are its headers then.
pub(super) fn answer(error: Error) -> Response<Body> {
    let mut response = Response::new(Body::Empty(None));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(REASON, HeaderValue::from_static(error.reason()));
    headers.insert(GRPC_STATUS, HeaderValue::from(status(error)));
    if let Ok(message) = HeaderValue::from_str(&encoded(&error.to_string())) {
        headers.insert(GRPC_MESSAGE, message);
    }
    response
}

/// The trailers of a call whose time is over in the middle of its response.
pub(super) fn expired() -> HeaderMap {
    let mut trailers = HeaderMap::with_capacity(2);
    trailers.insert(GRPC_STATUS, HeaderValue::from(status(Error::RequestTimeout)));
    if let Ok(message) = HeaderValue::from_str(&encoded(&Error::RequestTimeout.to_string())) {
        trailers.insert(GRPC_MESSAGE, message);
    }
    trailers
}

/// By the HTTP status (`http-grpc-status-mapping.md` of gRPC), but for a deadline that has passed.
fn status(error: Error) -> u16 {
    /// `DEADLINE_EXCEEDED`
    const DEADLINE: u16 = 4;
    if error == Error::RequestTimeout {
        return DEADLINE;
    }
    match error.status() {
        StatusCode::BAD_REQUEST => 13,
        StatusCode::UNAUTHORIZED => 16,
        StatusCode::FORBIDDEN => 7,
        StatusCode::NOT_FOUND => 12,
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => 14,
        _ => 2,
    }
}

/// Percent-encoded, as `grpc-message` is.
fn encoded(message: &str) -> String {
    message.bytes().fold(String::with_capacity(message.len()), |mut text, byte| {
        match byte {
            b' '..=b'~' if byte != b'%' => text.push(char::from(byte)),
            // Writing to a string cannot fail.
            _ => drop(write!(text, "%{byte:02X}")),
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(GRPC_TIMEOUT, HeaderValue::from_str(text).expect("a value"));
        timeout(&headers)
    }

    #[test]
    fn timeouts_have_a_unit_and_few_digits() {
        assert_eq!(said("1H"), Some(Duration::from_secs(3600)));
        assert_eq!(said("2M"), Some(Duration::from_secs(120)));
        assert_eq!(said("3S"), Some(Duration::from_secs(3)));
        assert_eq!(said("250m"), Some(Duration::from_millis(250)));
        assert_eq!(said("99999999n"), Some(Duration::from_nanos(99_999_999)));
        for wrong in ["", "5", "S", "123456789S", "-1S", "1.5S", "1s", "+1S"] {
            assert_eq!(said(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_left_is_said_in_as_many_digits() {
        for (left, text) in [
            (Duration::ZERO, "0u"),
            (Duration::from_millis(1500), "1500000u"),
            (Duration::from_secs(3600), "3600000m"),
            (Duration::from_secs(1_000_000), "1000000S"),
        ] {
            assert_eq!(remaining(left), text);
            assert_eq!(said(text), Some(left));
        }
    }

    #[test]
    fn our_errors_have_a_status_of_grpc() {
        let codes = |error: Error| answer(error).headers()[GRPC_STATUS].to_str().expect("text").to_owned();
        assert_eq!(codes(Error::NoBackend), "14");
        assert_eq!(codes(Error::RequestTimeout), "4");
        assert_eq!(codes(Error::Denied), "7");
        assert_eq!(codes(Error::NoRoute), "12");
        assert_eq!(codes(Error::RateLimited(1)), "14");
        assert_eq!(answer(Error::NoBackend).status(), StatusCode::OK);
    }
}

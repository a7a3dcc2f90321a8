//! Answers of the admin API.

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde::Serialize;

/// What is sent back.
pub(super) type Answer = Response<Full<Bytes>>;

/// Plain text.
pub(super) fn text(status: StatusCode, text: &str) -> Answer {
    let mut response = Response::new(Full::new(Bytes::from(text.to_owned())));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A refusal and its reason.
pub(super) fn refuse(status: StatusCode, why: &str) -> Answer {
    text(status, &format!("{status}: {why}\n"))
}

/// The methods that there are.
pub(super) fn not_allowed(allow: &'static str) -> Answer {
    let mut response = refuse(StatusCode::METHOD_NOT_ALLOWED, allow);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    response
}

/// A value, as JSON.
pub(super) fn json<T: Serialize>(status: StatusCode, value: &T) -> Answer {
    match serde_json::to_string(value) {
        Ok(body) => {
            let mut response = text(status, &(body + "\n"));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response
        }
        Err(error) => refuse(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

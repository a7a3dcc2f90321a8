//! What goes wrong with a request, and the one place where it becomes a response.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};

use super::body::Body;

/// Names the reason of a response that Trimtab itself made.
pub const REASON: HeaderName = HeaderName::from_static("x-trimtab-reason");

/// Why a request gets a response of our own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not HTTP, or not as it must be.
    #[error("the request is malformed")]
    BadRequest,
    /// Where it ends can be read in more than one way.
    #[error("the request's end is not clear")]
    BadFraming,
    /// A `Transfer-Encoding` other than `chunked`.
    #[error("only the transfer coding chunked is understood")]
    TransferCoding,
    /// Neither HTTP/1.0 nor HTTP/1.1.
    #[error("this version of HTTP is not spoken here")]
    BadVersion,
    /// An `Expect` other than `100-continue`.
    #[error("only 100-continue can be expected")]
    Expectation,
    /// A path that the listener's `paths` refuses.
    #[error("the path can be read in more than one way")]
    BadPath,
    /// HTTP/1.1 without exactly one valid `Host`.
    #[error("the request has no single valid Host")]
    BadHost,
    /// `CONNECT`: a balancer is no forward proxy.
    #[error("CONNECT is not for a load balancer")]
    ConnectMethod,
    /// HTTP without TLS where TLS is spoken.
    #[error("this port speaks HTTPS, and the request came without TLS")]
    PlainHttp,
    /// `deny`, or not in `allow`.
    #[error("this client is not allowed here")]
    Denied,
    /// No route matches and the listener has no pool.
    #[error("no route matches this request")]
    NoRoute,
    /// The head did not come within `header_timeout`.
    #[error("the request's head did not come in time")]
    HeadTimeout,
    /// The body did not come on within `body_timeout`.
    #[error("the request's body did not come in time")]
    BodyTimeout,
    /// Over `max_body_size`.
    #[error("the request's body is too large")]
    BodyTooLarge,
    /// The client's body broke off or is malformed.
    #[error("the request's body broke off")]
    BodyBroken,
    /// The request target is too long.
    #[error("the request's target is too long")]
    UriTooLong,
    /// Over `max_head_size` or `max_headers`.
    #[error("the request's head is too large")]
    HeadTooLarge,
    /// The plugin refuses the client.
    #[error("this request is refused")]
    Refused(u16),
    /// No backend is ready, or none is left.
    #[error("no backend is ready")]
    NoBackend,
    /// Beyond a `rate_limit`, for so many seconds.
    #[error("too many requests")]
    RateLimited(u32),
    /// Beyond `max_connections` of the listener.
    #[error("too many connections")]
    TooManyConnections,
    /// The pool has no room, and as many requests wait as may.
    #[error("too many requests wait already")]
    QueueFull,
    /// The pool had no room within `queue_timeout`.
    #[error("the request has waited too long")]
    QueueTimeout,
    /// There is no descriptor left for another connection: our fault, and no backend's.
    #[error("the process can open nothing more")]
    OutOfDescriptors,
    /// No connection to the backend could be made.
    #[error("the backend does not accept connections")]
    Connect,
    /// No connection to the backend within `connect_timeout`.
    #[error("the backend does not answer")]
    ConnectTimeout,
    /// The backend broke off before its response's head was complete, or sent nonsense.
    #[error("the backend broke off")]
    Reset,
    /// The backend's response can be read in more than one way, or agrees to what it was not asked for.
    #[error("the backend's response is malformed")]
    BadResponse,
    /// To go on with another protocol than WebSocket over HTTP/2, or with any at a backend that does not take it.
    #[error("this protocol cannot be changed to here")]
    NoUpgrade,
    /// No response head within `response_timeout`.
    #[error("the backend did not respond in time")]
    ResponseTimeout,
    /// No response head within `request_timeout`, over all attempts.
    #[error("no backend responded in time")]
    RequestTimeout,
}

impl Error {
    /// The response's status.
    pub fn status(self) -> StatusCode {
        match self {
            Self::BadRequest
            | Self::BadFraming
            | Self::BadPath
            | Self::BadHost
            | Self::PlainHttp
            | Self::BodyBroken => StatusCode::BAD_REQUEST,
            Self::TransferCoding | Self::NoUpgrade => StatusCode::NOT_IMPLEMENTED,
            Self::BadVersion => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Self::Expectation => StatusCode::EXPECTATION_FAILED,
            Self::ConnectMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::Denied => StatusCode::FORBIDDEN,
            Self::NoRoute => StatusCode::NOT_FOUND,
            Self::HeadTimeout | Self::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UriTooLong => StatusCode::URI_TOO_LONG,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Refused(status) => StatusCode::from_u16(status).unwrap_or(StatusCode::FORBIDDEN),
            Self::RateLimited(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::NoBackend
            | Self::TooManyConnections
            | Self::QueueFull
            | Self::QueueTimeout
            | Self::OutOfDescriptors => StatusCode::SERVICE_UNAVAILABLE,
            Self::Connect | Self::Reset | Self::BadResponse => StatusCode::BAD_GATEWAY,
            Self::ConnectTimeout | Self::ResponseTimeout | Self::RequestTimeout => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// The value of [`REASON`].
    pub fn reason(self) -> &'static str {
        match self {
            Self::BadRequest => "bad-request",
            Self::BadFraming => "bad-framing",
            Self::TransferCoding => "transfer-coding",
            Self::BadVersion => "http-version",
            Self::Expectation => "expectation",
            Self::BadPath => "bad-path",
            Self::BadHost => "bad-host",
            Self::ConnectMethod => "connect-method",
            Self::PlainHttp => "plain-http",
            Self::Denied => "denied",
            Self::NoRoute => "no-route",
            Self::HeadTimeout => "header-timeout",
            Self::BodyTimeout => "body-timeout",
            Self::BodyTooLarge => "body-too-large",
            Self::BodyBroken => "body-broken",
            Self::UriTooLong => "uri-too-long",
            Self::HeadTooLarge => "head-too-large",
            Self::Refused(_) => "refused-by-plugin",
            Self::NoBackend => "no-backend",
            Self::RateLimited(_) => "rate-limited",
            Self::TooManyConnections => "too-many-connections",
            Self::QueueFull => "queue-full",
            Self::QueueTimeout => "queue-timeout",
            Self::OutOfDescriptors => "out-of-descriptors",
            Self::Connect => "connect-error",
            Self::ConnectTimeout => "connect-timeout",
            Self::Reset => "backend-reset",
            Self::BadResponse => "bad-response",
            Self::NoUpgrade => "no-upgrade",
            Self::ResponseTimeout => "response-timeout",
            Self::RequestTimeout => "request-timeout",
        }
    }

    /// Seconds after which it may be worth another try.
    fn retry_after(self) -> Option<u32> {
        match self {
            Self::RateLimited(seconds) => Some(seconds),
            Self::TooManyConnections | Self::QueueFull | Self::QueueTimeout | Self::OutOfDescriptors => Some(1),
            _ => None,
        }
    }

    /// Whether the connection cannot carry another request after it.
    fn closes(self) -> bool {
        matches!(
            self,
            Self::BadRequest
                | Self::BadFraming
                | Self::BadPath
                | Self::TransferCoding
                | Self::BadVersion
                | Self::Expectation
                | Self::BadHost
                | Self::ConnectMethod
                | Self::PlainHttp
                | Self::HeadTimeout
                | Self::BodyTimeout
                | Self::BodyTooLarge
                | Self::BodyBroken
                | Self::UriTooLong
                | Self::HeadTooLarge
                | Self::TooManyConnections
        )
    }

    /// The response.
    pub fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::full(self.text()));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        headers.insert(REASON, HeaderValue::from_static(self.reason()));
        if let Some(seconds) = self.retry_after() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.closes() {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// The response as bytes, for a connection that hyper has given up.
    pub fn to_bytes(self) -> Vec<u8> {
        let (status, text) = (self.status(), self.text());
        let retry = self.retry_after().map(|seconds| format!("retry-after: {seconds}\r\n")).unwrap_or_default();
        let mut bytes = format!(
            "HTTP/1.1 {} {}\r\ncontent-type: text/plain; charset=utf-8\r\n{REASON}: {}\r\n{retry}connection: close\r\n\
             content-length: {}\r\ndate: {}\r\n\r\n",
            status.as_u16(),
            status.canonical_reason().unwrap_or("Error"),
            self.reason(),
            text.len(),
            httpdate::fmt_http_date(std::time::SystemTime::now()),
        )
        .into_bytes();
        bytes.extend_from_slice(&text);
        bytes
    }

    fn text(self) -> Bytes {
        Bytes::from(format!("{}: {self}\n", self.status()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::REASONS;

    #[test]
    fn each_reason_can_have_a_page() {
        for error in [
            Error::BadRequest,
            Error::BadFraming,
            Error::TransferCoding,
            Error::BadVersion,
            Error::Expectation,
            Error::BadPath,
            Error::BadHost,
            Error::ConnectMethod,
            Error::Denied,
            Error::NoRoute,
            Error::HeadTimeout,
            Error::BodyTimeout,
            Error::BodyTooLarge,
            Error::BodyBroken,
            Error::UriTooLong,
            Error::HeadTooLarge,
            Error::Refused(403),
            Error::NoBackend,
            Error::RateLimited(1),
            Error::TooManyConnections,
            Error::QueueFull,
            Error::QueueTimeout,
            Error::OutOfDescriptors,
            Error::Connect,
            Error::ConnectTimeout,
            Error::Reset,
            Error::BadResponse,
            Error::NoUpgrade,
            Error::ResponseTimeout,
            Error::RequestTimeout,
        ] {
            assert!(REASONS.contains(&error.reason()), "{error:?}");
        }
    }
}

//! A request on a stream of an HTTP/2 connection to a backend (RFC 9113 §8).
//!
//! Frames, header compression and flow control are hyper's and h2's, the connection is [`Shared`]. A stream that is dropped
//! before its end is reset, and no other notices.

use std::error::Error;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::Reason;
use http::header::HOST;
use http::uri::{Authority, Parts, PathAndQuery, Scheme};
use http::{HeaderMap, Method, Request, Response, Uri, Version};
use http_body::{Body as _, Frame};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;

use super::conduit::Leased;
use super::duplex::Duplex;
use super::shared::Shared;
use super::tasks::Place;
use super::{Outgoing, SendError};
use crate::pool::sharing::Sharing;
use crate::tls::Connector;

/// Room for one request on a shared connection, until this is dropped.
pub struct Lease {
    shared: Rc<Shared>,
    sharing: Rc<Sharing>,
    /// A failure need not be one of this request.
    reused: bool,
    /// What was heard by the connection when a request was sent.
    heard: u64,
    /// Of a stream that a CONNECT opens.
    pump: Option<Rc<Place>>,
}

impl Lease {
    /// Takes room on `shared`, one of `sharing`.
    pub fn new(shared: Rc<Shared>, sharing: Rc<Sharing>) -> Self {
        shared.begin();
        let heard = shared.heard();
        Self { shared, sharing, reused: heard > 0, heard, pump: None }
    }

    /// Whether a failure may be that the backend had closed the connection, or was about to, for reasons of its own.
    pub fn is_reused(&self) -> bool {
        self.reused
    }

    /// Whether the backend takes an extended CONNECT (RFC 8441 §3).
    pub fn takes_connect(&self) -> bool {
        self.shared.takes_connect()
    }

    /// Whether it is secured by this, and not by what was configured before.
    pub fn is_secured_by(&self, tls: Option<&Arc<Connector>>) -> bool {
        self.shared.is_secured_by(tls)
    }

    /// Sends a request and waits for the response's head. `overdue` is asked each time before waiting on.
    ///
    /// # Errors
    /// `None` when `overdue` said so, otherwise why there is no response.
    pub async fn send(
        &mut self,
        request: Request<Outgoing>,
        mut overdue: impl FnMut() -> bool,
    ) -> Result<Response<Incoming>, Option<SendError>> {
        let mut request = on_a_stream(request, self.shared.is_secure());
        if *request.method() == Method::CONNECT {
            let (announcement, pump) = self.shared.tasks.tunnel();
            *request.body_mut() = Outgoing::Tunnel(announcement);
            self.pump = Some(pump);
        }
        self.heard = self.shared.heard();
        // Not held while it is waited for: others send too.
        let response = self.shared.sender.borrow_mut().try_send_request(request);
        let mut response = pin!(response);
        let sent = poll_fn(|cx| match response.as_mut().poll(cx) {
            Poll::Ready(answered) => Poll::Ready(Some(answered)),
            Poll::Pending if overdue() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        });
        match sent.await {
            Some(Ok(response)) => {
                self.shared.hear();
                Ok(response)
            }
            Some(Err(mut failed)) => {
                let unsent = failed.take_message().map(Box::new);
                let error = failed.into_error();
                let reason = refusal(&error);
                self.reused = match reason {
                    // It is this request that the backend does not take now, or that has made it fail.
                    Some(Refusal::Stream | Refusal::Failed) => false,
                    Some(Refusal::Connection) => true,
                    // What was heard since it was sent says that the connection was alive then.
                    None => unsent.is_some() || self.reused && self.shared.heard() == self.heard,
                };
                let unprocessed = matches!(reason, Some(Refusal::Stream | Refusal::Connection));
                Err(Some(SendError { error, unsent, unprocessed }))
            }
            None => Err(None),
        }
    }

    /// The backend did not answer in time. If nothing else came by the connection since the request was sent, that may be
    /// dead, and nobody else is to wait for it.
    pub fn suspect(&self) {
        if self.shared.heard() == self.heard {
            self.sharing.leave(&self.shared);
        }
    }

    /// The stream that a CONNECT has opened; none if it is not open any more.
    pub(super) fn into_stream(self, opened: OnUpgrade) -> Option<Leased> {
        let pump = self.pump.as_ref()?.take()?;
        Some(Leased::new(Duplex::new(opened, pump)?, self))
    }

    /// Something came by a tunnel.
    pub(super) fn hear(&self) {
        self.shared.hear();
    }

    /// The next frame of the response's body.
    pub fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
        body: &mut Incoming,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(_))) = &polled {
            self.shared.hear();
        }
        polled
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.shared.end();
        self.sharing.freed();
    }
}

/// How a stream ended without a response while its connection went on. By the first two the backend says that it has done
/// nothing of the request (RFC 9113 §8.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// `RST_STREAM` with `REFUSED_STREAM`.
    Stream,
    /// `GOAWAY` with the number of an earlier stream.
    Connection,
    /// Any other reset, by the backend or, where its response is none, by us.
    Failed,
}

fn refusal(error: &hyper::Error) -> Option<Refusal> {
    let mut source = error.source();
    let error = loop {
        let error = source?;
        match error.downcast_ref::<h2::Error>() {
            Some(error) => break error,
            None => source = error.source(),
        }
    };
    match error.reason() {
        // h2 fails a stream by a GOAWAY only where that says it was not processed.
        _ if error.is_go_away() && error.is_remote() => Some(Refusal::Connection),
        Some(Reason::REFUSED_STREAM) if error.is_reset() && error.is_remote() => Some(Refusal::Stream),
        _ if error.is_reset() => Some(Refusal::Failed),
        _ => None,
    }
}

/// Whether the request's `Host` is one that HTTP/2 can say. A client's was checked; what a rule has set may not be.
pub fn has_authority(request: &Request<Outgoing>) -> bool {
    authority(request.headers()).is_some()
}

fn authority(headers: &HeaderMap) -> Option<Authority> {
    Authority::try_from(headers.get(HOST)?.as_bytes()).ok()
}

/// The request as HTTP/2 has it: scheme and authority in place of `Host` (RFC 9113 §8.3.1). What belongs to a connection of
/// HTTP/1.1, hyper removes.
fn on_a_stream(mut request: Request<Outgoing>, secure: bool) -> Request<Outgoing> {
    let mut parts = Parts::default();
    parts.scheme = Some(if secure { Scheme::HTTPS } else { Scheme::HTTP });
    // There is one: see `has_authority`.
    parts.authority = Some(authority(request.headers()).unwrap_or_else(|| Authority::from_static("invalid")));
    request.headers_mut().remove(HOST);
    let target = request.uri().path_and_query().cloned();
    parts.path_and_query = Some(target.unwrap_or_else(|| PathAndQuery::from_static("/")));
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
    *request.version_mut() = Version::HTTP_2;
    request
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;

    fn sent(method: Method, target: &str, host: &str, secure: bool) -> String {
        let request = Request::builder().method(method).uri(target).header(HOST, host).body(Outgoing::Empty);
        let request = on_a_stream(request.expect("a request"), secure);
        assert!(!request.headers().contains_key(HOST));
        request.uri().to_string()
    }

    #[test]
    fn the_host_becomes_the_authority() {
        assert_eq!(sent(Method::GET, "/a?b=c", "example.com:8080", false), "http://example.com:8080/a?b=c");
        assert_eq!(sent(Method::GET, "/", "[::1]", true), "https://[::1]/");
        assert_eq!(sent(Method::OPTIONS, "*", "test", false), "http://test*");
    }

    #[test]
    fn every_host_that_may_be_passed_on_is_an_authority() {
        for host in
            ["a", "a.example:80", "127.0.0.1:1", "[::1]", "[::1]:443", "a_b", "a:", "a~!$&'()*+;=b", "%41", "a b"]
        {
            let request = Request::builder().header(HOST, host).body(Outgoing::Empty).expect("a request");
            assert_eq!(has_authority(&request), !host.contains(['%', ' ']), "{host}");
        }
    }
}

//! An HTTP/1.1 connection to a backend, which one request has alone.
//!
//! It is driven inside the task of the request that uses it, not by a task of its own: a response
//! then reaches the client's connection without a wake-up or a queue between. While it is idle nobody
//! drives it; that the backend closed it shows when it is used next, or when [`Member`](crate::pool::Member) sweeps.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HeaderValue, TRANSFER_ENCODING};
use http::{Method, Request, Response};
use http_body::{Body as _, Frame};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, Connection, SendRequest};

use super::{MAX_HEAD_SIZE, Outgoing, SendError};
use crate::pool::connect::Stream;
use crate::pool::connections::Counted;
use crate::pool::wake::Link;

/// Most response headers that a backend may send.
const MAX_HEADERS: usize = 256;

/// A connection to a backend, and where it stands.
pub struct Exclusive {
    sender: SendRequest<Outgoing>,
    connection: Option<Connection<Stream, Outgoing>>,
    /// The connection's future has ended; it must not be polled again.
    ended: bool,
    link: Link,
    /// It has carried a request before.
    reused: bool,
    /// It counts among those to its backend.
    connected: Option<Counted>,
}

impl Exclusive {
    /// Takes a fresh socket.
    ///
    /// # Errors
    /// Never in practice: HTTP/1.1 shakes no hands.
    pub async fn new(stream: Stream, connected: Option<Counted>) -> hyper::Result<Self> {
        let (sender, connection) =
            Builder::new().max_headers(MAX_HEADERS).max_buf_size(MAX_HEAD_SIZE).handshake(stream).await?;
        Ok(Self { sender, connection: Some(connection), ended: false, link: Link::new(), reused: false, connected })
    }

    /// Whether a failure may be that the backend had closed it while it was idle.
    pub fn is_reused(&self) -> bool {
        self.reused
    }

    /// What it counts by.
    pub(super) fn connected(&self) -> Option<&Counted> {
        self.connected.as_ref()
    }

    /// Sends a request and waits for the response's head. `overdue` is asked each time before waiting on.
    ///
    /// # Errors
    /// `None` when `overdue` said so, otherwise why there is no response.
    pub async fn send(
        &mut self,
        mut request: Request<Outgoing>,
        mut overdue: impl FnMut() -> bool,
    ) -> Result<Response<Incoming>, Option<SendError>> {
        if has_unsized_body(&request) {
            // Without a length, hyper leaves the body of these out.
            request.headers_mut().insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        let (connection, ended, link) = (&mut self.connection, &mut self.ended, &self.link);
        let mut response = pin!(link.hush(|| self.sender.try_send_request(request)));
        poll_fn(|cx| {
            *ended = *ended || drive(connection.as_mut(), link.waking(cx.waker()));
            // The response can only have come by the line above, so nobody need be woken for it.
            let mut quiet = Context::from_waker(Waker::noop());
            let mut answered = response.as_mut().poll(&mut quiet);
            if *ended && answered.is_pending() {
                // A request that came too late is given back when the connection is gone.
                *connection = None;
                answered = response.as_mut().poll(&mut quiet);
            }
            match answered {
                Poll::Ready(Ok(response)) => Poll::Ready(Ok(response)),
                Poll::Ready(Err(mut failed)) => {
                    let unsent = failed.take_message().map(Box::new);
                    Poll::Ready(Err(Some(SendError { error: failed.into_error(), unsent, unprocessed: false })))
                }
                Poll::Pending if overdue() => Poll::Ready(Err(None)),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }

    /// The next frame of the response's body, driving the connection for it.
    pub fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
        body: &mut Incoming,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let mut quiet = Context::from_waker(Waker::noop());
        // Asking first tells hyper that the next part is wanted.
        if let Poll::Ready(frame) = self.link.hush(|| Pin::new(&mut *body).poll_frame(&mut quiet)) {
            return Poll::Ready(frame);
        }
        self.drive(cx.waker());
        self.link.hush(|| Pin::new(body).poll_frame(&mut quiet))
    }

    /// After a response was read to its end: whether another request may follow.
    pub fn settle(&mut self) -> bool {
        if !self.ended && !self.sender.is_ready() {
            self.drive(Waker::noop());
        }
        self.link.release();
        self.reused = true;
        !self.ended && self.sender.is_ready()
    }

    /// Whether the backend has closed it, or sent what nobody asked for, while it was idle.
    pub fn is_stale(&mut self) -> bool {
        self.drive(Waker::noop());
        self.ended || self.sender.is_closed()
    }

    /// After `101 Switching Protocols`: the bare socket, what was already read from it, and what it counts by.
    pub fn into_socket(self) -> Option<(Stream, Bytes, Option<Counted>)> {
        let parts = self.connection?.into_parts();
        Some((parts.io, parts.read_buf, self.connected))
    }

    fn drive(&mut self, task: &Waker) {
        self.ended = self.ended || drive(self.connection.as_mut(), self.link.waking(task));
    }
}

/// Polls the connection; true when it has ended. Without shutdown: what ends in a tunnel is not to be closed.
fn drive(connection: Option<&mut Connection<Stream, Outgoing>>, waker: &Waker) -> bool {
    connection.is_none_or(|connection| connection.poll_without_shutdown(&mut Context::from_waker(waker)).is_ready())
}

/// Whether a request by a method that has no body as a rule has one, of a length that is not known.
fn has_unsized_body(request: &Request<Outgoing>) -> bool {
    matches!(*request.method(), Method::GET | Method::HEAD)
        && !request.body().is_end_stream()
        && !request.headers().contains_key(CONTENT_LENGTH)
        && request.body().size_hint().exact().is_none()
}

//! An HTTP/1.1 connection to a backend.
//!
//! It is driven inside the task of the request that uses it, not by a task of its own: a response
//! then reaches the client's connection without a wake-up or a queue between. While it is idle nobody
//! drives it; that the backend closed it shows when it is used next, or when [`Member`](super::Member) sweeps.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, Connection, SendRequest};

use super::connect::Stream;
use super::connections::Counted;
use super::wake::Link;
use crate::tls::Connector;

/// Largest response head that a backend may send, in bytes.
const MAX_HEAD_SIZE: usize = 128 << 10;

/// Most response headers that a backend may send.
const MAX_HEADERS: usize = 256;

/// The error of a request's body: whatever stopped it coming.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// The body of a request to a backend.
pub enum Outgoing {
    /// None: costs no allocation.
    Empty,
    /// Comes from the client as it is read.
    Stream(Pin<Box<dyn Body<Data = Bytes, Error = BodyError>>>),
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut *self {
            Self::Empty => Poll::Ready(None),
            Self::Stream(body) => body.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Stream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Stream(body) => body.size_hint(),
        }
    }
}

/// A connection to a backend, and where it stands.
pub struct Upstream {
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

/// A request that got no response.
#[derive(Debug)]
pub struct SendError {
    /// What hyper says.
    pub error: hyper::Error,
    /// Nothing of the request was written: it may go elsewhere, whatever it is.
    pub unsent: Option<Box<Request<Outgoing>>>,
}

impl std::fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Empty => "Empty",
            Self::Stream(_) => "Stream",
        })
    }
}

impl Upstream {
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

    /// Whether it is secured by this, and not by what was configured before.
    pub fn is_secured_by(&self, tls: Option<&Arc<Connector>>) -> bool {
        let known = self.connected.as_ref().and_then(|connected| connected.tls.as_ref());
        match (known, tls) {
            (Some(known), Some(tls)) => Arc::ptr_eq(known, tls),
            (known, tls) => known.is_none() && tls.is_none(),
        }
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
                    Poll::Ready(Err(Some(SendError { error: failed.into_error(), unsent })))
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

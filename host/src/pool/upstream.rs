//! A connection to a backend, as the request sees it that uses it: HTTP/1.1, or a stream of HTTP/2.
//!
//! Which of them it is is settled when it is [opened](crate::proxy), and who keeps it is [`Member`](super::Member)'s to say.

pub mod conduit;
pub mod duplex;
pub mod http1;
pub mod http2;
pub mod shared;
mod tasks;

use std::error::Error as _;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::Reason;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;

use self::conduit::Conduit;
use self::http1::Exclusive;
use self::http2::Lease;
use self::tasks::Announcement;
use super::connections::Counted;
use crate::proxy_protocol::Told;
use crate::tls::Connector;

/// Largest response head that a backend may send, in bytes.
const MAX_HEAD_SIZE: usize = 128 << 10;

/// A way to a backend for one request at a time.
#[expect(clippy::large_enum_variant, reason = "it is boxed as a whole, and the large one is the common one")]
pub enum Upstream {
    /// A connection that the request has alone.
    Http1(Exclusive),
    /// A stream of a connection that it shares.
    Http2(Lease),
}

/// The error of a request's body: whatever stopped it coming.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// Why the rest of a request's body does not come. A backend of HTTP/2 is told the reason that the client gave for its
/// reset, or else that it is cancelled.
pub fn cancelled(error: BodyError, told: Option<&hyper::Error>) -> BodyError {
    let told = told.and_then(|error| error.source()?.downcast_ref::<h2::Error>());
    let reason = told.filter(|error| error.is_reset() && error.is_remote()).and_then(h2::Error::reason);
    Box::new(Cancelled { error, reason: reason.unwrap_or(Reason::CANCEL).into() })
}

/// hyper finds the reason of a reset among the sources of an error.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
struct Cancelled {
    error: BodyError,
    #[source]
    reason: h2::Error,
}

/// The body of a request to a backend.
pub enum Outgoing {
    /// None: costs no allocation.
    Empty,
    /// Comes from the client as it is read.
    Stream(Pin<Box<dyn Body<Data = Bytes, Error = BodyError>>>),
    /// None: what follows a CONNECT is no body.
    Tunnel(Rc<Announcement>),
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut *self {
            Self::Empty | Self::Tunnel(_) => Poll::Ready(None),
            Self::Stream(body) => body.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Tunnel(announcement) => {
                announcement.announce();
                true
            }
            Self::Stream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty | Self::Tunnel(_) => SizeHint::with_exact(0),
            Self::Stream(body) => body.size_hint(),
        }
    }
}

/// A request that got no response.
#[derive(Debug)]
pub struct SendError {
    /// What hyper says.
    pub error: hyper::Error,
    /// Nothing of the request was written: it may go elsewhere, whatever it is.
    pub unsent: Option<Box<Request<Outgoing>>>,
    /// The backend says that it has done nothing of it (RFC 9113 §8.7): the same, but that the body may be gone.
    pub unprocessed: bool,
}

impl std::fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Empty => "Empty",
            Self::Stream(_) => "Stream",
            Self::Tunnel(_) => "Tunnel",
        })
    }
}

impl Upstream {
    /// Whether a failure may be that the backend had closed it while it was idle.
    pub fn is_reused(&self) -> bool {
        match self {
            Self::Http1(exclusive) => exclusive.is_reused(),
            Self::Http2(lease) => lease.is_reused(),
        }
    }

    /// Whether it is secured by this, and not by what was configured before.
    pub fn is_secured_by(&self, tls: Option<&Arc<Connector>>) -> bool {
        match self {
            Self::Http1(exclusive) => exclusive.connected().is_none_or(|connected| connected.is_secured_by(tls)),
            Self::Http2(lease) => lease.is_secured_by(tls),
        }
    }

    /// Whether it is from this client, as the backend was told, or may be from any.
    pub fn is_introduced_as(&self, client: Option<&Rc<Told>>) -> bool {
        match self {
            Self::Http1(exclusive) => exclusive.connected().is_none_or(|connected| connected.is_introduced_as(client)),
            Self::Http2(_) => client.is_none(),
        }
    }

    /// Whether nobody can use it any more, as the client that it is from has left.
    pub fn is_orphaned(&self) -> bool {
        match self {
            Self::Http1(exclusive) => exclusive.connected().is_some_and(Counted::is_orphaned),
            Self::Http2(_) => false,
        }
    }

    /// Sends a request and waits for the response's head. `overdue` is asked each time before waiting on.
    ///
    /// # Errors
    /// `None` when `overdue` said so, otherwise why there is no response.
    pub async fn send(
        &mut self,
        request: Request<Outgoing>,
        overdue: impl FnMut() -> bool,
    ) -> Result<Response<Incoming>, Option<SendError>> {
        match self {
            Self::Http1(exclusive) => exclusive.send(request, overdue).await,
            Self::Http2(lease) => lease.send(request, overdue).await,
        }
    }

    /// The backend did not answer in time: a connection that may be dead is not given to others.
    pub fn suspect(&self) {
        if let Self::Http2(lease) = self {
            lease.suspect();
        }
    }

    /// The next frame of the response's body, driving the connection for it where nobody else does.
    pub fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
        body: &mut Incoming,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self {
            Self::Http1(exclusive) => exclusive.poll_body(cx, body),
            Self::Http2(lease) => lease.poll_body(cx, body),
        }
    }

    /// After a response was read to its end: whether it is to be kept for another request. A stream never is.
    pub fn settle(&mut self) -> bool {
        match self {
            Self::Http1(exclusive) => exclusive.settle(),
            Self::Http2(_) => false,
        }
    }

    /// Whether the backend has closed it, or sent what nobody asked for, while it was idle.
    pub fn is_stale(&mut self) -> bool {
        match self {
            Self::Http1(exclusive) => exclusive.is_stale(),
            Self::Http2(_) => true,
        }
    }

    /// After the backend has agreed to another protocol: what carries that, what was already read of it, and what it counts
    /// by. With HTTP/2, the stream was `opened` with the response.
    pub fn into_conduit(self, opened: Option<OnUpgrade>) -> Option<(Conduit, Bytes, Option<Counted>)> {
        match self {
            Self::Http1(exclusive) => {
                let (socket, read, connected) = exclusive.into_socket()?;
                Some((Conduit::Socket(socket), read, connected))
            }
            Self::Http2(lease) => Some((Conduit::Stream(Box::new(lease.into_stream(opened?)?)), Bytes::new(), None)),
        }
    }
}

//! Bodies, streamed in both directions: nothing is collected, and what one side does not take the other
//! is not asked for.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;

use super::error::Error;
use super::exchange::Exchange;
use super::headers::forged;
use super::line::{Line, Phase};
use crate::config::Feedback;
use crate::pool::upstream::BodyError;
use crate::pool::{Member, Upstream};
use crate::snapshot::Policy;

/// The body of a response to a client.
pub enum Body {
    /// None.
    Empty(Option<Box<Exchange>>),
    /// A short text of our own.
    Full(Option<Bytes>, Option<Box<Exchange>>),
    /// Comes from a backend.
    Upstream(Box<UpstreamBody>),
}

impl Body {
    /// A short text of our own.
    pub fn full(text: Bytes) -> Self {
        Self::Full(Some(text), None)
    }

    /// The same without what is not sent in answer to `HEAD`. Answers how long that is, where it is known.
    pub fn for_head(&mut self) -> Option<usize> {
        match self {
            Self::Full(text, exchange) => {
                let length = text.as_ref().map_or(0, Bytes::len);
                *self = Self::Empty(exchange.take());
                Some(length)
            }
            _ => None,
        }
    }

    /// The exchange ends when the body has been sent.
    pub fn ends(&mut self, exchange: Box<Exchange>) {
        match self {
            Self::Empty(slot) => *slot = Some(exchange),
            Self::Full(text, slot) => slot.insert(exchange).sends(text.as_ref().map_or(0, Bytes::len)),
            Self::Upstream(body) => body.exchange = Some(exchange),
        }
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut *self {
            Self::Empty(_) => Poll::Ready(None),
            Self::Full(text, _) => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            Self::Upstream(body) => body.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty(_) => true,
            Self::Full(text, _) => text.is_none(),
            Self::Upstream(body) => body.upstream.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty(_) => SizeHint::with_exact(0),
            Self::Full(text, _) => SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64)),
            Self::Upstream(body) => body.incoming.size_hint(),
        }
    }
}

/// A body that comes from a backend, and the connection that it comes by.
pub struct UpstreamBody {
    incoming: Incoming,
    /// Given back at the end of the body.
    upstream: Option<Box<Upstream>>,
    member: Rc<Member>,
    line: Rc<Line>,
    timeout: Duration,
    max_idle: usize,
    /// What its trailers may say of the backend.
    feedback: Option<Arc<Feedback>>,
    /// Its trailers say how a call of gRPC ended.
    is_call: bool,
    /// When the backend was waited for last: from then on its connection counts as idle.
    last: Instant,
    exchange: Option<Box<Exchange>>,
}

impl UpstreamBody {
    /// A body that comes by `upstream` from `member`; its head came `at` this time.
    pub fn new(
        incoming: Incoming,
        upstream: Box<Upstream>,
        member: Rc<Member>,
        line: Rc<Line>,
        policy: &Policy,
        at: Instant,
    ) -> Self {
        let (timeout, max_idle, feedback) = (policy.response_timeout, policy.max_idle, policy.feedback.clone());
        let (upstream, is_call, exchange) = (Some(upstream), false, None);
        Self { incoming, upstream, member, line, timeout, max_idle, feedback, is_call, last: at, exchange }
    }

    /// The response to a call of gRPC.
    pub fn of_call(self, is_call: bool) -> Self {
        Self { is_call, ..self }
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(upstream) = &mut self.upstream else {
            return Poll::Ready(None);
        };
        if self.member.is_cut() {
            // It has drained for long enough.
            return self.broken(Error::Reset.into());
        }
        let Poll::Ready(frame) = upstream.poll_body(cx, &mut self.incoming) else {
            if self.line.phase() == Phase::Backend {
                if self.line.watch().is_over() {
                    return self.broken(Error::ResponseTimeout.into());
                }
            } else {
                self.line.await_backend(self.timeout, None);
            }
            self.last = Instant::now();
            return Poll::Pending;
        };
        match frame {
            Some(Ok(mut frame)) => {
                self.line.enter(Phase::Response);
                if let Some(exchange) = &mut self.exchange {
                    if let Some(data) = frame.data_ref() {
                        exchange.sends(data.len());
                    } else if let Some(trailers) = frame.trailers_mut() {
                        exchange.hear(trailers, self.feedback.as_deref(), self.is_call);
                    }
                }
                if self.incoming.is_end_stream() {
                    self.complete();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(error)) => self.broken(error.into()),
            None => {
                self.complete();
                Poll::Ready(None)
            }
        }
    }

    /// The whole body is there; the next move is the client's.
    fn complete(&mut self) {
        self.line.enter(Phase::Idle);
        if let Some(upstream) = self.upstream.take() {
            self.member.give_back(upstream, self.last, self.max_idle);
        }
    }

    /// The response cannot be completed. The head is out, so all that is left is to break off too.
    fn broken(&mut self, error: BodyError) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(exchange) = &mut self.exchange {
            exchange.broke_off();
        }
        self.upstream = None;
        Poll::Ready(Some(Err(error)))
    }
}

/// Trailers of a client go on without what it may not say.
fn clean(frame: Frame<Bytes>) -> Frame<Bytes> {
    match frame.into_trailers() {
        Ok(mut trailers) => {
            forged::clean_trailers(&mut trailers);
            Frame::trailers(trailers)
        }
        Err(frame) => frame,
    }
}

/// The body of a request on its way to a backend: counted, and watched.
pub struct RequestBody {
    incoming: Incoming,
    line: Rc<Line>,
    left: u64,
}

impl RequestBody {
    /// At most `limit` bytes.
    pub fn new(incoming: Incoming, line: Rc<Line>, limit: Option<u64>) -> Self {
        Self { incoming, line, left: limit.unwrap_or(u64::MAX) }
    }

    fn stop(&self, error: Error) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.line.body_error.set(Some(error));
        Poll::Ready(Some(Err(error.into())))
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(cx) else {
            if self.line.answering.get() {
                // The response sets the pace now.
            } else if self.line.phase() != Phase::Body {
                self.line.enter(Phase::Body);
            } else if self.line.watch().is_over() {
                let is_request_over = self.line.is_request_over();
                return self.stop(if is_request_over { Error::RequestTimeout } else { Error::BodyTimeout });
            }
            return Poll::Pending;
        };
        // From here on it is the backend that is waited for: to take this, or to respond.
        if !self.line.answering.get() {
            self.line.await_backend_again();
        }
        match frame {
            Some(Ok(frame)) => {
                let length = frame.data_ref().map_or(0, |data| data.len() as u64);
                match self.left.checked_sub(length) {
                    Some(left) => self.left = left,
                    None => return self.stop(Error::BodyTooLarge),
                }
                Poll::Ready(Some(Ok(clean(frame))))
            }
            Some(Err(_)) => self.stop(Error::BodyBroken),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

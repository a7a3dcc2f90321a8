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
use super::headers::{self, forged};

use super::grpc;
use super::line::{Line, Phase};
use crate::config::Feedback;
use crate::decide::OutcomeKind;
use crate::pool::upstream::{BodyError, cancelled};
use crate::pool::{Member, Upstream};
use crate::snapshot::Policy;

/// Most bytes that a stream of HTTP/2 gets at a time: as many as a frame has by default (RFC 9113 §6.5.2).
const PART: usize = 16 << 10;

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
    /// What came of a frame that is passed on in parts.
    rest: Bytes,
    /// Most bytes of a part.
    part: usize,
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
    /// When that call is to be over.
    until: Option<Instant>,
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
        let (upstream, rest, part, is_call, until, exchange) =
            (Some(upstream), Bytes::new(), usize::MAX, false, None, None);
        let last = at;
        Self {
            incoming,
            rest,
            part,
            upstream,
            member,
            line,
            timeout,
            max_idle,
            feedback,
            is_call,
            until,
            last,
            exchange,
        }
    }

    /// The response to a call of gRPC, which has to be over then.
    pub fn of_call(self, is_call: bool, until: Option<Instant>) -> Self {
        Self { is_call, until: until.filter(|_| is_call), ..self }
    }

    /// Passed on in parts of no more than `PART` bytes: a stream of HTTP/2 takes a whole one for a single byte of its
    /// window, and shows that its client takes something by asking for the next.
    pub fn in_parts(self) -> Self {
        Self { part: PART, ..self }
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if !self.rest.is_empty() {
            self.line.enter(Phase::Response);
            return self.pass_on(Frame::data(Bytes::new()));
        }
        let Some(upstream) = &mut self.upstream else {
            return Poll::Ready(None);
        };
        if self.member.is_cut() {
            // It has drained for long enough.
            return self.broken(None, Error::Reset.into());
        }
        let Poll::Ready(frame) = upstream.poll_body(cx, &mut self.incoming) else {
            self.last = Instant::now();
            if self.line.phase() != Phase::Backend {
                let left = self.until.map(|until| until.saturating_duration_since(self.last));
                self.line.await_backend(self.timeout, left);
            } else if self.line.watch().is_over() {
                return match self.until {
                    Some(until) if until <= self.last => self.expired(),
                    _ => self.broken(Some(OutcomeKind::Timeout), Error::ResponseTimeout.into()),
                };
            }
            return Poll::Pending;
        };
        match frame {
            Some(Ok(mut frame)) => {
                self.line.enter(Phase::Response);
                if let Some(trailers) = frame.trailers_mut() {
                    headers::end_trailers(trailers);
                    if let Some(exchange) = &mut self.exchange {
                        exchange.hear(trailers, self.feedback.as_deref(), self.is_call);
                    }
                }
                self.pass_on(frame)
            }
            Some(Err(error)) => self.broken(Some(OutcomeKind::Reset), error.into()),
            None => {
                self.complete();
                Poll::Ready(None)
            }
        }
    }

    /// A frame that has come, or the first part of it or of what is left of the last.
    fn pass_on(&mut self, frame: Frame<Bytes>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = match frame.into_data() {
            Ok(data) => {
                if self.rest.is_empty() {
                    self.rest = data;
                }
                let part = self.rest.split_to(self.rest.len().min(self.part));
                if let Some(exchange) = &mut self.exchange {
                    exchange.sends(part.len());
                }
                Frame::data(part)
            }
            Err(frame) => frame,
        };
        if self.rest.is_empty() && self.incoming.is_end_stream() {
            self.complete();
        }
        Poll::Ready(Some(Ok(frame)))
    }

    /// The whole body is there; the next move is the client's.
    fn complete(&mut self) {
        self.line.enter(Phase::Idle);
        self.line.is_answered.set(true);
        if let Some(upstream) = self.upstream.take() {
            if matches!(*upstream, Upstream::Http2(_)) {
                self.line.end_upload();
            }
            self.member.give_back(upstream, self.last, self.max_idle);
        }
    }

    /// The time of a call of gRPC is over: its client is told so, as the server would have told it.
    fn expired(&mut self) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(exchange) = &mut self.exchange {
            exchange.broke_off(Some(OutcomeKind::Timeout));
        }
        self.line.enter(Phase::Idle);
        self.line.is_answered.set(true);
        self.upstream = None;
        Poll::Ready(Some(Ok(Frame::trailers(grpc::expired()))))
    }

    /// The response cannot be completed. The head is out, so all that is left is to break off too.
    fn broken(
        &mut self,
        blame: Option<OutcomeKind>,
        error: BodyError,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(exchange) = &mut self.exchange {
            exchange.broke_off(blame);
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

    /// The rest does not come, as the client has `told`, if it has.
    fn stop(&self, error: Error, told: Option<&hyper::Error>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.line.body_error.set(Some(error));
        Poll::Ready(Some(Err(cancelled(error.into(), told))))
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(cx) else {
            if self.line.is_upload_over(cx) {
                return self.stop(Error::BodyBroken, None);
            } else if self.line.answering.get() {
                // The response sets the pace now.
            } else if self.line.phase() != Phase::Body {
                self.line.enter(Phase::Body);
            } else if self.line.watch().is_over() {
                let is_request_over = self.line.is_request_over();
                let error = if is_request_over { Error::RequestTimeout } else { Error::BodyTimeout };
                return self.stop(error, None);
            }
            return Poll::Pending;
        };
        // From here on it is the backend that is waited for: to take this, or to respond, or to go on with its response.
        if !self.line.answering.get() || self.line.phase() == Phase::Backend {
            self.line.await_backend_again();
        }
        match frame {
            Some(Ok(frame)) => {
                let length = frame.data_ref().map_or(0, |data| data.len() as u64);
                match self.left.checked_sub(length) {
                    Some(left) => self.left = left,
                    None => return self.stop(Error::BodyTooLarge, None),
                }
                Poll::Ready(Some(Ok(clean(frame))))
            }
            Some(Err(error)) => self.stop(Error::BodyBroken, Some(&error)),
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

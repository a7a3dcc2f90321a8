//! The body of a request that may have to be sent again: kept as it goes by, up to a limit.
//!
//! Whether it is sent again is decided elsewhere.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

use super::body::RequestBody;
use crate::pool::upstream::{BodyError, Outgoing};

/// What is to be sent, once or more often.
pub enum Payload {
    /// A request without a body.
    Empty,
    /// A body that is gone once it was sent. None while it is being sent.
    Once(Option<Outgoing>),
    /// A body that is kept.
    Kept(Rc<Replay>),
}

impl Payload {
    /// A body that is kept up to `limit` bytes.
    pub fn kept(body: RequestBody, limit: usize) -> Self {
        Self::Kept(Rc::new(Replay {
            source: RefCell::new(body),
            kept: RefCell::default(),
            limit,
            sendings: Cell::new(0),
        }))
    }

    /// The body from its beginning; none if that is gone.
    pub fn outgoing(&mut self) -> Option<Outgoing> {
        match self {
            Self::Empty => Some(Outgoing::Empty),
            Self::Once(body) => body.take(),
            Self::Kept(replay) if replay.kept.borrow().is_lost => None,
            Self::Kept(replay) => {
                let sending = replay.sendings.get() + 1;
                replay.sendings.set(sending);
                Some(Outgoing::Stream(Box::pin(Playing { replay: Rc::clone(replay), next: 0, sending })))
            }
        }
    }

    /// A body of which nothing was sent.
    pub fn give_back(&mut self, unsent: Outgoing) {
        if let Self::Once(body) = self {
            *body = Some(unsent);
        }
    }

    /// Whether it can be sent once more, as far as can be told before it is sent.
    pub fn may_come_again(&self) -> bool {
        !matches!(self, Self::Once(_)) && self.is_whole()
    }

    /// Whether it can be sent from its beginning.
    pub fn is_whole(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Once(body) => body.is_some(),
            Self::Kept(replay) => !replay.kept.borrow().is_lost,
        }
    }
}

/// A body, and what went by of it.
pub struct Replay {
    source: RefCell<RequestBody>,
    kept: RefCell<Kept>,
    limit: usize,
    /// How often it was begun to be sent.
    sendings: Cell<u32>,
}

#[derive(Default)]
struct Kept {
    pieces: Vec<Piece>,
    bytes: usize,
    /// More than the limit went by.
    is_lost: bool,
}

/// What is not counted of the overhead: a body of the largest size that is kept comes in some pieces.
const FREE: usize = 64 * size_of::<Piece>();

enum Piece {
    Data(Bytes),
    Trailers(HeaderMap),
}

impl Kept {
    fn keep(&mut self, frame: &Frame<Bytes>, limit: usize) {
        if self.is_lost {
            return;
        }
        if let Some(data) = frame.data_ref() {
            // Of small pieces, what keeps them is more than what they hold.
            self.bytes += data.len() + size_of::<Piece>();
            self.pieces.push(Piece::Data(data.clone()));
        } else if let Some(trailers) = frame.trailers_ref() {
            self.pieces.push(Piece::Trailers(trailers.clone()));
        }
        let overhead = self.pieces.len() * size_of::<Piece>();
        if self.bytes.saturating_sub(FREE.min(overhead)) > limit {
            (self.pieces, self.is_lost) = (Vec::new(), true);
        }
    }
}

/// A body on its way: first what was kept, then what comes.
struct Playing {
    replay: Rc<Replay>,
    /// The next piece that was kept.
    next: usize,
    /// Which of the sendings this is. The one before may still be on its way out.
    sending: u32,
}

impl Body for Playing {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let replay = Rc::clone(&self.replay);
        if self.sending != replay.sendings.get() {
            return Poll::Ready(Some(Err("the request is sent elsewhere".into())));
        }
        let mut kept = replay.kept.borrow_mut();
        let again = kept.pieces.get(self.next).map(|piece| match piece {
            Piece::Data(data) => Frame::data(data.clone()),
            Piece::Trailers(trailers) => Frame::trailers(trailers.clone()),
        });
        if let Some(frame) = again {
            self.next += 1;
            return Poll::Ready(Some(Ok(frame)));
        }
        let polled = Pin::new(&mut *replay.source.borrow_mut()).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            kept.keep(frame, replay.limit);
            self.next = kept.pieces.len();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.next >= self.replay.kept.borrow().pieces.len() && self.replay.source.borrow().is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let kept = self.replay.kept.borrow();
        let length = |piece: &Piece| if let Piece::Data(data) = piece { data.len() } else { 0 };
        let again: usize = kept.pieces.iter().skip(self.next).map(length).sum();
        let (again, rest) = (again as u64, self.replay.source.borrow().size_hint());
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(again));
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(again));
        }
        hint
    }
}

//! The state of one client connection that its socket, its requests and its task share: whom we are
//! waiting for, and until when.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use super::deadline::Watch;
use super::error::Error;
use super::upgrade::Tunnel;
use crate::config::Limits;

/// Whom a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The client, for its next request.
    Idle,
    /// The client, for the rest of a request's head.
    Head,
    /// The client, for more of a request's body.
    Body,
    /// A backend: for a response, or more of one.
    Backend,
    /// The client, to take what we have of a response.
    Response,
    /// For room at a backend.
    Queue,
    /// Nobody in particular: something with a time limit of its own runs.
    Busy,
}

/// One client connection.
pub struct Line {
    phase: Cell<Phase>,
    watch: Watch,
    header_timeout: Duration,
    body_timeout: Duration,
    idle_timeout: Duration,
    /// After so much of it the connection dozes.
    doze: Cell<Duration>,
    dozes: Cell<bool>,
    write_timeout: Duration,
    /// How long a backend is waited for, each time and in all.
    patience: Cell<Duration>,
    until: Cell<Option<Instant>>,
    /// The service has given a response that is not written to its end yet.
    pub(super) owed: Cell<bool>,
    /// More was read from the client while a response was owed.
    early: Cell<bool>,
    /// The response is there to its end, whether or not the client has taken it.
    pub(super) is_answered: Cell<bool>,
    /// The response's head is there: what the request's body still does is nobody's deadline.
    pub(super) answering: Cell<bool>,
    /// The status of an answer of hyper's own that was held back, to be said in our words.
    pub(super) held_back: Cell<Option<u16>>,
    /// What is wrong with the head that comes next. It is said when nothing else is owed.
    pub(super) violation: Cell<Option<Error>>,
    /// More than the request was read, in a protocol that nobody has agreed to.
    pub(super) unlooked: Cell<bool>,
    /// The response is there, and the protocol stays.
    pub(super) stays: Cell<bool>,
    /// The response is there, and no more of the request's body is wanted.
    upload_is_over: Cell<bool>,
    /// Who waits for more of it.
    uploading: RefCell<Option<Waker>>,
    /// What stopped the request's body, when something did.
    pub(super) body_error: Cell<Option<Error>>,
    /// What the connection becomes when the response in hand has been sent.
    pub(super) tunnel: RefCell<Option<Tunnel>>,
}

impl Line {
    /// A connection that was just accepted: its first request is due.
    pub fn new(watch: Watch, limits: &Limits) -> Rc<Self> {
        let line = Self {
            phase: Cell::new(Phase::Head),
            watch,
            header_timeout: limits.header_timeout,
            body_timeout: limits.body_timeout,
            idle_timeout: limits.idle_timeout,
            doze: Cell::new(Duration::MAX),
            dozes: Cell::new(false),
            write_timeout: limits.write_timeout,
            patience: Cell::default(),
            until: Cell::default(),
            owed: Cell::new(false),
            early: Cell::new(false),
            is_answered: Cell::new(false),
            answering: Cell::new(false),
            held_back: Cell::new(None),
            violation: Cell::new(None),
            unlooked: Cell::new(false),
            stays: Cell::new(false),
            upload_is_over: Cell::new(false),
            uploading: RefCell::default(),
            body_error: Cell::new(None),
            tunnel: RefCell::default(),
        };
        line.enter(Phase::Head);
        Rc::new(line)
    }

    /// Whom we wait for.
    pub fn phase(&self) -> Phase {
        self.phase.get()
    }

    /// All that is left of it, when it waits for nobody else any more.
    pub(super) fn into_watch(self) -> Watch {
        self.watch
    }

    /// The deadline of the whole connection.
    pub fn watch(&self) -> &Watch {
        &self.watch
    }

    /// From now on we wait for the client, by the listener's limits (or, for [`Phase::Busy`], not at all).
    pub fn enter(&self, phase: Phase) {
        self.phase.set(phase);
        match phase {
            Phase::Idle => {
                self.dozes.set(false);
                self.watch.set(self.idle_timeout.min(self.doze.get()));
            }
            Phase::Head => self.watch.set(self.header_timeout),
            Phase::Body => {
                self.watch.set(self.body_timeout);
                self.shorten();
            }
            Phase::Response => self.watch.set(self.write_timeout),
            Phase::Backend | Phase::Queue | Phase::Busy => self.watch.clear(),
        }
    }

    /// From now on [`Line::falls_asleep`] says yes after this much of each idle time.
    pub(super) fn may_doze(&self, after: Duration) {
        self.doze.set(after);
    }

    /// Whether the connection has just been idle for long enough to doze for the rest of its idle time, which begins.
    pub(super) fn falls_asleep(&self) -> bool {
        let rest = self.idle_timeout.checked_sub(self.doze.get()).filter(|rest| !rest.is_zero());
        match rest {
            Some(rest) if self.phase.get() == Phase::Idle && self.watch.is_over() && !self.dozes.replace(true) => {
                self.watch.set(rest);
                true
            }
            _ => false,
        }
    }

    /// A request's head is there.
    pub(super) fn begin(&self) {
        self.early.set(false);
        self.stays.set(false);
        self.is_answered.set(false);
        self.answering.set(false);
        self.body_error.set(None);
        self.upload_is_over.set(false);
        self.until.set(None);
        self.enter(Phase::Busy);
    }

    /// No more of the request's body is wanted: a stream of HTTP/2 on which it is awaited would stay open, and be held
    /// against the streams that the backend allows.
    pub(super) fn end_upload(&self) {
        self.upload_is_over.set(true);
        if let Some(waker) = self.uploading.take() {
            waker.wake();
        }
    }

    /// Whether that was said; if not, who asks is woken when it is.
    pub(super) fn is_upload_over(&self, cx: &Context<'_>) -> bool {
        let mut uploading = self.uploading.borrow_mut();
        if !uploading.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *uploading = Some(cx.waker().clone());
        }
        self.upload_is_over.get()
    }

    /// From now on we wait for a backend: `timeout` each time, and no longer than what is `left` in all.
    pub fn await_backend(&self, timeout: Duration, left: Option<Duration>) {
        self.patience.set(timeout);
        self.until.set(left.map(|left| Instant::now() + left));
        self.await_backend_again();
    }

    /// From now on we wait in a queue, until then.
    pub(super) fn await_turn(&self, until: Instant) {
        self.phase.set(Phase::Queue);
        self.watch.set(until.saturating_duration_since(Instant::now()));
    }

    /// The backend has got or given something, and is waited for as before.
    pub fn await_backend_again(&self) {
        self.phase.set(Phase::Backend);
        self.watch.set(self.patience.get());
        self.shorten();
    }

    /// Whether it becomes a tunnel.
    pub(super) fn has_tunnel(&self) -> bool {
        self.tunnel.borrow().is_some()
    }

    /// Whether the client is owed nothing, but for what is wrong with what it sent.
    pub(super) fn is_due(&self) -> bool {
        self.violation.get().is_some() && matches!(self.phase.get(), Phase::Idle | Phase::Head) && !self.owed.get()
    }

    /// No longer than what is left in all.
    fn shorten(&self) {
        if let Some(until) = self.until.get() {
            self.watch.shorten(until.saturating_duration_since(Instant::now()));
        }
    }

    /// Whether the time of all attempts has passed.
    pub(super) fn is_request_over(&self) -> bool {
        self.until.get().is_some_and(|until| until <= Instant::now())
    }

    /// What is waited for must come within `at_most`, if it has not less time anyway.
    pub(super) fn hurry(&self, at_most: Duration) {
        self.watch.shorten(at_most);
    }

    /// The client sent something.
    pub(super) fn received(&self) {
        if self.owed.get() {
            self.early.set(true);
        } else if self.phase.get() == Phase::Idle {
            self.enter(Phase::Head);
        }
    }

    /// Everything that was to be written is.
    pub(super) fn flushed(&self) {
        if self.phase.get() == Phase::Idle {
            self.owed.set(false);
            if self.early.take() {
                self.enter(Phase::Head);
            }
        }
    }

    /// The client took something.
    pub(super) fn took(&self) {
        let phase = self.phase.get();
        if matches!(phase, Phase::Response | Phase::Idle) {
            self.enter(phase);
        }
    }
}

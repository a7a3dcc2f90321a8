//! The HTTP/2 connections that one worker has to one backend, and who of its requests is on which.
//!
//! A request takes the first that has room. While one is being made those that come wait for it, unless more wait than it
//! will carry. What leaves the list here takes no further requests and closes itself with its last: after a GOAWAY, when it
//! was idle for too long, or when others want it. Connections are made elsewhere.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::connections::Connections;
use super::upstream::http2::Lease;
use super::upstream::shared::Shared;
use crate::tls::Connector;

/// Those of one backend on one worker.
#[derive(Default)]
pub struct Sharing {
    /// Where all workers' are counted, if there may be only so many.
    counts: [Arc<Connections>; 2],
    connections: RefCell<Vec<Rc<Shared>>>,
    /// Connections that are being made.
    opening: Cell<usize>,
    /// Requests that wait for room.
    waiting: Cell<usize>,
    /// Streams that the backend allowed last, where that is known.
    allowed: Cell<Option<usize>>,
    room: Notify,
    /// By ALPN, it has chosen HTTP/1.1.
    is_http1: Cell<bool>,
}

/// A connection is being made, until this is dropped.
pub struct Opening(Rc<Sharing>);

/// A request waits for room, until this is dropped.
struct Waiting<'a>(&'a Sharing);

impl Sharing {
    /// None yet. All workers' connections are counted at these, the backend and the pool.
    pub fn new(counts: [Arc<Connections>; 2]) -> Self {
        Self { counts, ..Self::default() }
    }

    /// Room on a connection that is secured by this; none: there is none now.
    pub fn lease(self: &Rc<Self>, max_streams: u32, tls: Option<&Arc<Connector>>) -> Option<Lease> {
        let connections = self.connections.borrow();
        let is_open = |shared: &&Rc<Shared>| shared.open() < shared.limit(max_streams) && !shared.is_closed();
        let shared = connections.iter().filter(is_open).find(|shared| shared.is_secured_by(tls))?;
        Some(Lease::new(Rc::clone(shared), Rc::clone(self)))
    }

    /// To make one more connection; none: those that are being made will do, so far as can be told.
    pub fn open(self: &Rc<Self>, max_streams: u32) -> Option<Opening> {
        let each = self.allowed.get().unwrap_or(usize::MAX).min(max_streams as usize);
        // Who makes one has a stream of it.
        let wanted = self.waiting.get() + self.opening.get();
        if wanted < self.opening.get().saturating_mul(each) {
            return None;
        }
        self.opening.set(self.opening.get() + 1);
        Some(Opening(Rc::clone(self)))
    }

    /// Waits until there may be room, or another connection to be made.
    pub async fn room(&self) {
        let _waiting = Waiting::new(self);
        self.room.notified().await;
    }

    /// Whether there is any connection, with room or without.
    pub fn has_any(&self) -> bool {
        !self.connections.borrow().is_empty()
    }

    /// One more connection. It takes requests from now on.
    pub fn join(&self, shared: Rc<Shared>, max_streams: u32) {
        self.is_http1.set(false);
        self.allowed.set(Some(shared.limit(max_streams)));
        self.connections.borrow_mut().push(shared);
    }

    /// Whether the backend spoke HTTP/1.1 when it was asked last.
    pub fn is_http1(&self) -> bool {
        self.is_http1.get()
    }

    /// It does.
    pub fn set_http1(&self) {
        self.is_http1.set(true);
    }

    /// A request has left its connection. If that has no other, and others want one, it is closed for them.
    pub fn freed(&self) {
        if self.waiting.get() > 0 {
            self.room.notify_one();
        } else if self.counts.iter().any(|count| count.is_wanted()) {
            self.close_idle(1);
        }
    }

    /// All who wait look again.
    pub fn look_again(&self) {
        self.room.notify_waiters();
    }

    /// No further requests go by this one.
    pub fn leave(&self, shared: &Rc<Shared>) {
        let left: Vec<_> = {
            let mut connections = self.connections.borrow_mut();
            connections.extract_if(.., |known| Rc::ptr_eq(known, shared)).collect()
        };
        if !left.is_empty() {
            self.look_again();
        }
    }

    /// The same of all.
    pub fn leave_all(&self) {
        let left = self.connections.take();
        self.is_http1.set(false);
        self.allowed.set(None);
        drop(left);
        self.look_again();
    }

    /// So many want a connection, of whom some may be those who wait here: if there are others, one leaves, though it has
    /// requests. It is then for who has waited longest.
    pub fn cede(&self, wanted: usize) {
        if wanted > self.opening.get() {
            let ceded = self.connections.borrow_mut().pop();
            drop(ceded);
        }
    }

    /// Closes up to `most` that have no request. Answers how many these were.
    pub fn close_idle(&self, most: usize) -> usize {
        let closed: Vec<_> =
            self.connections.borrow_mut().extract_if(.., |shared| shared.open() == 0).take(most).collect();
        closed.len()
    }

    /// Closes those without a request but for `max`.
    pub fn keep(&self, max: usize) {
        let idle = self.connections.borrow().iter().filter(|shared| shared.open() == 0).count();
        if idle > max {
            self.close_idle(idle - max);
        }
    }

    /// Closes what has had no request for `timeout`. Answers how many are left.
    pub fn sweep(&self, now: Instant, timeout: Duration) -> usize {
        let is_old =
            |shared: &Rc<Shared>| shared.open() == 0 && now.saturating_duration_since(shared.last()) >= timeout;
        let old: Vec<_> = self.connections.borrow_mut().extract_if(.., |shared| is_old(shared)).collect();
        drop(old);
        self.connections.borrow().len()
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        self.0.opening.set(self.0.opening.get() - 1);
        self.0.look_again();
    }
}

impl<'a> Waiting<'a> {
    fn new(sharing: &'a Sharing) -> Self {
        sharing.waiting.set(sharing.waiting.get() + 1);
        Self(sharing)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.set(self.0.waiting.get() - 1);
    }
}

//! An HTTP/2 connection to a backend (RFC 9113), which many requests share.
//!
//! One task drives it: hyper's two halves, the one that takes requests and the one that has the socket. What goes up and
//! down its streams is in [`http2`](super::http2), which of several connections a request takes in
//! [`Sharing`]. No PINGs are sent: servers of gRPC hang up on clients that do.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use hyper::client::conn::http2::{Builder, Connection, SendRequest};
use tokio::sync::Notify;
use tokio::task::spawn_local;
use tokio::time::sleep;

use super::tasks::{Task, Tasks};
use super::{MAX_HEAD_SIZE, Outgoing};
use crate::pool::connect::Stream;
use crate::pool::connections::Counted;
use crate::pool::sharing::Sharing;
use crate::tls::Connector;

/// What a backend may send of all responses of a connection before it is taken, in bytes: room for each of as many
/// streams as there may be, so that none that stands still holds up another.
const MOST_WINDOW: u32 = 64 << 20;

/// The same of one response.
const STREAM_WINDOW: u32 = 256 << 10;

/// As much of a request's body as is kept for a backend that does not take it, in bytes.
const SEND_BUFFER: usize = 64 << 10;

/// One connection.
pub struct Shared {
    pub(super) sender: RefCell<SendRequest<Outgoing>>,
    pub(super) tasks: Tasks,
    tls: Option<Arc<Connector>>,
    /// Streams that requests have.
    open: Cell<usize>,
    /// Streams that the backend allows; 0 until it has said so.
    allowed: Cell<usize>,
    /// The backend takes an extended CONNECT (RFC 8441 §3).
    takes_connect: Cell<bool>,
    /// Responses and parts of them that came by it.
    heard: Cell<u64>,
    /// When its last request ended.
    last: Cell<Instant>,
    settled: Notify,
}

impl Shared {
    /// Takes a fresh socket, and waits until the backend has said what it allows: its first frame. `max_streams` is what
    /// we allow ourselves.
    ///
    /// # Errors
    /// The backend speaks no HTTP/2, or has closed the connection.
    pub async fn establish(
        stream: Stream,
        connected: Counted,
        max_streams: u32,
        sharing: &Rc<Sharing>,
    ) -> Result<Rc<Self>, Unsettled> {
        stream.keep_alive();
        let tls = connected.tls.clone();
        let tasks = Tasks::default();
        let window = STREAM_WINDOW.min(MOST_WINDOW / max_streams.max(1));
        let (sender, requests) = Builder::new(tasks.clone())
            // A stream more than the backend allows is refused. So none is begun before it has said how many.
            .initial_max_send_streams(0)
            .initial_stream_window_size(window)
            .initial_connection_window_size(window.saturating_mul(max_streams))
            .max_header_list_size(u32::try_from(MAX_HEAD_SIZE).unwrap_or(u32::MAX))
            .max_send_buf_size(SEND_BUFFER)
            .handshake::<_, Outgoing>(stream)
            .await
            .map_err(|_| Unsettled)?;
        let transport = tasks.take_transport().ok_or(Unsettled)?;
        let shared = Rc::new(Self {
            sender: RefCell::new(sender),
            tasks,
            tls,
            open: Cell::default(),
            allowed: Cell::default(),
            takes_connect: Cell::default(),
            heard: Cell::default(),
            last: Cell::new(Instant::now()),
            settled: Notify::new(),
        });
        let (weak, sharing) = (Rc::downgrade(&shared), Rc::downgrade(sharing));
        spawn_local(async move {
            drive(requests, transport, &weak, &sharing).await;
            drop(connected);
        });
        loop {
            if shared.is_closed() {
                return Err(Unsettled);
            }
            if shared.allowed.get() > 0 {
                return Ok(shared);
            }
            shared.settled.notified().await;
        }
    }

    /// Whether no further request can be sent.
    pub fn is_closed(&self) -> bool {
        self.sender.borrow().is_closed()
    }

    /// Whether it is secured by this, and not by what was configured before.
    pub fn is_secured_by(&self, tls: Option<&Arc<Connector>>) -> bool {
        match (&self.tls, tls) {
            (Some(known), Some(tls)) => Arc::ptr_eq(known, tls),
            (known, tls) => known.is_none() && tls.is_none(),
        }
    }

    /// Whether the backend takes an extended CONNECT.
    pub(super) fn takes_connect(&self) -> bool {
        self.takes_connect.get()
    }

    /// Whether requests go by TLS.
    pub(super) fn is_secure(&self) -> bool {
        self.tls.is_some()
    }

    /// Streams that it may have at a time, where we allow ourselves `max_streams`.
    pub fn limit(&self, max_streams: u32) -> usize {
        self.allowed.get().min(max_streams as usize)
    }

    /// Streams that requests have.
    pub fn open(&self) -> usize {
        self.open.get()
    }

    /// One more, to be ended by [`end`](Self::end).
    pub fn begin(&self) {
        self.open.set(self.open.get() + 1);
    }

    /// One less.
    pub fn end(&self) {
        self.open.set(self.open.get().saturating_sub(1));
        self.last.set(Instant::now());
    }

    /// When its last request ended.
    pub fn last(&self) -> Instant {
        self.last.get()
    }

    /// How much was heard from the backend so far: a number to compare.
    pub fn heard(&self) -> u64 {
        self.heard.get()
    }

    /// A response, or a part of one, is there.
    pub(super) fn hear(&self) {
        self.heard.set(self.heard.get() + 1);
    }
}

/// A connection came to nothing before it could be used.
#[derive(Debug, thiserror::Error)]
#[error("the backend speaks no HTTP/2")]
pub struct Unsettled;

/// Drives a connection to its end.
async fn drive(
    mut requests: Connection<Stream, Outgoing, Tasks>,
    mut transport: Task,
    shared: &Weak<Shared>,
    sharing: &Weak<Sharing>,
) {
    let mut has_ended = false;
    // First until no further request can follow, as the backend said so or we do. What still waits is given back then.
    poll_fn(|cx| {
        has_ended = transport.as_mut().poll(cx).is_ready();
        let taking = Pin::new(&mut requests).poll(cx);
        settle(shared, sharing, &requests);
        if has_ended || taking.is_ready() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    drop(requests);
    forget(shared, sharing);
    // Then until the last stream has ended.
    if !has_ended {
        tokio::select! {
            () = transport => {}
            () = abandoned(shared) => {}
        }
    }
}

/// Until nobody has had a stream for a while. What is written last may have to wait for a backend that reads slowly; one
/// that reads nothing, as it was stopped, would keep the connection for ever.
async fn abandoned(shared: &Weak<Shared>) {
    const LOOK: Duration = Duration::from_secs(1);
    const FAREWELL: Duration = Duration::from_secs(5);
    while shared.strong_count() > 0 {
        sleep(LOOK).await;
    }
    sleep(FAREWELL).await;
}

/// Takes note of what the backend allows.
fn settle(shared: &Weak<Shared>, sharing: &Weak<Sharing>, requests: &Connection<Stream, Outgoing, Tasks>) {
    let Some(shared) = shared.upgrade() else { return };
    shared.takes_connect.set(requests.is_extended_connect_protocol_enabled());
    let streams = requests.current_max_send_streams();
    let before = shared.allowed.replace(streams);
    if before == 0 && streams > 0 {
        shared.settled.notify_waiters();
    }
    if streams > before
        && let Some(sharing) = sharing.upgrade()
    {
        sharing.look_again();
    }
}

/// No request can be sent any more.
fn forget(shared: &Weak<Shared>, sharing: &Weak<Sharing>) {
    if let Some(shared) = shared.upgrade() {
        shared.settled.notify_waiters();
        if let Some(sharing) = sharing.upgrade() {
            sharing.leave(&shared);
        }
    }
}

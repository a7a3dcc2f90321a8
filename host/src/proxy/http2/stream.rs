//! The streams of one HTTP/2 connection: each is a task, and each has timeouts of its own.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt::Executor;
use tokio::task::spawn_local;

use crate::pool::upstream::duplex::Pump;
use crate::proxy::Proxy;
use crate::proxy::deadline::Watch;
use crate::proxy::line::{Line, Phase};
use crate::proxy::upgrade::carry_stream;

/// What a connection and its streams know of each other.
pub(super) struct Streams {
    proxy: Rc<Proxy>,
    open: Cell<usize>,
    /// Streams that ended well since this was asked last.
    completed: Cell<u32>,
    /// Of the connection: until its first frame, and while no stream is open.
    watch: Watch,
    /// How long the connection may be without a stream.
    patience: Cell<Duration>,
    has_begun: Cell<bool>,
    has_served: Cell<bool>,
    is_flooded: Cell<bool>,
    /// Of the stream that is being started.
    starting: RefCell<Option<Rc<Line>>>,
    /// Of the stream that is polled, when its CONNECT was answered.
    pump: RefCell<Option<Pump>>,
}

impl Streams {
    /// None yet. The first frame is due within `header_timeout`.
    pub(super) fn new(proxy: Rc<Proxy>, watch: Watch, header_timeout: Duration, idle_timeout: Duration) -> Rc<Self> {
        watch.set(header_timeout);
        let (open, completed, starting, pump) = Default::default();
        let (has_begun, has_served, is_flooded) = Default::default();
        let patience = Cell::new(idle_timeout);
        Rc::new(Self { proxy, open, completed, watch, patience, has_begun, has_served, is_flooded, starting, pump })
    }

    /// The deadline of the connection.
    pub(super) fn watch(&self) -> &Watch {
        &self.watch
    }

    /// The client's preface is there.
    pub(super) fn begin(&self) {
        if !self.has_begun.replace(true) && self.open.get() == 0 {
            self.watch.set(self.patience.get());
        }
    }

    /// From now on the connection waits no longer than this for another stream.
    pub(super) fn leave(&self, patience: Duration) {
        self.patience.set(patience);
        if self.open.get() == 0 {
            self.watch.set(patience);
        }
    }

    /// The client took something of a response's body. What is left of one may have been handed to h2 before its stream
    /// ended here.
    pub(super) fn took(&self) {
        if self.has_begun.get() && self.open.get() == 0 {
            self.watch.set(self.patience.get());
        }
    }

    /// Whether there was a stream at all.
    pub(super) fn has_served(&self) -> bool {
        self.has_served.get()
    }

    /// The next task is of a stream with this line.
    pub(super) fn start(&self, line: Rc<Line>) {
        *self.starting.borrow_mut() = Some(line);
    }

    /// Streams that ended well since this was asked last.
    pub(super) fn take_completed(&self) -> u32 {
        self.completed.take()
    }

    /// The client sent too much of what is of no use.
    pub(super) fn set_flooded(&self) {
        self.is_flooded.set(true);
    }

    /// Whether it did.
    pub(super) fn is_flooded(&self) -> bool {
        self.is_flooded.get()
    }
}

/// Runs streams on the thread of their connection.
#[derive(Clone)]
pub(super) struct Spawner {
    streams: Rc<Streams>,
}

impl Spawner {
    /// Of this connection.
    pub(super) fn new(streams: Rc<Streams>) -> Self {
        Self { streams }
    }
}

impl<F: Future<Output = ()> + 'static> Executor<F> for Spawner {
    fn execute(&self, future: F) {
        match self.streams.starting.take() {
            Some(line) => drop(spawn_local(Stream::new(Rc::clone(&self.streams), line, future))),
            // It passes on what is written to a stream after its CONNECT was answered.
            None => *self.streams.pump.borrow_mut() = Some(Box::pin(future)),
        }
    }
}

pin_project_lite::pin_project! {
    /// One stream. Dropped before its end, it is reset.
    struct Stream<F> {
        open: Option<Open>,
        line: Rc<Line>,
        #[pin]
        future: F,
    }
}

impl<F> Stream<F> {
    fn new(streams: Rc<Streams>, line: Rc<Line>, future: F) -> Self {
        streams.open.set(streams.open.get() + 1);
        streams.watch.clear();
        streams.has_served.set(true);
        Self { open: Some(Open(streams)), line, future }
    }
}

impl<F: Future<Output = ()>> Future for Stream<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        this.line.watch().wakes(cx.waker());
        if this.future.poll(cx).is_ready() {
            if let Some(open) = this.open.take() {
                open.complete(Rc::clone(this.line));
            }
            return Poll::Ready(());
        }
        // Whoever waits for a backend or a body sees to it himself. This is a client that takes nothing of its response.
        let takes_nothing = matches!(this.line.phase(), Phase::Response | Phase::Idle) && this.line.watch().is_over();
        if takes_nothing { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// Counts a stream.
struct Open(Rc<Streams>);

impl Open {
    /// The response was sent to its end; or what follows it is a tunnel, in a task of its own, as that needs less memory.
    fn complete(self, line: Rc<Line>) {
        let streams = &self.0;
        let pump = streams.pump.take();
        // One that was reset is over too, but not well.
        streams.completed.set(streams.completed.get() + u32::from(line.is_answered.get()));
        if let Some(tunnel) = line.tunnel.take() {
            let carried = carry_stream(Rc::clone(&streams.proxy), line, tunnel, pump);
            drop(spawn_local(async move {
                carried.await;
                drop(self);
            }));
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let left = self.0.open.get() - 1;
        self.0.open.set(left);
        if left == 0 {
            self.0.watch.set(self.0.patience.get());
        }
    }
}

//! Where hyper's futures of an HTTP/2 connection to a backend run.
//!
//! The first is the connection's socket, which is driven along with the rest of it; others are streams', and have tasks of
//! their own. But the one that passes on what is written to a stream which a CONNECT has opened is kept for the
//! [tunnel](super::duplex) that drives it. hyper does not say whose it is: that follows from when it is started, which is
//! while the future of its request is polled. And whose request a future is follows from hyper's asking the request's body
//! whether it has ended, right before. Should that change, streams are opened that nobody can use, and tests fail.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};

use hyper::rt::Executor;
use tokio::task::spawn_local;

use super::duplex::Pump;

/// A future that is driven by whoever has it.
pub(super) type Task = Pin<Box<dyn Future<Output = ()>>>;

/// Where the future of a tunnel is put when its stream is open.
pub(super) type Place = Cell<Option<Pump>>;

/// Those of one connection.
#[derive(Clone, Default)]
pub(super) struct Tasks(Rc<State>);

#[derive(Default)]
struct State {
    has_transport: Cell<bool>,
    transport: RefCell<Option<Task>>,
    /// The request of which the future is started next.
    next: Cell<Option<Weak<Announcement>>>,
    /// Of the request of which the future is being polled.
    current: Cell<Option<Rc<Place>>>,
}

/// In place of the body of a CONNECT.
pub struct Announcement {
    tasks: Tasks,
    place: Rc<Place>,
}

impl Announcement {
    /// The request is sent now.
    pub(super) fn announce(self: &Rc<Self>) {
        self.tasks.0.next.set(Some(Rc::downgrade(self)));
    }
}

impl Tasks {
    /// The connection's socket.
    pub(super) fn take_transport(&self) -> Option<Task> {
        self.0.transport.take()
    }

    /// What the body of a CONNECT is, and where to find the future when its stream is open.
    pub(super) fn tunnel(&self) -> (Rc<Announcement>, Rc<Place>) {
        let place = Rc::new(Place::default());
        (Rc::new(Announcement { tasks: self.clone(), place: Rc::clone(&place) }), place)
    }
}

impl<F: Future<Output = ()> + 'static> Executor<F> for Tasks {
    fn execute(&self, future: F) {
        if !self.0.has_transport.replace(true) {
            *self.0.transport.borrow_mut() = Some(Box::pin(future));
        } else if let Some(place) = self.0.current.take() {
            place.set(Some(Box::pin(future)));
        } else if let Some(announced) = self.0.next.take().and_then(|next| next.upgrade()) {
            drop(spawn_local(Connecting { future, tasks: self.clone(), place: Rc::clone(&announced.place) }));
        } else {
            drop(spawn_local(future));
        }
    }
}

pin_project_lite::pin_project! {
    /// The future of a CONNECT, until there is a response.
    struct Connecting<F> {
        #[pin]
        future: F,
        tasks: Tasks,
        place: Rc<Place>,
    }
}

impl<F: Future<Output = ()>> Future for Connecting<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        this.tasks.0.current.set(Some(Rc::clone(this.place)));
        let polled = this.future.poll(cx);
        this.tasks.0.current.set(None);
        polled
    }
}

//! A listener as one worker's connections know it, over changes of the snapshot: where it stands, and whether it is
//! still open.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use tokio::sync::Notify;

use super::Proxy;
use crate::snapshot::View;

/// One listener on one worker.
pub struct Door {
    /// Position in the newest snapshot that has it.
    number: Cell<usize>,
    /// Once it is closed: the view in which its last connections live on.
    last: RefCell<Option<Rc<View>>>,
    closed: Notify,
}

impl Door {
    /// An open one, at this position of the snapshot.
    pub fn new(number: usize) -> Rc<Self> {
        Rc::new(Self { number: Cell::new(number), last: RefCell::default(), closed: Notify::new() })
    }

    /// A new snapshot has it at this position.
    pub fn set_number(&self, number: usize) {
        self.number.set(number);
    }

    /// Position in [`Door::view`].
    pub fn number(&self) -> usize {
        self.number.get()
    }

    /// Accepts nobody any more. Connections that are there end with their request, which sees `last`.
    pub fn close(&self, last: Rc<View>) {
        self.last.replace(Some(last));
        self.closed.notify_waiters();
    }

    /// Whether it was closed.
    pub fn is_closed(&self) -> bool {
        self.last.borrow().is_some()
    }

    /// Waits until it is closed.
    pub async fn closed(&self) {
        let closed = self.closed.notified();
        if !self.is_closed() {
            closed.await;
        }
    }

    /// What a request that comes through it now sees.
    pub fn view(&self, proxy: &Proxy) -> Rc<View> {
        match &*self.last.borrow() {
            Some(last) => Rc::clone(last),
            None => Rc::clone(&proxy.view.borrow()),
        }
    }
}

//! A worker's connections of which bytes are carried as they are, upgraded ones included: how many there are, and whether they
//! are to end.

use std::cell::Cell;
use std::rc::Rc;

/// Those of one worker.
#[derive(Default)]
pub struct Tunnels {
    open: Rc<Cell<usize>>,
    over: Cell<bool>,
}

/// One of them: it counts until this is dropped.
pub(super) struct Open(Rc<Cell<usize>>);

impl Tunnels {
    /// How many are open.
    pub fn open(&self) -> usize {
        self.open.get()
    }

    /// All of them are to end, each when it is polled next.
    pub fn end(&self) {
        self.over.set(true);
    }

    /// Whether that was said.
    pub(super) fn are_over(&self) -> bool {
        self.over.get()
    }

    /// One more.
    pub(super) fn begin(&self) -> Open {
        self.open.set(self.open.get() + 1);
        Open(Rc::clone(&self.open))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

//! Timeouts that cost nothing per request.
//!
//! A worker's connections each own one slot with a deadline, which is a number to write; a tick every
//! 100 ms wakes the tasks whose deadline has passed. No timer is armed or cancelled on the way of a request,
//! and the tick slows down or sleeps while there is no connection. Deadlines are never early and up to [`TICK`] late.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Waker;
use std::time::{Duration, Instant};

use slab::Slab;
use tokio::sync::Notify;

/// How often deadlines are looked at.
pub const TICK: Duration = Duration::from_millis(100);

/// The same where there is no deadline: a process with nothing to do should sleep.
pub const SLOW_TICK: Duration = Duration::from_secs(2);

const NEVER: u64 = u64::MAX;

/// The deadlines of one worker.
pub struct Deadlines {
    started: Instant,
    /// Milliseconds since `started`, as of the last tick.
    now: Cell<u64>,
    slots: RefCell<Slab<Rc<Slot>>>,
    first: Notify,
}

struct Slot {
    at: Cell<u64>,
    waker: RefCell<Option<Waker>>,
}

/// One deadline, of one connection.
pub struct Watch {
    slot: Rc<Slot>,
    key: usize,
    owner: Rc<Deadlines>,
}

impl Deadlines {
    /// None yet.
    pub fn new() -> Rc<Self> {
        Rc::new(Self { started: Instant::now(), now: Cell::new(0), slots: RefCell::default(), first: Notify::new() })
    }

    /// A new deadline, not set. Dropped with the [`Watch`].
    pub fn watch(self: &Rc<Self>) -> Watch {
        let slot = Rc::new(Slot { at: Cell::new(NEVER), waker: RefCell::default() });
        let mut slots = self.slots.borrow_mut();
        if slots.is_empty() {
            self.now.set(self.elapsed());
            self.first.notify_one();
        }
        let key = slots.insert(Rc::clone(&slot));
        Watch { slot, key, owner: Rc::clone(self) }
    }

    /// Milliseconds since this began, as of the last tick.
    pub(super) fn now(&self) -> u64 {
        self.now.get()
    }

    /// Wakes every task that has a deadline, passed or not: something else has changed that all must see.
    pub fn wake_all(&self) {
        for (_, slot) in &*self.slots.borrow() {
            slot.wake();
        }
    }

    /// Ticks for ever; sleeps while there is nothing to watch. `each` runs at every tick, and answers whether
    /// it wants another one even so, which then comes after [`SLOW_TICK`].
    pub async fn run(&self, mut each: impl FnMut() -> bool) {
        loop {
            if self.slots.borrow().is_empty() {
                tokio::select! {
                    () = tokio::time::sleep(SLOW_TICK) => {}
                    () = self.first.notified() => tokio::time::sleep(TICK).await,
                }
            } else {
                tokio::time::sleep(TICK).await;
            }
            self.tick();
            let wanted = each();
            if !wanted && self.slots.borrow().is_empty() {
                self.first.notified().await;
            }
        }
    }

    fn tick(&self) {
        let now = self.elapsed();
        self.now.set(now);
        for (_, slot) in &*self.slots.borrow() {
            if slot.at.get() <= now {
                slot.wake();
            }
        }
    }

    fn elapsed(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(NEVER)
    }
}

impl Slot {
    fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }
}

impl Watch {
    /// Sets the deadline, in place of the one before.
    pub fn set(&self, after: Duration) {
        let after = u64::try_from((after + TICK).as_millis()).unwrap_or(NEVER);
        self.slot.at.set(self.owner.now.get().saturating_add(after));
    }

    /// Sets the deadline, unless it is earlier already.
    pub fn shorten(&self, after: Duration) {
        let before = self.slot.at.get();
        self.set(after);
        self.slot.at.set(before.min(self.slot.at.get()));
    }

    /// Takes the deadline away.
    pub fn clear(&self) {
        self.slot.at.set(NEVER);
    }

    /// Whether it has passed.
    pub fn is_over(&self) -> bool {
        self.slot.at.get() <= self.owner.now.get()
    }

    /// Who is woken when it has passed.
    pub fn wakes(&self, waker: &Waker) {
        let mut slot = self.slot.waker.borrow_mut();
        match &mut *slot {
            Some(known) if known.will_wake(waker) => {}
            other => *other = Some(waker.clone()),
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.owner.slots.borrow_mut().remove(self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_passes_at_its_time_and_not_before() {
        let deadlines = Deadlines::new();
        let watch = deadlines.watch();
        assert!(!watch.is_over());
        watch.set(Duration::from_millis(200));
        deadlines.now.set(deadlines.now.get() + 250);
        assert!(!watch.is_over(), "one tick of grace, as `now` may be a tick old");
        deadlines.now.set(deadlines.now.get() + 60);
        assert!(watch.is_over());
        watch.clear();
        assert!(!watch.is_over());
        drop(watch);
        assert!(deadlines.slots.borrow().is_empty());
    }
}

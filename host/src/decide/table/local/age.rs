//! The order of age: a place for each entry, oldest first.
//!
//! A place outlives its entry where that is removed; who takes the place then finds it vacant. What the marks mean
//! for eviction is decided by the table.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crossbeam_queue::{ArrayQueue, SegQueue};

/// The place of an entry.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) hash: u64,
    pub(super) key: Box<[u8]>,
    /// When the entry expires; 0: it was removed. A hint: what holds is in the entry.
    expires_us: AtomicU64,
    /// Whether it was read or renewed since it was last considered.
    used: AtomicBool,
}

impl Slot {
    pub(super) fn new(hash: u64, key: &[u8], expires_us: u64) -> Arc<Self> {
        Arc::new(Self { hash, key: key.into(), expires_us: AtomicU64::new(expires_us), used: AtomicBool::new(false) })
    }

    /// The entry was read. Writes only the first time, so that readers share the cache line.
    pub(super) fn mark(&self) {
        if !self.used.load(Ordering::Relaxed) {
            self.used.store(true, Ordering::Relaxed);
        }
    }

    /// Whether it was marked, which ends by this.
    pub(super) fn take_mark(&self) -> bool {
        self.used.swap(false, Ordering::Relaxed)
    }

    /// The entry was written again.
    pub(super) fn renew(&self, expires_us: u64) {
        self.expires_us.store(expires_us, Ordering::Relaxed);
        self.mark();
    }

    /// The entry was removed.
    pub(super) fn close(&self) {
        self.expires_us.store(0, Ordering::Relaxed);
    }

    /// Whether its entry is there and live, as far as can be seen from here.
    pub(super) fn is_hopeful(&self, now_us: u64) -> bool {
        now_us < self.expires_us.load(Ordering::Relaxed)
    }
}

/// All places.
#[derive(Debug)]
pub(super) struct Age {
    /// Looked at and put back: older than all of `queue`.
    front: ArrayQueue<Arc<Slot>>,
    queue: SegQueue<Arc<Slot>>,
    /// Before this time the oldest has not expired. 0: not known.
    wait_until_us: AtomicU64,
}

impl Age {
    pub(super) fn new() -> Self {
        Self { front: ArrayQueue::new(4), queue: SegQueue::new(), wait_until_us: AtomicU64::new(0) }
    }

    /// Adds the youngest.
    pub(super) fn push(&self, slot: Arc<Slot>) {
        self.queue.push(slot);
    }

    /// Takes the oldest.
    pub(super) fn take(&self) -> Option<Arc<Slot>> {
        self.wait_until_us.store(0, Ordering::Relaxed);
        self.front.pop().or_else(|| self.queue.pop())
    }

    /// Puts the oldest back. Where many threads do so at once, some of theirs become the youngest.
    pub(super) fn put_back(&self, slot: Arc<Slot>) {
        let expires_us = slot.expires_us.load(Ordering::Relaxed);
        if let Err(slot) = self.front.push(slot) {
            return self.queue.push(slot);
        }
        self.wait_until_us.store(expires_us, Ordering::Relaxed);
    }

    /// Whether it is time to look at the oldest.
    pub(super) fn may_have_expired(&self, now_us: u64) -> bool {
        self.wait_until_us.load(Ordering::Relaxed) <= now_us
    }
}

//! How many requests a pool has, where that is limited, and who waits.
//!
//! Room is taken and given back by single atomic operations. Whoever gives back looks whether anybody waits *after* it;
//! whoever begins to wait looks for room *after* saying that he waits. Both are of one total order (`SeqCst`), so that
//! one of them sees the other, and nobody waits beside a free slot.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use crossbeam_utils::CachePadded;

use super::Backend;
use super::connections::Connections;
use super::queue::order::{Freed, Spot};
use super::queue::{Queue, Same, TOTAL};

/// The room of one pool. Lives as long as the pool's name, over snapshots.
#[derive(Debug)]
pub struct Capacity {
    /// Requests, counted only while the pool has a limit: those that began before are not.
    requests: CachePadded<AtomicU32>,
    /// Requests that wait. Seldom written.
    waiting: CachePadded<AtomicU32>,
    pub(super) queue: Queue,
    /// Connections to all backends, counted only while they are limited.
    pub connections: Arc<Connections>,
}

impl Capacity {
    /// Of a pool that takes `limit` requests, at these backends, in this version of it.
    pub fn new(limit: Option<u32>, spots: Vec<Spot<Same>>, version: u64, workers: usize) -> Arc<Self> {
        let queue = Queue::new(limit, spots, version, workers);
        let (requests, waiting, connections) = Default::default();
        Arc::new(Self { requests, waiting, queue, connections })
    }

    /// Requests that wait.
    pub fn waiting(&self) -> u32 {
        self.waiting.load(TOTAL)
    }

    /// Takes a place for a request, if there are fewer than `limit` and nobody waits for one.
    pub fn enter(&self, limit: u32) -> bool {
        self.waiting() == 0 && self.take(limit)
    }

    /// Gives it back.
    pub fn leave(self: &Arc<Self>) {
        self.put_back();
        if self.waiting() > 0 {
            self.serve(Freed::Place);
        }
    }

    /// This backend has a request less.
    pub fn freed(self: &Arc<Self>, backend: &Arc<Backend>) {
        if self.waiting() > 0 {
            self.serve(Freed::Backend(&Same(Arc::clone(backend))));
        }
    }

    pub(super) fn take(&self, limit: u32) -> bool {
        let more = |requests| (requests < limit).then(|| requests + 1);
        self.requests.fetch_update(TOTAL, TOTAL, more).is_ok()
    }

    pub(super) fn put_back(&self) {
        self.requests.fetch_sub(1, TOTAL);
    }

    /// So many more wait. Only with the queue locked.
    pub(super) fn waits(&self, more: i32) {
        self.waiting.fetch_add(more.cast_unsigned(), TOTAL);
    }
}

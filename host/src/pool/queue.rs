//! Requests that wait for a pool or its backends to have room, over all workers.
//!
//! Waiting is the slow path, and the only one that locks: whoever finds room while nobody waits never comes here. What
//! is freed while somebody waits is taken for the longest waiting who can use it, on whichever worker it was freed, so
//! that no newcomer is faster. What a request does with its turn is not decided here.

pub mod order;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use smallvec::SmallVec;

use self::order::{Freed, Order, Room, Served, Spot, Wish};
use super::{Backend, Capacity};

/// A backend, compared by what it is and not by what it is called.
#[derive(Debug, Clone)]
pub struct Same(pub Arc<Backend>);

impl PartialEq for Same {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// The queue of one pool.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    results: [AtomicU64; Waited::ALL.len()],
}

#[derive(Debug)]
struct State {
    order: Order<Same, Option<Waker>>,
    /// Of requests; none: any number.
    limit: Option<u32>,
    /// Whose turn it is, and who has not noticed yet.
    turns: HashMap<u64, Turn>,
    /// Which version of the pool each worker serves, and which one this is.
    applied: Vec<u64>,
    version: u64,
}

/// How waiting ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waited {
    /// It was its turn.
    Served,
    /// Too many waited already.
    Full,
    /// It took too long.
    Timeout,
    /// The client left, or there was nothing left to wait for.
    Left,
}

impl Waited {
    /// All of them, in the order of their discriminants.
    pub const ALL: [Self; 4] = [Self::Served, Self::Full, Self::Timeout, Self::Left];

    /// As in the metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Served => "served",
            Self::Full => "full",
            Self::Timeout => "timeout",
            Self::Left => "left",
        }
    }
}

/// The end of a wait.
#[derive(Debug)]
pub enum Turn {
    /// This is taken for the waiter.
    Granted(Grant),
    /// The pool has changed, and there is nothing to wait for.
    Hopeless,
}

/// What was taken for a waiter. What is not used is free again when this is dropped.
#[derive(Debug)]
pub struct Grant {
    capacity: Arc<Capacity>,
    backend: Option<Arc<Backend>>,
    place: bool,
}

/// A request that waits. Dropping it ends that.
#[derive(Debug)]
pub struct Ticket {
    capacity: Arc<Capacity>,
    number: u64,
    /// Backends that were granted and were of no use, in this version of the pool.
    useless: (u64, SmallVec<[Same; 2]>),
    ended: Option<Waited>,
}

/// A pool's numbers, as the order takes of them.
struct Taking<'a> {
    capacity: &'a Capacity,
    limit: Option<u32>,
}

impl Room<Same> for Taking<'_> {
    fn enter(&mut self) -> bool {
        // Without a limit nobody counts: see `Capacity::enter`.
        self.limit.is_none_or(|limit| self.capacity.take(limit))
    }

    fn leave(&mut self) {
        if self.limit.is_some() {
            self.capacity.put_back();
        }
    }

    fn occupy(&mut self, backend: &Same, limit: u32) -> bool {
        backend.0.load.try_begin(limit)
    }
}

impl Queue {
    pub(super) fn new(limit: Option<u32>, spots: Vec<Spot<Same>>, version: u64, workers: usize) -> Self {
        let (order, turns) = (Order::new(spots), HashMap::new());
        let state = State { order, limit, turns, applied: vec![version; workers], version };
        Self { state: Mutex::new(state), results: Default::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes what was freed for those who wait. They are to be woken when the lock is open again.
    fn serve(&mut self, capacity: &Arc<Capacity>, freed: Freed<'_, Same>) -> Vec<Waker> {
        let mut taking = Taking { capacity, limit: self.limit };
        let served = self.order.serve(freed, &mut taking);
        let limited = self.limit.is_some();
        let woken = served.into_iter().filter_map(|Served { number, backend, place, waker }| {
            capacity.waits(-1);
            let backend = backend.map(|Same(backend)| backend);
            let grant = Grant { capacity: Arc::clone(capacity), backend, place: place && limited };
            self.turns.insert(number, Turn::Granted(grant));
            waker
        });
        woken.collect()
    }
}

impl Capacity {
    /// Something is free that was not, and somebody waits.
    pub(super) fn serve(self: &Arc<Self>, freed: Freed<'_, Same>) {
        let woken = self.queue.lock().serve(self, freed);
        woken.into_iter().for_each(Waker::wake);
    }

    /// A worker serves this version of the pool from now on. When all do, what waits is told: `limit` and `spots` are
    /// those of this version.
    pub fn applied(
        self: &Arc<Self>,
        worker: usize,
        version: u64,
        limit: Option<u32>,
        spots: impl FnOnce() -> Vec<Spot<Same>>,
    ) {
        let mut state = self.queue.lock();
        if let Some(applied) = state.applied.get_mut(worker) {
            *applied = version;
        }
        let oldest = state.applied.iter().copied().min().unwrap_or(version);
        // The last to come has the oldest version: so far everybody has come.
        if oldest <= state.version || oldest != version {
            return;
        }
        state.version = version;
        state.limit = limit;
        let hopeless = state.order.set(spots());
        let mut woken = Vec::new();
        for (number, waker) in hopeless {
            self.waits(-1);
            state.turns.insert(number, Turn::Hopeless);
            woken.extend(waker);
        }
        woken.extend(state.serve(self, Freed::Anything));
        drop(state);
        woken.into_iter().for_each(Waker::wake);
    }

    /// Waits in the queue, behind all who wait already.
    ///
    /// # Errors
    /// `most` wait already.
    pub fn join(self: &Arc<Self>, wish: Wish<Same>, most: u32) -> Result<Ticket, Full> {
        let mut state = self.queue.lock();
        let number = state.order.number();
        if state.order.is_hopeless(&wish) {
            state.turns.insert(number, Turn::Hopeless);
            let useless = (state.version, SmallVec::new());
            drop(state);
            return Ok(Ticket { capacity: Arc::clone(self), number, useless, ended: None });
        }
        state.order.join(number, wish, None);
        // From here on whoever frees something sees that somebody waits, or else it is seen now that it is free.
        self.waits(1);
        let woken = state.serve(self, Freed::Anything);
        let waits = !state.turns.contains_key(&number);
        if waits && state.order.waiting() > most as usize {
            state.order.leave(number);
            self.waits(-1);
            drop(state);
            woken.into_iter().for_each(Waker::wake);
            return Err(Full);
        }
        let useless = (state.version, SmallVec::new());
        drop(state);
        woken.into_iter().for_each(Waker::wake);
        Ok(Ticket { capacity: Arc::clone(self), number, useless, ended: None })
    }

    /// Counts the end of a wait.
    pub fn count(&self, waited: Waited) {
        self.queue.results[waited as usize].fetch_add(1, Relaxed);
    }

    /// How often waiting ended so.
    pub fn waited(&self, waited: Waited) -> u64 {
        self.queue.results[waited as usize].load(Relaxed)
    }
}

/// As many requests wait as may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

impl Ticket {
    /// Waits for the turn.
    pub fn poll(&mut self, cx: &Context<'_>) -> Poll<Turn> {
        let mut state = self.capacity.queue.lock();
        if let Some(turn) = state.turns.remove(&self.number) {
            return Poll::Ready(turn);
        }
        match state.order.waker(self.number) {
            Some(Some(known)) if known.will_wake(cx.waker()) => Poll::Pending,
            Some(waker) => {
                *waker = Some(cx.waker().clone());
                Poll::Pending
            }
            // It waits for nothing.
            None => Poll::Ready(Turn::Hopeless),
        }
    }

    /// Waits once more, at the same place. What it was granted is given back; unless a certain backend is wished for now,
    /// it was of no use, and is not granted again until the pool changes.
    pub fn again(&mut self, mut wish: Wish<Same>, grant: Option<Grant>) {
        let mut state = self.capacity.queue.lock();
        if self.useless.0 != state.version {
            self.useless = (state.version, SmallVec::new());
        }
        if wish.bound.is_none() {
            self.useless.1.extend(grant.iter().filter_map(|grant| grant.backend.clone()).map(Same));
        }
        wish.useless.clone_from(&self.useless.1);
        let mut woken = Vec::new();
        if state.order.is_hopeless(&wish) {
            state.turns.insert(self.number, Turn::Hopeless);
        } else {
            state.order.join(self.number, wish, None);
            self.capacity.waits(1);
            woken = state.serve(&self.capacity, Freed::Anything);
        }
        drop(state);
        woken.into_iter().for_each(Waker::wake);
        drop(grant);
    }

    /// Any backend will do from now on.
    pub fn unbind(&mut self) {
        let mut state = self.capacity.queue.lock();
        if state.order.unbind_or_leave(self.number) {
            self.capacity.waits(-1);
            state.turns.insert(self.number, Turn::Hopeless);
        }
        let woken = state.serve(&self.capacity, Freed::Anything);
        drop(state);
        woken.into_iter().for_each(Waker::wake);
    }

    /// How it ended.
    pub fn end(mut self, waited: Waited) {
        self.ended = Some(waited);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut state = self.capacity.queue.lock();
        if state.order.leave(self.number) {
            self.capacity.waits(-1);
        }
        let turn = state.turns.remove(&self.number);
        drop(state);
        self.capacity.count(self.ended.unwrap_or(Waited::Left));
        // What was granted and not noticed is for others. Giving it back locks again.
        drop(turn);
    }
}

impl Grant {
    /// The place in the pool: whoever takes it gives it back.
    pub fn take_place(&mut self) -> bool {
        std::mem::take(&mut self.place)
    }

    /// Whether a slot was granted, and is not taken yet.
    pub fn has_slot(&self) -> bool {
        self.backend.is_some()
    }

    /// The slot at this backend, if that is what was granted: whoever takes it gives it back.
    pub fn take_slot(&mut self, backend: &Arc<Backend>) -> bool {
        self.backend.take_if(|granted| Arc::ptr_eq(granted, backend)).is_some()
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        if let Some(backend) = self.backend.take() {
            backend.load.end();
            self.capacity.freed(&backend);
        }
        if self.place {
            self.capacity.leave();
        }
    }
}

/// Order of the numbers that are read while something is freed: see [`Capacity`].
pub(super) const TOTAL: std::sync::atomic::Ordering = SeqCst;

#[cfg(test)]
mod tests;

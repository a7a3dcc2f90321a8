//! The clock behind deadlines: an OS thread that ticks every millisecond while anyone may run a guest.
//!
//! It sleeps without any wakeup once nobody was active for as many ticks as somebody was before, at most [`QUIET`],
//! and is woken by the next who becomes active. So while guest code runs, ticks come; while the process is idle, none do. It
//! does not know what a tick is for, nor how long a deadline is.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering, fence};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

use crossbeam_utils::CachePadded;

/// Time between two ticks.
const TICK: Duration = Duration::from_millis(1);
/// Ticks without any activity after which the ticker sleeps, at the most.
const QUIET: u32 = 50;

/// The running ticker. Stops its thread when dropped.
pub(super) struct Ticker {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// Says of one thread whether it may run guest code. Every thread that calls an instance holds one that is busy during
/// the call, or the call's deadline may never come.
///
/// Cheap enough for a runtime's park hooks: a store to a cache line of its own, a fence, and a load of
/// a line that rarely changes. New ones are busy; dropping the last clone ends the activity. To be used by
/// one thread at a time.
#[derive(Clone)]
pub struct Activity(Arc<Inner>);

struct Inner {
    slot: Arc<Slot>,
    shared: Arc<Shared>,
}

/// Odd while busy; grows with each change, so that the ticker also sees what happened between two ticks.
type Slot = CachePadded<AtomicU32>;

struct Shared {
    asleep: CachePadded<AtomicBool>,
    stop: AtomicBool,
    slots: Mutex<Vec<Arc<Slot>>>,
    thread: OnceLock<Thread>,
}

impl Ticker {
    /// Starts the thread; it calls `tick` every millisecond.
    ///
    /// # Errors
    /// When the system refuses the thread.
    pub(super) fn start(tick: impl Fn() + Send + 'static) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            asleep: CachePadded::new(AtomicBool::new(false)),
            stop: AtomicBool::new(false),
            slots: Mutex::default(),
            thread: OnceLock::new(),
        });
        let runs = Arc::clone(&shared);
        let thread = thread::Builder::new().name("ticker".into()).spawn(move || run(&runs, tick))?;
        // Nobody can want to wake it before: activities come from the value returned here.
        let _ = shared.thread.set(thread.thread().clone());
        Ok(Self { shared, thread: Some(thread) })
    }

    /// A new activity, busy.
    pub(super) fn activity(&self) -> Activity {
        let slot = Arc::new(CachePadded::new(AtomicU32::new(0)));
        self.shared.slots.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&slot));
        let activity = Activity(Arc::new(Inner { slot, shared: Arc::clone(&self.shared) }));
        activity.busy();
        activity
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.shared.wake();
        if let Some(thread) = self.thread.take() {
            // A panic of the ticker has been reported by its thread already.
            let _ = thread.join();
        }
    }
}

impl Activity {
    /// From now on this thread may run guest code.
    pub fn busy(&self) {
        let Inner { slot, shared } = &*self.0;
        // One thread writes the slot, so a load and a store do.
        slot.store(slot.load(Ordering::Relaxed).wrapping_add(1) | 1, Ordering::Relaxed);
        // Either the ticker, about to sleep, sees our store, or we see its flag.
        fence(Ordering::SeqCst);
        if shared.asleep.load(Ordering::Relaxed) {
            shared.wake();
        }
    }

    /// From now on this thread runs none.
    pub fn idle(&self) {
        let slot = &self.0.slot;
        let count = slot.load(Ordering::Relaxed);
        slot.store(count.wrapping_add(count & 1), Ordering::Relaxed);
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let mut slots = self.shared.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.retain(|slot| !Arc::ptr_eq(slot, &self.slot));
    }
}

impl Shared {
    fn wake(&self) {
        self.asleep.store(false, Ordering::SeqCst);
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    /// Whether anyone is busy, and a number that changes whenever anyone becomes so, and not when it ends.
    fn scan(&self) -> (bool, u32) {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.iter().map(|slot| slot.load(Ordering::Relaxed)).fold((false, 0), |(busy, sum), count| {
            (busy || count & 1 == 1, u32::wrapping_add(sum, count.wrapping_add(1) >> 1))
        })
    }
}

fn run(shared: &Shared, tick: impl Fn()) {
    let (mut quiet, mut active, mut last) = (0, QUIET, 0);
    while !shared.stop.load(Ordering::SeqCst) {
        thread::sleep(TICK);
        tick();
        let (busy, sum) = shared.scan();
        if busy || sum != last {
            // After a moment of work it waits for a moment, after long work for long.
            active = (active + 1).min(QUIET);
            quiet = QUIET - active;
        } else {
            quiet += 1;
        }
        last = sum;
        if quiet < QUIET {
            continue;
        }
        shared.asleep.store(true, Ordering::SeqCst);
        // The other half of the handshake in `busy`.
        fence(Ordering::SeqCst);
        let (busy, sum) = shared.scan();
        if !busy && sum == last {
            while shared.asleep.load(Ordering::SeqCst) && !shared.stop.load(Ordering::SeqCst) {
                thread::park();
            }
        }
        shared.asleep.store(false, Ordering::SeqCst);
        // Who woke it may be done already, as a worker is that only looked at its clock: then it sleeps after one tick.
        (last, active, quiet) = (shared.scan().1, 0, QUIET - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    fn wait_until_asleep(ticker: &Ticker) {
        while !ticker.shared.asleep.load(Ordering::SeqCst) {
            thread::yield_now();
        }
    }

    #[test]
    fn sleeps_when_idle_and_wakes_for_the_busy() {
        let (sender, ticks) = mpsc::channel();
        let ticker = Ticker::start(move || sender.send(()).unwrap()).unwrap();
        let (one, two) = (ticker.activity(), ticker.activity());
        for _ in 0..2 * QUIET {
            ticks.recv().unwrap();
        }
        assert!(!ticker.shared.asleep.load(Ordering::SeqCst), "two are busy");
        one.idle();
        one.idle();
        drop(two);
        wait_until_asleep(&ticker);
        while ticks.try_recv().is_ok() {}
        one.busy();
        ticks.recv().unwrap();
        one.idle();
        wait_until_asleep(&ticker);
        drop(ticker);
        assert!(ticks.iter().count() < 10 * QUIET as usize, "the channel ends with the thread");
    }
}

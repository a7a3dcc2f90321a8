//! Wakes the task that drives a connection, but for what that task does itself.
//!
//! hyper passes requests and bodies between its halves by channels, whose ends wake each other. Here both ends
//! are polled by the same task, one after the other, so that most of these wake-ups would only have it polled
//! again for nothing: twice for each request, where two polls are all that it needs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};

use atomic_waker::AtomicWaker;

/// The waker of one connection, whichever task drives it.
pub(super) struct Link {
    shared: Arc<Shared>,
    waker: Waker,
}

#[derive(Default)]
struct Shared {
    task: AtomicWaker,
    hushed: AtomicBool,
}

impl Link {
    /// Wakes nobody yet.
    pub(super) fn new() -> Self {
        let shared = Arc::<Shared>::default();
        Self { waker: Waker::from(Arc::clone(&shared)), shared }
    }

    /// The waker to poll the connection with; it wakes `task` from now on.
    pub(super) fn waking(&self, task: &Waker) -> &Waker {
        self.shared.task.register(task);
        &self.waker
    }

    /// Wakes nobody, until somebody drives the connection again.
    pub(super) fn release(&self) {
        drop(self.shared.task.take());
    }

    /// Does what would wake the task that is running. Only for what is followed by driving the connection,
    /// now or when its body is asked for next.
    pub(super) fn hush<T>(&self, work: impl FnOnce() -> T) -> T {
        self.shared.hushed.store(true, Ordering::Relaxed);
        let done = work();
        self.shared.hushed.store(false, Ordering::Relaxed);
        done
    }
}

impl Wake for Shared {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // The connection never leaves its worker's thread, and neither do its wake-ups.
        if !self.hushed.load(Ordering::Relaxed) {
            self.task.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn only_others_wake_the_task() {
        let (link, count) = (Link::new(), Arc::new(Count::default()));
        let woken = || count.0.load(Ordering::Relaxed);
        let waker = link.waking(&Waker::from(Arc::clone(&count))).clone();
        link.hush(|| waker.wake_by_ref());
        assert_eq!(woken(), 0, "by itself");
        waker.wake_by_ref();
        assert_eq!(woken(), 1, "by the socket");
        link.waking(&Waker::from(Arc::clone(&count)));
        link.release();
        waker.wake_by_ref();
        assert_eq!(woken(), 1, "idle");
    }
}

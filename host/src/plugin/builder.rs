//! The builder threads: everything slow about plugins, away from control and the workers.
//!
//! Two, at low priority, so that a guest that loops in `configure` does not hold up a component that
//! compiles. It knows jobs, not what they do.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;

use rustix::process::setpriority_process;
use tokio::sync::oneshot;

use super::ticker::{Activity, Ticker};

/// Number of threads.
const THREADS: usize = 2;
/// Their niceness: a worker that wants the core gets about ten times as much of it.
const NICE: i32 = 10;

type Job = Box<dyn FnOnce() + Send>;
type Jobs = Arc<Mutex<mpsc::Receiver<Job>>>;

/// The threads. They end, with the jobs they have, after this is dropped.
pub(super) struct Builders {
    jobs: mpsc::Sender<Job>,
}

impl Builders {
    /// Starts them.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub(super) fn start(ticker: &Ticker) -> std::io::Result<Self> {
        let (jobs, receiver) = mpsc::channel();
        let receiver = Arc::new(Mutex::new(receiver));
        for _ in 0..THREADS {
            let (receiver, activity) = (Arc::clone(&receiver), ticker.activity());
            thread::Builder::new().name("builder".into()).spawn(move || work(&receiver, &activity))?;
        }
        Ok(Self { jobs })
    }

    /// Has `job` done. The receiver errs if it panics.
    pub(super) fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> oneshot::Receiver<T> {
        let (sender, receiver) = oneshot::channel();
        // Nobody waits for what was given up, and without threads the receiver errs.
        let _ = self.jobs.send(Box::new(move || drop(sender.send(job()))));
        receiver
    }
}

fn work(jobs: &Jobs, activity: &Activity) {
    // On Linux niceness is the thread's, and threads that a compilation starts inherit it. Without it all
    // works, less politely.
    if let Err(error) = setpriority_process(None, NICE) {
        tracing::debug!("builder threads run at normal priority: {error}");
    }
    activity.idle();
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        activity.busy();
        if catch_unwind(AssertUnwindSafe(job)).is_err() {
            tracing::error!("a builder's job panicked");
        }
        activity.idle();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_costs_one_job_only() {
        let ticker = Ticker::start(|| ()).unwrap();
        let builders = Builders::start(&ticker).unwrap();
        for _ in 0..2 * THREADS {
            builders.run(|| panic!("a test's")).blocking_recv().unwrap_err();
        }
        assert_eq!(builders.run(|| 7).blocking_recv(), Ok(7));
    }
}

//! Requests that never stop while a test does something to the host.

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::client::Client;

/// Does `work` while two clients keep their connections and one makes a new one for each request. Every request must be
/// answered with 200. Answers what `work` did, and how many requests there were meanwhile.
///
/// # Panics
/// When a request fails, or `work` does.
pub fn under_load<R>(address: SocketAddr, work: impl FnOnce() -> R) -> (R, usize) {
    under_load_with(address, |_| String::new(), work)
}

/// The same, with header lines (each with its line end) for the nth request.
///
/// # Panics
/// When a request fails, or `work` does.
pub fn under_load_with<R>(
    address: SocketAddr,
    lines: impl Fn(usize) -> String + Sync,
    work: impl FnOnce() -> R,
) -> (R, usize) {
    under_load_by(|| Client::connect(address), lines, work)
}

/// The same, by clients that connect as they are told.
///
/// # Panics
/// When a request fails, or `work` does.
pub fn under_load_by<R>(
    connect: impl Fn() -> Client + Sync,
    lines: impl Fn(usize) -> String + Sync,
    work: impl FnOnce() -> R,
) -> (R, usize) {
    let (done, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    let worked = std::thread::scope(|scope| {
        for keeps in [true, true, false] {
            let (done, asked, lines, connect) = (&done, &asked, &lines, &connect);
            scope.spawn(move || {
                let mut client = connect();
                while !done.load(Ordering::Relaxed) {
                    let number = asked.fetch_add(1, Ordering::Relaxed);
                    let response = client.get_with("/", &lines(number));
                    assert_eq!(response.status, 200, "request {number}: {} {}", response.reason(), response.text());
                    if !keeps {
                        client = connect();
                    }
                }
            });
        }
        let worked = catch_unwind(AssertUnwindSafe(work));
        done.store(true, Ordering::Relaxed);
        worked
    });
    (worked.unwrap_or_else(|panic| resume_unwind(panic)), asked.into_inner())
}

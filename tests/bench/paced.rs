//! A steady load over few connections: each client sends a request at its time, if the last was answered.

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use trimtab_tests::{Client, wait};

/// Where to, and how much.
pub(crate) struct Pace {
    pub(crate) address: SocketAddr,
    pub(crate) connections: usize,
    /// Requests a second, of all connections.
    pub(crate) rate: u32,
}

/// How long requests took, in order.
pub(crate) struct Latencies(Vec<Duration>);

impl Pace {
    /// Until it is done.
    ///
    /// # Panics
    /// When a request is not answered with 200.
    pub(crate) fn run(&self, done: &AtomicBool) -> Latencies {
        let mut all = thread::scope(|scope| {
            let clients: Vec<_> = (0..self.connections).map(|n| scope.spawn(move || self.client(n, done))).collect();
            clients.into_iter().flat_map(|client| client.join().expect("a client panicked")).collect::<Vec<_>>()
        });
        all.sort_unstable();
        Latencies(all)
    }

    fn client(&self, number: usize, done: &AtomicBool) -> Vec<Duration> {
        let (mut client, mut latencies) = (Client::connect(self.address), Vec::new());
        let each = Duration::from_secs(self.connections as u64) / self.rate;
        // Not all at the same time.
        let mut next = Instant::now() + each * number as u32 / self.connections as u32;
        let mut cookie = String::new();
        while !done.load(Ordering::Relaxed) {
            wait::until(next);
            let user = latencies.len() * self.connections + number;
            let start = Instant::now();
            let response = client.get_with("/", &format!("x-user: user-{user}\r\n{cookie}"));
            latencies.push(start.elapsed());
            assert_eq!(response.status, 200, "{}", response.text());
            if let Some(set) = response.headers.get("set-cookie") {
                cookie = format!("cookie: {}\r\n", set.split(';').next().unwrap_or_default());
            }
            next = (next + each).max(start);
        }
        latencies
    }
}

impl fmt::Display for Latencies {
    /// The cells of a row: count, percentiles, the longest, and how many were above 10 ms.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(all) = self;
        let at = |part: f64| all.get((all.len() as f64 * part) as usize).or(all.last()).copied().unwrap_or_default();
        let ms = |time: Duration| format!("{:.2} ms", time.as_secs_f64() * 1e3);
        let above = all.iter().filter(|time| **time > Duration::from_millis(10)).count();
        let [p50, p99, p999, longest] = [0.5, 0.99, 0.999, 1.0].map(|part| ms(at(part)));
        write!(f, "{} | {p50} | {p99} | {p999} | {longest} | {above}", all.len())
    }
}

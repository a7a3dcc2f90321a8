//! A steady load over few connections: each client sends a request at its time, if the last was answered.

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
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

/// How requests went.
pub(crate) struct Latencies {
    /// How long each took, in order; failed ones are not among them.
    all: Vec<Duration>,
    /// Requests without a whole response of status 200.
    pub(crate) failed: u64,
}

impl Pace {
    /// For as long as `meanwhile` runs.
    pub(crate) fn during<T>(&self, meanwhile: impl FnOnce() -> T) -> (Latencies, T) {
        let (done, failed) = (AtomicBool::new(false), AtomicU64::new(0));
        let client = |number| self.client(number, &done, &failed);
        let (mut all, value) = thread::scope(|scope| {
            let clients: Vec<_> = (0..self.connections).map(|n| scope.spawn(move || client(n))).collect();
            let value = meanwhile();
            done.store(true, Ordering::Relaxed);
            let all: Vec<_> = clients.into_iter().flat_map(|c| c.join().expect("a client panicked")).collect();
            (all, value)
        });
        all.sort_unstable();
        (Latencies { all, failed: failed.into_inner() }, value)
    }

    fn client(&self, number: usize, done: &AtomicBool, failed: &AtomicU64) -> Vec<Duration> {
        let (mut client, mut latencies) = (Client::connect(self.address), Vec::new());
        let each = Duration::from_secs(self.connections as u64) / self.rate;
        // Not all at the same time.
        let mut next = Instant::now() + each * number as u32 / self.connections as u32;
        let mut cookie = String::new();
        let mut user = number;
        while !done.load(Ordering::Relaxed) {
            wait::until(next);
            let request = format!("GET / HTTP/1.1\r\nhost: bench\r\nx-user: user-{user}\r\n{cookie}\r\n");
            user += self.connections;
            let start = Instant::now();
            match client.wire.send(request).and_then(|()| client.try_response("GET")) {
                Ok(response) if response.status == 200 => {
                    latencies.push(start.elapsed());
                    if let Some(set) = response.headers.get("set-cookie") {
                        cookie = format!("cookie: {}\r\n", set.split(';').next().unwrap_or_default());
                    }
                }
                answer => {
                    failed.fetch_add(1, Ordering::Relaxed);
                    if answer.is_err() {
                        client = Client::connect(self.address);
                    }
                }
            }
            next = (next + each).max(start);
        }
        latencies
    }
}

impl Latencies {
    /// Requests that were answered.
    pub(crate) fn count(&self) -> usize {
        self.all.len()
    }

    /// The time within which this part of them was answered.
    pub(crate) fn at(&self, part: f64) -> Duration {
        let place = (self.all.len() as f64 * part) as usize;
        self.all.get(place).or(self.all.last()).copied().unwrap_or_default()
    }
}

impl fmt::Display for Latencies {
    /// The cells of a row: count, percentiles, the longest, and how many were above 10 ms.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |time: Duration| format!("{:.2} ms", time.as_secs_f64() * 1e3);
        let above = self.all.iter().filter(|time| **time > Duration::from_millis(10)).count();
        let [p50, p99, p999, longest] = [0.5, 0.99, 0.999, 1.0].map(|part| ms(self.at(part)));
        write!(f, "{} | {p50} | {p99} | {p999} | {longest} | {above}", self.count())
    }
}

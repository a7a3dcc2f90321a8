//! The load: wrk for the figures, and an exact number of requests for the count of failures.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use trimtab_tests::Client;

/// What wrk tells of a turn.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Load {
    /// Requests answered.
    pub(crate) requests: u64,
    /// Requests answered per second.
    pub(crate) rate: f64,
    /// Half of them were answered within this.
    pub(crate) p50: Duration,
    /// 99 of 100 were.
    pub(crate) p99: Duration,
    /// Socket errors, and answers that are neither 2xx nor 3xx.
    pub(crate) failed: u64,
}

/// Loads this address for so many seconds.
pub(crate) fn wrk(address: SocketAddr, connections: usize, seconds: u64) -> Result<Load> {
    let output = Command::new("wrk")
        .args(["--latency", "-t", "2", "-c", &connections.to_string(), "-d", &format!("{seconds}s")])
        .arg(format!("http://{address}/"))
        .output()
        .context("cannot start wrk")?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        bail!("wrk: {text}{}", String::from_utf8_lossy(&output.stderr));
    }
    parse(&text).with_context(|| format!("wrk said:\n{text}"))
}

fn parse(text: &str) -> Option<Load> {
    let mut load = Load::default();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["50%", time] => load.p50 = duration(time)?,
            ["99%", time] => load.p99 = duration(time)?,
            [count, "requests", "in", ..] => load.requests = count.parse().ok()?,
            ["Requests/sec:", rate] => load.rate = rate.parse().ok()?,
            ["Socket", "errors:", ..] => {
                load.failed += words.iter().filter_map(|w| w.trim_end_matches(',').parse::<u64>().ok()).sum::<u64>();
            }
            ["Non-2xx", .., count] => load.failed += count.parse::<u64>().ok()?,
            _ => {}
        }
    }
    (load.requests > 0).then_some(load)
}

fn duration(text: &str) -> Option<Duration> {
    let unit = text.find(char::is_alphabetic)?;
    let value: f64 = text[..unit].parse().ok()?;
    let seconds = match &text[unit..] {
        "us" => value / 1e6,
        "ms" => value / 1e3,
        "s" => value,
        _ => return None,
    };
    Some(Duration::from_secs_f64(seconds))
}

/// How an exact number of requests went.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Count {
    /// Requests sent.
    pub(crate) sent: usize,
    /// Whole responses with status 200.
    pub(crate) answered: usize,
}

impl Count {
    /// What was not answered with 200.
    pub(crate) fn failed(self) -> usize {
        self.sent - self.answered
    }
}

/// Sends exactly `requests` over as many connections; a connection that fails is replaced.
pub(crate) fn exactly(address: SocketAddr, connections: usize, requests: usize) -> Result<Count> {
    const AT_ONCE: usize = 16;
    let (left, answered) = (AtomicUsize::new(requests), AtomicUsize::new(0));
    let request = "GET / HTTP/1.1\r\nhost: bench\r\n\r\n";
    let take = || {
        let before = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| Some(n - n.min(AT_ONCE)));
        before.unwrap_or_default().min(AT_ONCE)
    };
    std::thread::scope(|scope| {
        for _ in 0..connections {
            scope.spawn(|| {
                let mut client = Client::connect(address);
                loop {
                    let batch = take();
                    if batch == 0 {
                        return;
                    }
                    for _ in 0..batch {
                        let sent = client.wire.send(request);
                        match sent.and_then(|()| client.try_response("GET")) {
                            Ok(response) if response.status == 200 && response.body.len() == 128 => {
                                answered.fetch_add(1, Ordering::SeqCst);
                            }
                            Ok(_) => {}
                            Err(_) => client = Client::connect(address),
                        }
                    }
                }
            });
        }
    });
    Ok(Count { sent: requests, answered: answered.into_inner() })
}

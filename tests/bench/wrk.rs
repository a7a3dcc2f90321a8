//! Full load, by wrk: each connection sends the next request when it has its answer.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::backends::tied;

/// What clients saw in a turn.
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
    /// All were.
    pub(crate) longest: Duration,
    /// Socket errors, and answers that are neither 2xx nor 3xx.
    pub(crate) failed: u64,
}

/// Loads this origin, such as `http://127.0.0.1:8080`, while `meanwhile` runs, which should take some tenths of a second at least.
pub(crate) fn wrk<T>(origin: &str, connections: usize, meanwhile: impl FnOnce() -> T) -> Result<(Load, T)> {
    // It ends, and tells, when it is interrupted; the hour is for the case that nobody does.
    let child = tied("wrk".as_ref())
        .args(["--latency", "-t", "2", "-c", &connections.to_string(), "-d", "1h"])
        .arg(format!("{origin}/"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot start wrk")?;
    let done = meanwhile();
    kill_process(Pid::from_child(&child), Signal::INT)?;
    let output = child.wait_with_output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        bail!("wrk: {text}{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok((parse(&text).with_context(|| format!("wrk said:\n{text}"))?, done))
}

fn parse(text: &str) -> Option<Load> {
    let mut load = Load::default();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["50%", time] => load.p50 = duration(time)?,
            ["99%", time] => load.p99 = duration(time)?,
            ["Latency", _, _, longest, _] => load.longest = duration(longest)?,
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

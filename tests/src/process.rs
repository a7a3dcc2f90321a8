//! What `/proc` tells of a process. It follows no children.

use std::fs;
use std::io;
use std::time::Duration;

/// `/proc` counts in ticks of 1/100 s on every Linux that Rust runs on.
const MILLISECONDS_PER_TICK: u64 = 10;

/// User and system time of all threads of the process so far.
///
/// # Errors
/// When there is no such process.
pub fn processor_time(pid: u32) -> io::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in parentheses may hold spaces; utime and stime are the 12th and 13th field behind it.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Ok(Duration::from_millis(ticks * MILLISECONDS_PER_TICK))
}

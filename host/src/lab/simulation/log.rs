//! A recorded access log as requests: when each came, whose it was, how long it took.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::time::SystemTime;

/// A request that was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Recorded {
    /// When it came, in microseconds since the first.
    pub(super) at_us: u64,
    /// Its client, by the order in which clients appear.
    pub(super) key: u32,
    /// How long it took.
    pub(super) took_us: u64,
}

/// Reads a log, in the order of arrival.
///
/// # Errors
/// It cannot be read, or a line is none of an access log: the message has its number.
pub(super) fn read(path: &Path) -> io::Result<Vec<Recorded>> {
    let named = |what: String| io::Error::other(format!("{}: {what}", path.display()));
    let file = File::open(path).map_err(|error| named(error.to_string()))?;
    let (mut keys, mut all) = (HashMap::new(), Vec::new());
    for (number, line) in BufReader::new(file).lines().enumerate() {
        let line = line.map_err(|error| named(format!("line {}: {error}", number + 1)))?;
        if line.trim().is_empty() {
            continue;
        }
        let parsed = parse(&line);
        let (end_us, client, took_us) =
            parsed.ok_or_else(|| named(format!("line {} is none of an access log", number + 1)))?;
        let next = keys.len() as u32;
        let key = *keys.entry(client.to_owned()).or_insert(next);
        all.push(Recorded { at_us: end_us.saturating_sub(took_us), key, took_us });
    }
    all.sort_by_key(|recorded| recorded.at_us);
    let first = all.first().map_or(0, |recorded| recorded.at_us);
    all.iter_mut().for_each(|recorded| recorded.at_us -= first);
    if all.is_empty() { Err(named("there is no request in it".to_owned())) } else { Ok(all) }
}

/// When it ended, whose it was, how long it took. The client's port is left out: a client has many.
fn parse(line: &str) -> Option<(u64, &str, u64)> {
    // time client listener pool backend attempts status sent took "METHOD …
    let mut fields = line.split(' ');
    let time = humantime::parse_rfc3339(fields.next()?).ok()?;
    let client = fields.next()?;
    let took = fields.nth(6)?.parse().ok()?;
    let end = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    let address = match client.rsplit_once(':') {
        Some((address, port)) if port.parse::<u16>().is_ok() => address,
        _ => client,
    };
    fields.next()?.starts_with('"').then_some((u64::try_from(end.as_micros()).ok()?, address, took))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_access_log_are_read() {
        let line = "2026-01-02T03:04:05.000006Z 192.0.2.7:1234 web api b1 1 200 512 1500 \"GET /a b\" 0af7";
        let (end, client, took) = parse(line).expect("a line");
        assert_eq!((end % 60_000_000, client, took), (5_000_006, "192.0.2.7", 1500));
        for other in ["", "GET /", "2026-01-02T03:04:05Z 192.0.2.7 web api b1 1 200 512 x \"GET /\" -"] {
            assert!(parse(other).is_none(), "{other}");
        }
    }
}

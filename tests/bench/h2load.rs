//! HTTP/2 at full load, by h2load: on each connection so many streams at a time.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::backends::tied;
use crate::fleet::Done;

/// Loads this address over TLS.
pub(crate) fn h2load(address: SocketAddr, connections: usize, streams: usize, length: Duration) -> Result<Done> {
    let output = tied("h2load".as_ref())
        .args(["--threads", "2", "--clients", &connections.to_string()])
        .args(["--max-concurrent-streams", &streams.to_string()])
        .args(["--duration", &length.as_secs().to_string()])
        .arg(format!("https://{address}/"))
        .output()
        .context("cannot start h2load")?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        bail!("h2load: {text}{}", String::from_utf8_lossy(&output.stderr));
    }
    parse(&text).with_context(|| format!("h2load said:\n{text}"))
}

/// `requests: 100 total, 100 started, 100 done, 100 succeeded, 0 failed, 0 errored, 0 timeout`
fn parse(text: &str) -> Option<Done> {
    let line = text.lines().find_map(|line| line.strip_prefix("requests: "))?;
    let count = |what: &str| {
        let part = line.split(", ").find(|part| part.ends_with(what))?;
        part.split(' ').next()?.parse::<u64>().ok()
    };
    Some(Done { units: count("succeeded")?, failed: count("failed")? + count("timeout")? })
}

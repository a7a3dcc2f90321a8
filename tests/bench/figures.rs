//! What a turn gave, and the table of all of them. Medians over the rounds; ratios are taken per round.

use std::fmt::{self, Display, Write};
use std::time::Duration;

use crate::median::median;
use crate::proxy::Kind;
use crate::wrk::Load;

/// One turn of one proxy.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round {
    /// What the clients saw.
    pub(crate) load: Load,
    /// Processor time that the proxy spent.
    pub(crate) spent: Duration,
    /// Its memory at the end, in bytes.
    pub(crate) memory: u64,
}

impl Round {
    /// Processor time per request in microseconds.
    pub(crate) fn cost(&self) -> f64 {
        self.spent.as_secs_f64() * 1e6 / self.load.requests as f64
    }
}

impl Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Load { rate, p50, p99, longest, failed, .. } = self.load;
        let mib = self.memory as f64 / 1048576.0;
        write!(f, "{:.2} µs, {rate:.0} req/s, p50 {p50:.2?}, p99 {p99:.2?}, longest {longest:.2?}", self.cost())?;
        write!(f, ", {mib:.1} MiB, {failed} failed")
    }
}

/// The Markdown table: a row for each proxy, with its cost in proportion to each of the peers'.
pub(crate) fn table(kinds: &[Kind], rounds: &[Vec<Round>]) -> String {
    let peers: Vec<usize> = (0..kinds.len()).filter(|i| kinds[*i] != Kind::Trimtab).collect();
    let mut text = String::from("| | processor time per request | ");
    for peer in &peers {
        let _ = write!(text, "× {} | ", kinds[*peer].name());
    }
    text.push_str("requests/s | p50 | p99 | memory | failed |\n|---|--:|");
    text.push_str(&"--:|".repeat(peers.len() + 5));
    for (kind, own) in kinds.iter().zip(rounds) {
        let _ = write!(text, "\n| {} | {:.2} µs | ", kind.name(), median(own.iter().map(Round::cost)));
        for peer in &peers {
            let ratio = median(own.iter().zip(&rounds[*peer]).map(|(own, peer)| own.cost() / peer.cost()));
            let _ = write!(text, "{ratio:.2} | ");
        }
        let _ = write!(
            text,
            "{:.0} | {:.2} ms | {:.2} ms | {:.1} MiB | {} |",
            median(own.iter().map(|round| round.load.rate)),
            median(own.iter().map(|round| round.load.p50.as_secs_f64() * 1e3)),
            median(own.iter().map(|round| round.load.p99.as_secs_f64() * 1e3)),
            median(own.iter().map(|round| round.memory as f64 / 1048576.0)),
            own.iter().map(|round| round.load.failed).sum::<u64>(),
        );
    }
    text.push('\n');
    text
}

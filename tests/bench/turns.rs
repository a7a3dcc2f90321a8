//! Proxies that take turns at the same load, round after round, and the table of what it cost them.

use std::fmt::Write;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::fleet::Done;
use crate::median::median;
use crate::proxy::{Kind, Proxy};

/// One turn of one proxy.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Turn {
    failed: u64,
    /// Processor time of the proxy for each unit, in microseconds.
    cost: f64,
    /// Units a second.
    rate: f64,
}

/// All turns of a load, a list for each proxy. In each round every proxy has one of this length, after a short one that does not
/// count.
pub(crate) fn take(
    proxies: &[Proxy],
    name: &str,
    rounds: usize,
    length: Duration,
    load: impl Fn(&Proxy, Duration) -> Result<Done>,
) -> Result<Vec<Vec<Turn>>> {
    for proxy in proxies {
        load(proxy, Duration::from_secs(1))?;
    }
    let mut turns: Vec<Vec<Turn>> = vec![Vec::new(); proxies.len()];
    for round in 1..=rounds {
        for (proxy, turns) in proxies.iter().zip(&mut turns) {
            let (before, began) = (proxy.processor_time()?, Instant::now());
            let Done { units, failed } = load(proxy, length)?;
            let (spent, took) = (proxy.processor_time()? - before, began.elapsed());
            let who = proxy.kind().name();
            if units == 0 {
                bail!("{who} did nothing of {name}");
            }
            let (cost, rate) = (spent.as_secs_f64() * 1e6 / units as f64, units as f64 / took.as_secs_f64());
            eprintln!("round {round}/{rounds} {name}, {who}: {cost:.2} µs, {rate:.0}/s, {failed} failed");
            turns.push(Turn { failed, cost, rate });
        }
    }
    Ok(turns)
}

/// Of the table.
pub(crate) fn heading(kinds: &[Kind]) -> String {
    let peers: Vec<_> = kinds.iter().filter(|kind| **kind != Kind::Trimtab).collect();
    let names: String = peers.iter().map(|kind| format!(" × {} |", kind.name())).collect();
    format!("| | | processor time |{names} a second | failed |\n|---|---|--:|{}--:|--:|\n", "--:|".repeat(peers.len()))
}

/// A row for each proxy of `kinds`, which are all in the heading; `turns` are of those that can do it, the first ones. Medians over
/// the rounds; ratios are taken in each.
pub(crate) fn rows(name: &str, unit: &str, kinds: &[Kind], turns: &[Vec<Turn>]) -> String {
    let mut text = String::new();
    for (kind, own) in kinds.iter().zip(turns) {
        let cost = median(own.iter().map(|turn| turn.cost));
        let _ = write!(text, "| {name} | {} | {cost:.2} {unit} |", kind.name());
        for (number, _) in kinds.iter().enumerate().filter(|(_, kind)| **kind != Kind::Trimtab) {
            let _ = match turns.get(number) {
                Some(peer) => {
                    write!(text, " {:.2} |", median(own.iter().zip(peer).map(|(own, peer)| own.cost / peer.cost)))
                }
                None => write!(text, " – |"),
            };
        }
        let rate = median(own.iter().map(|turn| turn.rate));
        let failed: u64 = own.iter().map(|turn| turn.failed).sum();
        let _ = writeln!(text, " {rate:.0} | {failed} |");
    }
    text
}

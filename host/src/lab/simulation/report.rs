//! Figures as a table, and as JSON. No time of this machine is in them: the same seed gives the same bytes.

use serde_json::{Value, json};

use super::{Disruption, Figures};

/// Percentiles of latencies that are told.
pub(super) const PERCENTILES: [(&str, f64); 4] = [("p50", 50.0), ("p90", 90.0), ("p99", 99.0), ("p99.9", 99.9)];

/// Milliseconds, to three figures.
pub(super) fn milliseconds(us: f64) -> String {
    match us / 1e3 {
        ms if ms >= 100.0 => format!("{ms:.0}"),
        ms if ms >= 10.0 => format!("{ms:.1}"),
        ms => format!("{ms:.2}"),
    }
}

/// A row of figures for each entrant, as they are in all reports: what they are, and the text of each.
pub(super) fn rows(all: &[Figures]) -> Vec<(String, Vec<String>)> {
    let row = |name: &str, cell: &dyn Fn(&Figures) -> String| (name.to_owned(), all.iter().map(cell).collect());
    let mut rows = vec![
        row("requests", &|figures| figures.requests.to_string()),
        row("failed", &|figures| figures.failed.to_string()),
    ];
    if all.iter().any(|figures| figures.refused > 0) {
        rows.push(row("refused", &|figures| figures.refused.to_string()));
    }
    rows.push(row("retries", &|figures| figures.retries.to_string()));
    rows.push(row("latency, mean ms", &|figures| milliseconds(figures.latency.mean())));
    for (name, percentile) in PERCENTILES {
        let cell = |figures: &Figures| milliseconds(figures.latency.value_at_percentile(percentile) as f64);
        rows.push(row(&format!("{name} ms"), &cell));
    }
    rows.push(row("longest ms", &|figures| milliseconds(figures.latency.max() as f64)));
    rows.push(row("imbalance, responses", &|figures| format!("{:.3}", figures.imbalance.0)));
    rows.push(row("imbalance, in flight", &|figures| format!("{:.2}", figures.imbalance.1)));
    rows.push(row("affinity breaks %", &|figures| {
        let (returns, breaks) = figures.returns;
        format!("{:.2}", breaks as f64 * 100.0 / returns.max(1) as f64)
    }));
    rows.push(row("by the fallback", &|figures| figures.fallbacks.to_string()));
    rows.push(row("faults", &|figures| figures.faults.to_string()));
    rows
}

/// What a change has moved, in words.
pub(super) fn moved(disruption: &Disruption) -> String {
    let Disruption { at_us, what, moved, needless } = disruption;
    let at = *at_us as f64 / 1e6;
    format!("at {at:.1} s, {what}: {:.2} % of keys move, {:.2} % needlessly", moved * 100.0, needless * 100.0)
}

/// For a terminal.
pub fn text(all: &[Figures]) -> String {
    let rows = rows(all);
    let first = rows.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    let widths: Vec<_> = (0..all.len())
        .map(|at| {
            rows.iter().map(|(_, cells)| cells[at].len()).chain([all[at].title.chars().count()]).max().unwrap_or(0)
        })
        .collect();
    let line = |name: &str, cells: &mut dyn Iterator<Item = &str>| {
        let cells = cells.zip(&widths).map(|(cell, width)| format!("  {cell:>width$}"));
        format!("{name:first$}{}\n", cells.collect::<String>())
    };
    let mut text = line("", &mut all.iter().map(|figures| &*figures.title));
    for (name, cells) in &rows {
        text += &line(name, &mut cells.iter().map(String::as_str));
    }
    for figures in all.iter().filter(|figures| !figures.disruptions.is_empty()) {
        text += &format!("\n{}\n", figures.title);
        for disruption in &figures.disruptions {
            text += &format!("  {}\n", moved(disruption));
        }
    }
    text
}

/// For programs. Times are in microseconds.
pub fn json(seed: u64, all: &[Figures]) -> Value {
    let each = |figures: &Figures| {
        let latency = &figures.latency;
        let percentiles: serde_json::Map<_, _> = PERCENTILES
            .iter()
            .map(|(name, percentile)| ((*name).to_owned(), latency.value_at_percentile(*percentile).into()))
            .collect();
        let disruption = |Disruption { at_us, what, moved, needless }: &Disruption| json!({ "at_us": at_us, "what": **what, "moved": moved, "needless": needless });
        json!({
            "plugin": figures.title,
            "requests": figures.requests,
            "failed": figures.failed,
            "refused": figures.refused,
            "retries": figures.retries,
            "faults": figures.faults,
            "fallbacks": figures.fallbacks,
            "latency_us": { "mean": latency.mean(), "percentiles": percentiles, "max": latency.max() },
            "served": figures.served,
            "imbalance": { "responses": figures.imbalance.0, "in_flight": figures.imbalance.1 },
            "affinity": { "returns": figures.returns.0, "breaks": figures.returns.1 },
            "disruptions": figures.disruptions.iter().map(disruption).collect::<Vec<_>>(),
        })
    };
    json!({ "seed": seed, "plugins": all.iter().map(each).collect::<Vec<_>>() })
}

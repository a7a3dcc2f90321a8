//! The Markdown of the figures, and its place on the page of the plugins.

use std::fs;
use std::path::Path;
use std::time::Duration;

const BEGIN: &str = "<!-- figures: begin -->";
const END: &str = "<!-- figures: end -->";

/// A Markdown table: the first column is text, the others are numbers.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let line = |cells: &mut dyn Iterator<Item = &str>| format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "));
    let ruler = format!("|---{}|\n", "|--:".repeat(head.len() - 1));
    let rows: String = rows.iter().map(|row| line(&mut row.iter().map(String::as_str))).collect();
    format!("{}{ruler}{rows}\n", line(&mut head.iter().copied()))
}

/// `median (p10)` in nanoseconds.
pub(crate) fn nanoseconds(cost: trimtab::lab::bench::timing::Cost) -> String {
    let whole = |ns: f64| thousands(ns.round() as u64);
    format!("{} ({})", whole(cost.median), whole(cost.p10))
}

/// Milliseconds with as many digits as mean something.
pub(crate) fn milliseconds(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1e3;
    if ms < 9.95 { format!("{ms:.2}") } else { format!("{ms:.1}") }
}

/// 12 345.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(|group| String::from_utf8_lossy(group)).collect();
    groups.join(" ")
}

/// What was measured on.
pub(crate) fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpus = read("/proc/cpuinfo");
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown processor");
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let (kernel, load) = (read("/proc/sys/kernel/osrelease"), read("/proc/loadavg"));
    let (model, kernel) = (model.trim_start_matches([' ', '\t', ':']), kernel.trim());
    let load = load.split(' ').next().unwrap_or_default();
    format!("{cores} cores of {model}, Linux {kernel}; load average before the run: {load}")
}

/// Puts the figures where they stand on the page.
pub(crate) fn write(figures: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/README.md");
    let page = fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    fs::write(&path, format!("{before}{BEGIN}\n\n{}\n\n{END}{after}", figures.trim())).unwrap();
    eprintln!("written to {}", path.display());
}

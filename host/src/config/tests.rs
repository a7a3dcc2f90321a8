//! Configurations in, [`Config`] or rendered findings out.

mod carried;
mod discovery;
mod example;
mod feedback;
mod health;
mod limits;
mod mutation;
mod plugins;
mod protocol;
mod rejected;
mod replacement;
mod resilience;
mod rules;
mod tls;
mod unix;
mod values;

use std::path::Path;

use super::load::{Loaded, parse};
use super::report::Report;
use super::{Config, Listener, Pool};

const BUILT_INS: [&str; 6] = ["round-robin", "weighted-round-robin", "p2c", "zone", "cookie", "split"];

fn read(text: &str) -> Result<Loaded, Report> {
    parse(text, "trimtab.toml", Path::new("/etc/trimtab"), &BUILT_INS)
}

/// What a text says that is right, down to warnings.
#[track_caller]
fn config(text: &str) -> Config {
    match read(text) {
        Ok(loaded) if loaded.warnings.is_empty() => loaded.config,
        Ok(loaded) => panic!("{}", loaded.warnings),
        Err(report) => panic!("{report}"),
    }
}

/// What is said of a text that is wrong.
#[track_caller]
fn report(text: &str) -> Report {
    read(text).expect_err("must be refused")
}

/// `LINE:COLUMN MESSAGE | HELP` of each finding.
fn lines(report: &Report) -> Vec<String> {
    let line = |finding| {
        let (line, column) = report.position(finding);
        let help = finding.help.as_deref().map(|help| format!(" | {help}")).unwrap_or_default();
        format!("{line}:{column} {}{help}", finding.message)
    };
    report.findings().iter().map(line).collect()
}

/// The shortest configuration, with more in its listener and its pool.
fn minimal(listener: &str, pool: &str) -> String {
    format!(
        "[[listener]]\naddress = \"127.0.0.1:0\"\npool = \"web\"\n{listener}\n[pool.web]\nbackends = [\"10.0.0.1:80\"]\n{pool}\n"
    )
}

fn listener(more: &str) -> Listener {
    config(&minimal(more, "")).listeners.remove(0)
}

fn pool(more: &str) -> Pool {
    config(&minimal("", more)).pools.remove("web").expect("pool")
}

//! What connections and datagrams that are carried as they are cost, beside nginx and HAProxy: processor time for each gibibyte,
//! connection and datagram, and memory for each connection that does nothing. What it measures and how is told in
//! `README.md` here. It tunes nobody.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the tables are what this program is for")]

#[expect(dead_code, reason = "its backends are others")]
mod backends;
#[expect(dead_code, reason = "TLS and WebSockets are for another benchmark")]
mod dial;
#[expect(dead_code, reason = "as above")]
mod fleet;
mod median;
mod page;
#[expect(dead_code, reason = "not all of it is for each benchmark")]
mod proxy;
mod sources;
mod turns;

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use clap::{Parser, ValueEnum};
use trimtab_tests::Folder;

use dial::Dial;
use fleet::{Done, Idle, Unit};
use page::Page;
use proxy::{Kind, Plan, Proxy, Serving};
use turns::{heading, rows, take};

/// Compares Trimtab with nginx and HAProxy at TCP and UDP, and prints Markdown tables.
#[derive(Parser)]
#[command(name = "tests/bench/carried")]
struct Options {
    /// What is measured
    #[arg(
        long = "load",
        value_delimiter = ',',
        default_value = "transfers,connections,datagrams,large-datagrams,idle"
    )]
    loads: Vec<Load>,
    /// Measured rounds; in each, every proxy has one turn
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Length of a turn
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// Connections that do nothing
    #[arg(long, default_value_t = 8000)]
    idle: usize,
    /// Workers (threads or processes) of each proxy
    #[arg(long, default_value_t = 2)]
    workers: usize,
    /// The proxies to compare; HAProxy carries no datagrams
    #[arg(long, value_delimiter = ',', default_value = "trimtab,nginx,haproxy")]
    only: Vec<Kind>,
    /// Put the tables onto README.md here
    #[arg(long)]
    write: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Load {
    /// Mebibytes, by 4 connections
    Transfers,
    /// New connections, 64 bytes on each
    Connections,
    /// Datagrams of 64 bytes, in 64 flows
    Datagrams,
    /// The same of 1200 bytes
    LargeDatagrams,
    /// Memory of idle connections
    Idle,
}

impl Load {
    /// As in the table.
    fn name(self) -> &'static str {
        match self {
            Self::Transfers => "MiB by TCP",
            Self::Connections => "TCP connection",
            Self::Datagrams => "datagram of 64 bytes",
            Self::LargeDatagrams => "datagram of 1200 bytes",
            Self::Idle => "idle connection",
        }
    }

    fn is_of_datagrams(self) -> bool {
        matches!(self, Self::Datagrams | Self::LargeDatagrams)
    }
}

fn main() -> Result<()> {
    let options = Options::parse();
    let page = Page::begin("carried");
    let folder = Folder::new();
    let plan = Plan {
        folder: folder.root().to_owned(),
        workers: options.workers,
        backends: sources::start(3)?,
        access_log: false,
        checks: false,
        serving: Serving::Carried,
    };
    let mut tables = String::new();
    if options.loads.iter().any(|load| *load != Load::Idle) {
        tables.push_str(&compare(&options, &plan)?);
    }
    if options.loads.contains(&Load::Idle) {
        let _ = write!(tables, "\n{}", hold(&options, &plan)?);
    }
    page.publish(&tables, options.write)
}

/// All loads, round after round; the table.
fn compare(options: &Options, plan: &Plan) -> Result<String> {
    // Those that cannot do it come last.
    let mut kinds = options.only.clone();
    kinds.sort_by_key(|kind| *kind == Kind::Haproxy);
    let mut proxies = kinds.iter().map(|kind| Proxy::start(*kind, plan)).collect::<Result<Vec<_>>>()?;
    let mut text = heading(&kinds);
    for load in options.loads.iter().filter(|load| **load != Load::Idle) {
        let able = kinds.iter().filter(|kind| !load.is_of_datagrams() || **kind != Kind::Haproxy).count();
        let length = Duration::from_secs(options.seconds);
        let turns = take(&proxies[..able], load.name(), options.rounds, length, |proxy, length| {
            let dial = Arc::new(Dial::plain(proxy.address()));
            match load {
                Load::Transfers => fleet::load(&dial, Unit::Mebibyte, 4, length),
                Load::Connections => fleet::load(&dial, Unit::Connection, 64, length),
                Load::Datagrams => fleet::load(&dial, Unit::Datagram(64), 64, length),
                Load::LargeDatagrams => fleet::load(&dial, Unit::Datagram(1200), 64, length),
                Load::Idle => Ok(Done::default()),
            }
        })?;
        text.push_str(&rows(load.name(), "µs", &kinds, &turns));
    }
    proxies.iter_mut().try_for_each(Proxy::stop)?;
    Ok(text)
}

/// Memory for each connection on which nothing moves; the table.
fn hold(options: &Options, plan: &Plan) -> Result<String> {
    let mut text = format!("| {} | idle TCP connection |\n|---|--:|\n", options.idle);
    for kind in &options.only {
        let mut proxy = Proxy::start(*kind, plan)?;
        let dial = Arc::new(Dial::plain(proxy.address()));
        let each = Idle::memory(&proxy, &dial, Unit::Connection, options.idle)?;
        let _ = writeln!(text, "| {} | {each:.1} KiB |", kind.name());
        proxy.stop()?;
    }
    Ok(text)
}

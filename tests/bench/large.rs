//! A pool of ten thousand backends under load while it changes: how long do requests wait for that?
//! What it measures and how is told in `README.md` here. It tunes nobody.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the table is what this program is for")]

mod backends;
mod changes;
mod paced;
mod page;

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Parser;
use trimtab_tests::{Host, wait};

use backends::Backends;
use changes::Changes;
use paced::{Latencies, Pace};
use page::Page;

/// Changes a large pool under load and prints a Markdown table of latencies.
#[derive(Parser)]
#[command(name = "tests/bench/large")]
struct Options {
    /// Backends of the pool, and of the other one
    #[arg(long, default_value_t = 10_000)]
    backends: usize,
    /// Changes of each kind
    #[arg(long, default_value_t = 50)]
    changes: usize,
    /// Time between two changes, in milliseconds
    #[arg(long, default_value_t = 50)]
    every: u64,
    /// Connections of the clients
    #[arg(long, default_value_t = 8)]
    connections: usize,
    /// Requests a second, of all clients
    #[arg(long, default_value_t = 1000)]
    rate: u32,
    /// Threads of Trimtab that serve
    #[arg(long, default_value_t = 2)]
    workers: usize,
    /// Only the rows whose title contains this
    #[arg(long, default_value = "")]
    only: String,
    /// Put the table onto README.md here
    #[arg(long)]
    write: bool,
}

/// What steers the pools.
struct Case {
    title: &'static str,
    /// Lines of the pool.
    steering: &'static str,
    /// Whether weights are 1 to 5; else all are 1.
    mixed: bool,
}

const CASES: [Case; 6] = [
    Case { title: "round-robin", steering: "balancer = \"round-robin\"", mixed: false },
    Case { title: "p2c", steering: "balancer = \"p2c\"", mixed: false },
    Case {
        title: "ring-hash",
        steering: "balancer = { plugin = \"ring-hash\", key = \"header:x-user\" }",
        mixed: false,
    },
    Case { title: "maglev", steering: "balancer = { plugin = \"maglev\", key = \"header:x-user\" }", mixed: false },
    Case { title: "weighted-round-robin, mixed weights", steering: "balancer = \"weighted-round-robin\"", mixed: true },
    Case {
        title: "cookie, then round-robin",
        steering: "affinity = \"cookie\"\nbalancer = \"round-robin\"",
        mixed: false,
    },
];

/// Which pool changes during a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Changed {
    Nothing,
    OtherPool,
    ThisPool,
}

impl Changed {
    fn name(self) -> &'static str {
        match self {
            Self::Nothing => "no changes",
            Self::OtherPool => "changes of another pool",
            Self::ThisPool => "changes of this pool",
        }
    }
}

fn main() -> Result<()> {
    let options = Options::parse();
    let page = Page::begin("large");
    let backends = Backends::start(Ipv4Addr::UNSPECIFIED, 1)?;
    let port = backends.ports[0];
    let mut table =
        "| | requests | p50 | p99 | p99.9 | longest | above 10 ms |\n|---|--:|--:|--:|--:|--:|--:|\n".to_owned();
    for case in CASES.iter().filter(|case| case.title.contains(&options.only)) {
        let host = Host::start(&configuration(case, &options, port));
        let mut changes = Changes::new(options.changes, options.backends, port);
        // Connections and pages that are there for the first time are nobody's change.
        run(&host, &options, &mut changes, Changed::Nothing, Duration::from_secs(2))?;
        for changed in [Changed::Nothing, Changed::OtherPool, Changed::ThisPool] {
            let length = Duration::from_millis(options.every * 4 * options.changes as u64);
            let latencies = run(&host, &options, &mut changes, changed, length)?;
            let row = format!("| {}: {} | {latencies} |\n", case.title, changed.name());
            eprint!("{row}");
            table.push_str(&row);
        }
    }
    page.publish(&table, options.write)
}

/// # Errors
/// When a request failed.
fn run(host: &Host, options: &Options, changes: &mut Changes, changed: Changed, length: Duration) -> Result<Latencies> {
    let pace = Pace { address: host.address(), connections: options.connections, rate: options.rate };
    let (latencies, ()) = pace.during(|| match changed {
        Changed::Nothing => wait::until(Instant::now() + length),
        Changed::OtherPool => changes.make(host, "other", Duration::from_millis(options.every)),
        Changed::ThisPool => changes.make(host, "web", Duration::from_millis(options.every)),
    });
    ensure!(latencies.failed == 0, "{} requests failed", latencies.failed);
    Ok(latencies)
}

/// Two pools of the same steering; one gets the requests. Idle connections end soon: each takes two file descriptors.
fn configuration(case: &Case, options: &Options, port: u16) -> String {
    let Options { workers, backends, .. } = options;
    let entries: Vec<String> = (0..*backends).map(|number| changes::entry(number, port, case.mixed)).collect();
    let pool = |name: &str| {
        format!("[pool.{name}]\n{}\nidle_timeout = \"1s\"\nbackends = [{}]\n", case.steering, entries.join(", "))
    };
    format!(
        "[server]\nworkers = {workers}\n\n[[listener]]\nname = \"web\"\naddress = \"127.0.0.1:0\"\npool = \"web\"\n\n\
         [[listener]]\nname = \"other\"\naddress = \"127.0.0.1:0\"\npool = \"other\"\n\n{}\n{}",
        pool("web"),
        pool("other")
    )
}

//! Trimtab beside nginx and HAProxy: the same backends, the same load, interleaved rounds, one table.
//! What it measures and how is told in `README.md` here. It tunes nobody.
#![allow(clippy::print_stdout, reason = "the table is what this program is for")]

mod backends;
mod exactly;
mod figures;
mod median;
mod page;
#[expect(dead_code, reason = "HTTPS is for another benchmark")]
mod proxy;
mod wrk;

use std::fmt::Write;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Parser;
use trimtab_tests::wait;

use backends::Backends;
use figures::{Round, table};
use page::Page;
use proxy::{Kind, Plan, Proxy, Serving};

/// Compares Trimtab with nginx and HAProxy on this machine and prints Markdown tables.
#[derive(Parser)]
#[command(name = "tests/bench/run")]
struct Options {
    /// Measured rounds; in each, every proxy has one turn
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Length of a turn
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// Connections of the clients
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Workers (threads or processes) of each proxy
    #[arg(long, default_value_t = 2)]
    workers: usize,
    /// The proxies to compare
    #[arg(long, value_delimiter = ',', default_value = "trimtab,nginx,haproxy")]
    only: Vec<Kind>,
    /// Leave out the table with the access log on
    #[arg(long)]
    no_access_log: bool,
    /// Send exactly a million requests through each proxy and count failures, in place of the tables
    #[arg(long)]
    million: bool,
    /// Put the tables onto README.md here
    #[arg(long)]
    write: bool,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let folder = tempfile::Builder::new().prefix("trimtab-bench-").tempdir()?;
    let page = Page::begin("run");
    let backends = Backends::start(Ipv4Addr::LOCALHOST, 3)?;
    let ports = backends.ports.clone();
    let plan = Plan {
        folder: folder.path().to_owned(),
        workers: options.workers,
        backends: ports,
        access_log: false,
        checks: false,
        serving: Serving::Http,
    };
    if options.million {
        return million(&options, &plan);
    }
    let mut compared = compare(&options, &plan)?;
    if !options.no_access_log {
        let logged = compare(&options, &Plan { access_log: true, ..plan })?;
        compared = Compared { tables: compared.tables + &logged.tables, proxies: compared.proxies + &logged.proxies };
    }
    page.publish(&compared.tables, options.write)?;
    println!("{}", compared.proxies);
    Ok(())
}

/// What came out, in Markdown.
struct Compared {
    tables: String,
    /// Their versions and configurations.
    proxies: String,
}

/// All rounds with one set of configurations.
fn compare(options: &Options, plan: &Plan) -> Result<Compared> {
    let mut proxies = options.only.iter().map(|kind| Proxy::start(*kind, plan)).collect::<Result<Vec<_>>>()?;
    let rounds = options.rounds;
    let load = |proxy: &Proxy, seconds| {
        let end = || wait::until(Instant::now() + Duration::from_secs(seconds));
        wrk::wrk(&proxy.origin(), options.connections, end).map(|(load, ())| load)
    };
    for proxy in &proxies {
        load(proxy, 2)?;
    }
    let mut measured: Vec<Vec<Round>> = vec![Vec::new(); proxies.len()];
    for round in 1..=rounds {
        for (proxy, measured) in proxies.iter().zip(&mut measured) {
            let before = proxy.processor_time()?;
            let load = load(proxy, options.seconds)?;
            let spent = proxy.processor_time()? - before;
            let figures = Round { load, spent, memory: proxy.memory()? };
            eprintln!("round {round}/{rounds} {:8} {figures}", proxy.kind().name());
            measured.push(figures);
        }
    }
    let log = if plan.access_log { "on" } else { "off" };
    let tables = format!("Access log {log}:\n\n{}\n", table(&options.only, &measured));
    let mut text = String::new();
    for proxy in &mut proxies {
        let (version, config) = (proxy.version()?, proxy.config());
        let _ =
            write!(text, "<details><summary>{version}, access log {log}</summary>\n\n```\n{config}```\n</details>\n\n");
        proxy.stop()?;
    }
    Ok(Compared { tables, proxies: text })
}

fn million(options: &Options, plan: &Plan) -> Result<()> {
    println!("| | requests | answered 200 | failed |\n|---|--:|--:|--:|");
    let mut failures = 0;
    for kind in &options.only {
        let mut proxy = Proxy::start(*kind, plan)?;
        let count = exactly::exactly(proxy.address(), options.connections, 1_000_000);
        println!("| {} | {} | {} | {} |", kind.name(), count.sent, count.answered, count.failed());
        failures += if *kind == Kind::Trimtab { count.failed() } else { 0 };
        proxy.stop()?;
    }
    if failures > 0 {
        bail!("trimtab failed {failures} of a million requests");
    }
    Ok(())
}

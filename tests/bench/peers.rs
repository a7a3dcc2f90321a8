//! Trimtab beside nginx and HAProxy: the same backends, the same load, interleaved rounds, one table.
//! What it measures and how is told in `README.md` here. It tunes nobody.
#![allow(clippy::print_stdout, reason = "the table is what this program is for")]

mod figures;
mod load;
mod proxy;

use std::path::Path;
use std::process::{Child, Command};

use anyhow::{Context, Result, bail};
use clap::Parser;

use figures::{Round, table};
use proxy::{Kind, Plan, Proxy};

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
}

fn main() -> Result<()> {
    let options = Options::parse();
    let folder = tempfile::Builder::new().prefix("trimtab-bench-").tempdir()?;
    let ports = proxy::free_ports(3)?;
    let _backends = Backends::start(&ports)?;
    let plan = Plan { folder: folder.path().to_owned(), workers: options.workers, backends: ports, access_log: false };
    if options.million {
        return million(&options, &plan);
    }
    println!("Machine: {}\n", machine()?);
    compare(&options, &plan)?;
    if !options.no_access_log {
        compare(&options, &Plan { access_log: true, ..plan })?;
    }
    Ok(())
}

/// All rounds with one set of configurations, which it prints behind the table.
fn compare(options: &Options, plan: &Plan) -> Result<()> {
    let mut proxies = options.only.iter().map(|kind| Proxy::start(*kind, plan)).collect::<Result<Vec<_>>>()?;
    let (rounds, seconds) = (options.rounds, options.seconds);
    for proxy in &proxies {
        load::wrk(proxy.address(), options.connections, 2)?;
    }
    let mut measured: Vec<Vec<Round>> = vec![Vec::new(); proxies.len()];
    for round in 1..=rounds {
        for (proxy, measured) in proxies.iter().zip(&mut measured) {
            let before = proxy.processor_time()?;
            let load = load::wrk(proxy.address(), options.connections, seconds)?;
            let spent = proxy.processor_time()? - before;
            let figures = Round { load, spent, memory: proxy.memory()? };
            eprintln!("round {round}/{rounds} {:8} {figures}", proxy.kind().name());
            measured.push(figures);
        }
    }
    let log = if plan.access_log { "on" } else { "off" };
    println!(
        "## Access log {log}\n\n{} connections, {} workers each, {rounds} rounds of {seconds} s, medians\n",
        options.connections, plan.workers
    );
    println!("{}", table(&options.only, &measured));
    for proxy in &mut proxies {
        println!("<details><summary>{}</summary>\n\n```\n{}```\n</details>\n", proxy.version()?, proxy.config());
        proxy.stop()?;
    }
    Ok(())
}

fn million(options: &Options, plan: &Plan) -> Result<()> {
    println!("| | requests | answered 200 | failed |\n|---|--:|--:|--:|");
    let mut failures = 0;
    for kind in &options.only {
        let mut proxy = Proxy::start(*kind, plan)?;
        let count = load::exactly(proxy.address(), options.connections, 1_000_000)?;
        println!("| {} | {} | {} | {} |", kind.name(), count.sent, count.answered, count.failed());
        failures += if *kind == Kind::Trimtab { count.failed() } else { 0 };
        proxy.stop()?;
    }
    if failures > 0 {
        bail!("trimtab failed {failures} of a million requests");
    }
    Ok(())
}

/// The process of the backends; stopped when it is dropped.
struct Backends(Child);

impl Backends {
    fn start(ports: &[u16]) -> Result<Self> {
        let program = std::env::current_exe()?.with_file_name("bench-backend");
        let child = proxy::tied(&program)
            .args(ports.iter().map(u16::to_string))
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let backends = Self(child);
        for port in ports {
            proxy::wait_for(*port)?;
        }
        Ok(backends)
    }
}

impl Drop for Backends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn machine() -> Result<String> {
    let cpus = std::fs::read_to_string(Path::new("/proc/cpuinfo"))?;
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown processor");
    let kernel = Command::new("uname").arg("-r").output()?.stdout;
    let cores = std::thread::available_parallelism()?;
    let model = model.trim_start_matches([' ', '\t', ':']);
    Ok(format!("{cores} cores of {model}, Linux {}", String::from_utf8_lossy(&kernel).trim()))
}

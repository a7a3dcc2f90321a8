//! A plugin that traps on every call: what does that cost the requests that the fallback then decides?
//! What it measures and how is told in `README.md` here. It tunes nobody.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the table is what this program is for")]

mod backends;
mod median;
mod page;
mod trapping;
mod wrk;

use std::fmt::Write;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Parser;
use trimtab_tests::{Folder, Host, plugin, wait};

use backends::Backends;
use median::median;
use page::Page;
use wrk::{Load, wrk};

/// Loads Trimtab with a plugin that traps on every call and prints a Markdown table of throughput.
#[derive(Parser)]
#[command(name = "tests/bench/faults")]
struct Options {
    /// Measured rounds; in each, every case has one turn
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Length of a turn
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// Connections of the clients
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Threads of Trimtab that serve
    #[arg(long, default_value_t = 2)]
    workers: usize,
    /// Put the table onto README.md here
    #[arg(long)]
    write: bool,
}

/// Who decides.
struct Case {
    title: &'static str,
    balancer: &'static str,
    /// Lines of `[plugin.traps]`.
    lines: &'static str,
}

/// The first is what the others are compared with.
const CASES: [Case; 3] = [
    Case { title: "round-robin", balancer: "round-robin", lines: "" },
    Case { title: "traps on every call, `breaker = false`", balancer: "traps", lines: "breaker = false" },
    Case { title: "traps on every call", balancer: "traps", lines: "" },
];

/// One turn of one case.
struct Turn {
    load: Load,
    /// Processor time per request in microseconds.
    cost: f64,
    /// Faults of the plugin per second.
    faults: f64,
    /// Percent of the requests that the fallback decided.
    fallback: f64,
    /// Resident memory at its end, in MiB.
    memory: f64,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let page = Page::begin("faults");
    let backends = Backends::start(Ipv4Addr::LOCALHOST, 3)?;
    let component = trapping::trapping(std::fs::read(plugin::root().join("plugins/dist/round-robin.wasm"))?)?;
    let hosts = CASES.map(|case| (start(&case, &options, &backends.ports, &component), case));
    for (host, _) in &hosts {
        turn(host, &options, 2)?;
    }
    let mut measured: [Vec<Turn>; CASES.len()] = Default::default();
    for round in 1..=options.rounds {
        for ((host, case), measured) in hosts.iter().zip(&mut measured) {
            let turn = turn(host, &options, options.seconds)?;
            let Turn { load, cost, faults, fallback, memory } = &turn;
            eprintln!(
                "round {round}/{} {:40} {:.0} req/s, {cost:.2} µs, p99 {:.2?}, longest {:.2?}, {faults:.0} faults/s, \
                 {fallback:.1} % by the fallback, {memory:.1} MiB",
                options.rounds, case.title, load.rate, load.p99, load.longest
            );
            measured.push(turn);
        }
    }
    page.publish(&table(&measured), options.write)?;
    let failed: u64 = measured.iter().flatten().map(|turn| turn.load.failed).sum();
    ensure!(failed == 0, "{failed} requests failed");
    Ok(())
}

fn start(case: &Case, options: &Options, ports: &[u16], component: &[u8]) -> Host {
    let folder = Folder::new();
    folder.write("traps.wasm", component);
    let entries: Vec<_> = ports.iter().map(|port| format!("\"127.0.0.1:{port}\"")).collect();
    let section = format!("[plugin.traps]\ncomponent = \"traps.wasm\"\n{}\n", case.lines);
    let config = format!(
        "[server]\nworkers = {}\n\n[log]\nlevel = \"warn\"\n\n\
         [[listener]]\nname = \"web\"\naddress = \"127.0.0.1:0\"\npool = \"web\"\n\n\
         [pool.web]\nbalancer = \"{}\"\nbackends = [{}]\n\n{}",
        options.workers,
        case.balancer,
        entries.join(", "),
        if case.balancer == "traps" { &section } else { "" }
    );
    Host::start_in(folder, &config)
}

fn turn(host: &Host, options: &Options, seconds: u64) -> Result<Turn> {
    let counts = || {
        let metrics = host.metrics();
        ["trimtab_plugin_faults_total", "trimtab_fallbacks_total"].map(|name| metrics.sum(name, &[]))
    };
    let ([faults, fallbacks], spent) = (counts(), host.processor_time());
    let (start, length) = (Instant::now(), Duration::from_secs(seconds));
    let (load, ()) = wrk(&format!("http://{}", host.address()), options.connections, || wait::until(start + length))?;
    let ([faults_now, fallbacks_now], spent_now) = (counts(), host.processor_time());
    Ok(Turn {
        load,
        cost: (spent_now - spent).as_secs_f64() * 1e6 / load.requests as f64,
        faults: (faults_now - faults) / length.as_secs_f64(),
        fallback: (fallbacks_now - fallbacks) * 100.0 / load.requests as f64,
        memory: host.memory() as f64 / 1_048_576.0,
    })
}

/// Medians over the rounds; ratios are taken per round.
fn table(measured: &[Vec<Turn>]) -> String {
    let mut text = "| | requests/s | × round-robin | processor time per request | × round-robin | p50 | p99 | \
                    faults/s | by the fallback | memory | failed |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n"
        .to_owned();
    for (case, own) in CASES.iter().zip(measured) {
        let middle = |of: &dyn Fn(&Turn) -> f64| median(own.iter().map(of));
        let ratio = |of: &dyn Fn(&Turn) -> f64| median(own.iter().zip(&measured[0]).map(|(a, b)| of(a) / of(b)));
        let _ = writeln!(
            text,
            "| {} | {:.0} | {:.2} | {:.2} µs | {:.2} | {:.2} ms | {:.2} ms | {:.0} | {:.1} % | {:.1} MiB | {} |",
            case.title,
            middle(&|turn| turn.load.rate),
            ratio(&|turn| turn.load.rate),
            middle(&|turn| turn.cost),
            ratio(&|turn| turn.cost),
            middle(&|turn| turn.load.p50.as_secs_f64() * 1e3),
            middle(&|turn| turn.load.p99.as_secs_f64() * 1e3),
            middle(&|turn| turn.faults),
            middle(&|turn| turn.fallback),
            middle(&|turn| turn.memory),
            own.iter().map(|turn| turn.load.failed).sum::<u64>(),
        );
    }
    text
}

//! A plugin that is replaced again and again under load: how long do requests wait for that?
//! What it measures and how is told in `README.md` here. It tunes nobody.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the tables are what this program is for")]

mod backends;
mod median;
mod paced;
mod page;
mod swapping;
mod wrk;

use std::fmt::{self, Display, Write};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Parser;
use trimtab_tests::{Host, wait};

use backends::Backends;
use median::median;
use paced::{Latencies, Pace};
use page::Page;
use swapping::{COMPONENTS, Swap, Swapper};
use wrk::{Load, wrk};

/// Replaces a plugin in a row under load and prints Markdown tables of latencies.
#[derive(Parser)]
#[command(name = "tests/bench/swaps")]
struct Options {
    /// Swaps in a turn
    #[arg(long, default_value_t = 1000)]
    swaps: usize,
    /// Time between two paced swaps, in milliseconds
    #[arg(long, default_value_t = 10)]
    every: u64,
    /// Measured rounds; in each, every row has one turn
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Length of a turn without swaps
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Connections of the clients
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Requests a second of the steady load
    #[arg(long, default_value_t = 2000)]
    rate: u32,
    /// Threads of Trimtab that serve
    #[arg(long, default_value_t = 2)]
    workers: usize,
    /// Only the rows of loads whose title contains this
    #[arg(long, default_value = "")]
    only: String,
    /// Put the tables onto README.md here
    #[arg(long)]
    write: bool,
}

/// How much is sent.
#[derive(Clone, Copy)]
enum Demand {
    /// As much as is answered.
    Full,
    /// So many requests a second.
    Steady(u32),
}

/// How often the plugin is replaced.
#[derive(Clone, Copy)]
enum Swapping {
    Never,
    /// The next when the last is answered.
    BackToBack,
    Every(Duration),
}

/// A load, and how it goes with each way of swapping; the first is without.
struct Scene {
    demand: Demand,
    rows: [(Swapping, Vec<Turn>); 3],
}

/// One turn.
struct Turn {
    load: Load,
    swaps: Vec<Swap>,
    length: Duration,
    /// Processor time of the host in it.
    spent: Duration,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let page = Page::begin("swaps");
    let backends = Backends::start(Ipv4Addr::LOCALHOST, 3)?;
    let host = Host::start(&configuration(&options, &backends.ports));
    let mut swapper = Swapper::new(&host)?;
    let swappings = [Swapping::Never, Swapping::BackToBack, Swapping::Every(Duration::from_millis(options.every))];
    let mut scenes: Vec<_> = [Demand::Full, Demand::Steady(options.rate)]
        .into_iter()
        .filter(|demand| demand.to_string().contains(&options.only))
        .map(|demand| Scene { demand, rows: swappings.map(|swapping| (swapping, Vec::new())) })
        .collect();
    for scene in &scenes {
        turn(&host, &options, &mut swapper, scene.demand, Swapping::Never)?;
    }
    let before = host.memory();
    for round in 1..=options.rounds {
        for Scene { demand, rows } in &mut scenes {
            for (swapping, turns) in rows {
                let turn = turn(&host, &options, &mut swapper, *demand, *swapping)?;
                let (load, swaps) = (turn.load, turn.swaps.len());
                eprintln!("round {round}/{} {demand}, {swapping}: {swaps} swaps, {load:?}", options.rounds);
                turns.push(turn);
            }
        }
    }
    let mut text = latencies(&scenes) + "\n" + &times(&scenes);
    let turns = || scenes.iter().flat_map(|scene| &scene.rows).flat_map(|(_, turns)| turns);
    let metrics = host.metrics();
    let [faults, fallbacks] = ["trimtab_plugin_faults_total", "trimtab_fallbacks_total"].map(|m| metrics.sum(m, &[]));
    let [before, after] = [before, host.memory()].map(|bytes| bytes as f64 / 1_048_576.0);
    let swaps: usize = turns().map(|turn| turn.swaps.len()).sum();
    let _ = writeln!(
        text,
        "\n{swaps} swaps in all, `{}` and `{}` in turn: {faults} faults, {fallbacks} decisions by the fallback, memory of \
         the host {before:.1} MiB before and {after:.1} MiB after.",
        COMPONENTS[0], COMPONENTS[1]
    );
    page.publish(&text, options.write)?;
    let failed: u64 = turns().map(|turn| turn.load.failed).sum();
    ensure!(failed == 0 && faults == 0.0, "{failed} requests failed, and {faults} decisions");
    Ok(())
}

fn turn(host: &Host, options: &Options, swapper: &mut Swapper<'_>, demand: Demand, swapping: Swapping) -> Result<Turn> {
    let (start, before) = (Instant::now(), host.processor_time());
    let meanwhile = || match swapping {
        Swapping::Never => {
            wait::until(start + Duration::from_secs(options.seconds));
            Ok(Vec::new())
        }
        Swapping::BackToBack => swapper.make(options.swaps, None),
        Swapping::Every(time) => swapper.make(options.swaps, Some(time)),
    };
    let (load, swaps) = match demand {
        Demand::Full => wrk(&format!("http://{}", host.address()), options.connections, meanwhile)?,
        Demand::Steady(rate) => {
            let pace = Pace { address: host.address(), connections: options.connections, rate };
            let (latencies, swaps) = pace.during(meanwhile);
            (seen(&latencies, start.elapsed()), swaps)
        }
    };
    Ok(Turn { load, swaps: swaps?, length: start.elapsed(), spent: host.processor_time() - before })
}

fn seen(latencies: &Latencies, length: Duration) -> Load {
    let requests = latencies.count() as u64;
    Load {
        requests,
        rate: requests as f64 / length.as_secs_f64(),
        p50: latencies.at(0.5),
        p99: latencies.at(0.99),
        longest: latencies.at(1.0),
        failed: latencies.failed,
    }
}

/// What requests noticed: medians over the rounds, the longest of all, ratios per round.
fn latencies(scenes: &[Scene]) -> String {
    let mut text = "| | requests/s | failed | p50 | p99 | × p99 without | longest | cores that the host used |\n\
                    |---|--:|--:|--:|--:|--:|--:|--:|\n"
        .to_owned();
    for Scene { demand, rows } in scenes {
        let without = &rows[0].1;
        for (swapping, turns) in rows {
            let middle = |of: &dyn Fn(&Turn) -> f64| median(turns.iter().map(of));
            let p99 = |turn: &Turn| turn.load.p99.as_secs_f64() * 1e3;
            let longest = turns.iter().map(|turn| turn.load.longest).max().unwrap_or_default();
            let _ = writeln!(
                text,
                "| {demand}, {swapping} | {:.0} | {} | {:.2} ms | {:.2} ms | {:.2} | {} | {:.2} |",
                middle(&|turn| turn.load.rate),
                turns.iter().map(|turn| turn.load.failed).sum::<u64>(),
                middle(&|turn| turn.load.p50.as_secs_f64() * 1e3),
                middle(&p99),
                median(turns.iter().zip(without).map(|(own, without)| p99(own) / p99(without))),
                ms(longest),
                middle(&|turn| turn.spent.as_secs_f64() / turn.length.as_secs_f64()),
            );
        }
    }
    text
}

/// What swaps took, those of all rounds together.
fn times(scenes: &[Scene]) -> String {
    let mut text =
        "| | swaps | swaps/s | `PUT` to answer, median | longest | compiled to in place, median | longest |\n\
                    |---|--:|--:|--:|--:|--:|--:|\n"
            .to_owned();
    for Scene { demand, rows } in scenes {
        for (swapping, turns) in &rows[1..] {
            let swaps: Vec<_> = turns.iter().flat_map(|turn| &turn.swaps).collect();
            let length: Duration = turns.iter().map(|turn| turn.length).sum();
            let of = |time: fn(&Swap) -> Duration| {
                let mut times: Vec<_> = swaps.iter().map(|swap| time(swap)).collect();
                times.sort_unstable();
                let middle = times.get(times.len() / 2).copied().unwrap_or_default();
                format!("{} | {}", ms(middle), ms(times.last().copied().unwrap_or_default()))
            };
            let rate = swaps.len() as f64 / length.as_secs_f64();
            let (answered, placed) = (of(|swap| swap.answered), of(|swap| swap.placed));
            let _ = writeln!(text, "| {demand}, {swapping} | {} | {rate:.0} | {answered} | {placed} |", swaps.len());
        }
    }
    text
}

fn ms(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

fn configuration(options: &Options, ports: &[u16]) -> String {
    let entries: Vec<_> = ports.iter().map(|port| format!("\"127.0.0.1:{port}\"")).collect();
    format!(
        "[server]\nworkers = {}\n\n[log]\nlevel = \"warn\"\n\n\
         [[listener]]\nname = \"web\"\naddress = \"127.0.0.1:0\"\npool = \"web\"\n\n\
         [pool.web]\nbalancer = \"{}\"\nbackends = [{}]\n",
        options.workers,
        swapping::PLUGIN,
        entries.join(", ")
    )
}

impl Display for Demand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("full load"),
            Self::Steady(rate) => write!(f, "{rate} requests/s"),
        }
    }
}

impl Display for Swapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Never => f.write_str("no swaps"),
            Self::BackToBack => f.write_str("swaps back to back"),
            Self::Every(time) => write!(f, "a swap every {time:?}"),
        }
    }
}

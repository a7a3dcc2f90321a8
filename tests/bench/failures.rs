//! One of three backends is killed, stopped or restarted under load: what do clients notice?
//! What it measures and how is told in `README.md` here. It tunes nobody.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the table is what this program is for")]

mod backends;
mod median;
mod page;
#[expect(dead_code, reason = "what a request costs is for others to measure")]
mod proxy;
mod wrk;

use std::fmt::Write;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Parser;
use rustix::process::{Pid, Signal, kill_process};
use trimtab_tests::wait;

use backends::{Backends, answering, wait_for};
use median::median;
use page::Page;
use proxy::{Kind, Plan, Proxy, Serving};
use wrk::{Load, wrk};

/// Kills, stops and restarts one of three backends under load, and prints a Markdown table.
#[derive(Parser)]
#[command(name = "tests/bench/failures")]
struct Options {
    /// Rounds; in each, every proxy has one turn
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Length of each part of a turn; what happens, happens at its beginning
    #[arg(long, default_value_t = 6)]
    seconds: u64,
    /// Connections of the clients
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Threads or processes of each proxy that serve
    #[arg(long, default_value_t = 2)]
    workers: usize,
    /// Put the table onto README.md here
    #[arg(long)]
    write: bool,
}

const KINDS: [Kind; 3] = [Kind::Trimtab, Kind::Nginx, Kind::Haproxy];

/// What happens to a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    All,
    Killed,
    Restarted,
    Stopped,
    Continued,
}

impl Part {
    /// In the order in which they happen.
    const ALL: [Self; 5] = [Self::All, Self::Killed, Self::Restarted, Self::Stopped, Self::Continued];

    fn title(self) -> &'static str {
        match self {
            Self::All => "all three answer",
            Self::Killed => "one is killed (SIGKILL)",
            Self::Restarted => "it is started again",
            Self::Stopped => "one is stopped (SIGSTOP)",
            Self::Continued => "it goes on (SIGCONT)",
        }
    }

    fn happens(self, backend: &mut Backends) -> Result<()> {
        match self {
            Self::All => Ok(()),
            Self::Killed => signal(backend, Signal::KILL),
            Self::Restarted => {
                backend.child.wait()?;
                backend.child = answering(Ipv4Addr::LOCALHOST, &backend.ports)?;
                backend.ports.iter().copied().for_each(wait_for);
                Ok(())
            }
            Self::Stopped => signal(backend, Signal::STOP),
            Self::Continued => signal(backend, Signal::CONT),
        }
    }
}

fn signal(backend: &Backends, signal: Signal) -> Result<()> {
    Ok(kill_process(Pid::from_child(&backend.child), signal)?)
}

/// The parts of one turn.
type Turn = [Load; Part::ALL.len()];

fn main() -> Result<()> {
    let options = Options::parse();
    let page = Page::begin("failures");
    let mut measured: [Vec<Turn>; KINDS.len()] = Default::default();
    for round in 1..=options.rounds {
        for (kind, measured) in KINDS.into_iter().zip(&mut measured) {
            let turn = turn(kind, &options)?;
            for (part, load) in Part::ALL.into_iter().zip(&turn) {
                eprintln!(
                    "round {round}/{} {:8} {:26} {:.0} req/s, longest {:.2?}, failed {}",
                    options.rounds,
                    kind.name(),
                    part.title(),
                    load.rate,
                    load.longest,
                    load.failed
                );
            }
            measured.push(turn);
        }
    }
    page.publish(&table(&measured), options.write)
}

/// One proxy before three backends, which are its own, from one part to the next.
fn turn(kind: Kind, options: &Options) -> Result<Turn> {
    let mut backends = Vec::new();
    for _ in 0..3 {
        backends.push(Backends::start(Ipv4Addr::LOCALHOST, 1)?);
    }
    let folder = tempfile::tempdir()?;
    let plan = Plan {
        folder: folder.path().to_owned(),
        workers: options.workers,
        backends: backends.iter().map(|backend| backend.ports[0]).collect(),
        access_log: false,
        checks: true,
        serving: Serving::Http,
    };
    let mut proxy = Proxy::start(kind, &plan)?;
    let length = Duration::from_secs(options.seconds);
    wrk(&proxy.origin(), options.connections, || wait::until(Instant::now() + Duration::from_secs(1)))?;
    let mut turn = Turn::default();
    for (part, measured) in Part::ALL.into_iter().zip(&mut turn) {
        let during = || {
            // The load is there before it happens.
            wait::until(Instant::now() + Duration::from_millis(200));
            let happened = part.happens(&mut backends[0]);
            wait::until(Instant::now() + length);
            happened
        };
        let (load, happened) = wrk(&proxy.origin(), options.connections, during)?;
        happened?;
        *measured = load;
    }
    proxy.stop()?;
    Ok(turn)
}

/// Medians over the rounds; shares are taken within a turn, and failures added up.
fn table(measured: &[Vec<Turn>]) -> String {
    let mut text = "| | | requests/s | × all three | longest | failed |\n|---|---|--:|--:|--:|--:|\n".to_owned();
    for (position, part) in Part::ALL.into_iter().enumerate() {
        for (kind, turns) in KINDS.into_iter().zip(measured) {
            let loads = || turns.iter().map(|turn| turn[position]);
            let _ = writeln!(
                text,
                "| {} | {} | {:.0} | {:.2} | {:.0} ms | {} |",
                part.title(),
                kind.name(),
                median(loads().map(|load| load.rate)),
                median(turns.iter().map(|turn| turn[position].rate / turn[0].rate)),
                median(loads().map(|load| load.longest.as_secs_f64() * 1e3)),
                loads().map(|load| load.failed).sum::<u64>(),
            );
        }
    }
    text
}

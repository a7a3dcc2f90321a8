//! What TLS, HTTP/2 and WebSockets cost, beside nginx and HAProxy: processor time for each thing done, and memory for each
//! connection that does nothing. What it measures and how is told in `README.md` here. It tunes nobody.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the tables are what this program is for")]

mod backends;
mod dial;
#[expect(dead_code, reason = "what is carried as it is is for another benchmark")]
mod fleet;
mod h2load;
mod median;
mod page;
#[expect(dead_code, reason = "not all of it is for each benchmark")]
mod proxy;
mod turns;
mod wrk;

use std::fmt::Write;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::{Parser, ValueEnum};
use trimtab_tests::{Authority, Folder, wait};

use backends::Backends;
use dial::Dial;
use fleet::{Done, Idle, Unit};
use page::Page;
use proxy::{Kind, Plan, Proxy, Serving};
use turns::{heading, rows, take};

/// Compares Trimtab with nginx and HAProxy at TLS, HTTP/2 and WebSockets, and prints Markdown tables.
#[derive(Parser)]
#[command(name = "tests/bench/secure")]
struct Options {
    /// What is measured
    #[arg(long = "load", value_delimiter = ',', default_value = "https,handshakes,http2,websockets,idle")]
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
    /// The proxies to compare
    #[arg(long, value_delimiter = ',', default_value = "trimtab,nginx,haproxy")]
    only: Vec<Kind>,
    /// Put the tables onto README.md here
    #[arg(long)]
    write: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Load {
    /// HTTPS requests on 64 kept connections, HTTP/1.1, by wrk
    Https,
    /// Full handshakes, one request on each
    Handshakes,
    /// HTTP/2 requests over TLS, 10 connections with 10 streams each, by h2load
    Http2,
    /// Echoes of 64 bytes on 64 WebSockets
    Websockets,
    /// Memory of idle connections
    Idle,
}

impl Load {
    /// As in the table.
    fn name(self) -> &'static str {
        match self {
            Self::Https => "HTTPS request",
            Self::Handshakes => "TLS handshake",
            Self::Http2 => "HTTP/2 request",
            Self::Websockets => "WebSocket echo",
            Self::Idle => "idle connection",
        }
    }
}

fn main() -> Result<()> {
    let options = Options::parse();
    let page = Page::begin("secure");
    let folder = Folder::new();
    let authority = authority(&folder);
    let backends = Backends::start(Ipv4Addr::LOCALHOST, 3)?;
    let plan = Plan {
        folder: folder.root().to_owned(),
        workers: options.workers,
        backends: backends.ports.clone(),
        access_log: false,
        checks: false,
        serving: Serving::Secure,
    };
    let clients = Clients { authority, options: &options };
    let mut tables = String::new();
    let busy: Vec<Load> = options.loads.iter().copied().filter(|load| *load != Load::Idle).collect();
    if !busy.is_empty() {
        tables.push_str(&clients.compare(&plan, &busy)?);
    }
    if options.loads.contains(&Load::Idle) {
        let _ = write!(tables, "\n{}", clients.hold(&plan)?);
    }
    page.publish(&tables, options.write)
}

/// Writes a certificate with a key of P-256, and that of its authority, which is where is answered.
fn authority(folder: &Folder) -> PathBuf {
    let authority = Authority::new();
    authority.issue(&["127.0.0.1", "localhost"]).write(folder, "site");
    // HAProxy wants both in one file.
    folder.write("site.both.pem", folder.text("site.pem") + &folder.text("site.key"));
    authority.write(folder)
}

/// Who loads the proxies.
struct Clients<'a> {
    authority: PathBuf,
    options: &'a Options,
}

impl Clients<'_> {
    /// All loads, round after round; the table.
    fn compare(&self, plan: &Plan, loads: &[Load]) -> Result<String> {
        let Options { only, rounds, seconds, .. } = self.options;
        let mut proxies = only.iter().map(|kind| Proxy::start(*kind, plan)).collect::<Result<Vec<_>>>()?;
        let mut text = heading(only);
        for load in loads {
            let turns = take(&proxies, load.name(), *rounds, Duration::from_secs(*seconds), |proxy, length| {
                self.load(proxy, *load, length)
            })?;
            text.push_str(&rows(load.name(), "µs", only, &turns));
        }
        proxies.iter_mut().try_for_each(Proxy::stop)?;
        Ok(text)
    }

    fn load(&self, proxy: &Proxy, load: Load, length: Duration) -> Result<Done> {
        const CONNECTIONS: usize = 64;
        match load {
            Load::Https => {
                let origin = format!("https://{}", proxy.secure_address());
                let (load, ()) = wrk::wrk(&origin, CONNECTIONS, || wait::until(Instant::now() + length))?;
                Ok(Done { units: load.requests, failed: load.failed })
            }
            Load::Handshakes => fleet::load(&self.secure(proxy)?, Unit::Handshake, CONNECTIONS, length),
            Load::Http2 => h2load::h2load(proxy.secure_address(), 10, 10, length),
            Load::Websockets => fleet::load(&plain(proxy), Unit::Echo, CONNECTIONS, length),
            Load::Idle => Ok(Done::default()),
        }
    }

    /// Memory for each connection on which nothing moves; the table.
    fn hold(&self, plan: &Plan) -> Result<String> {
        let count = self.options.idle;
        let mut text = format!("| {count} of each | idle TLS connection | idle WebSocket |\n|---|--:|--:|");
        for kind in &self.options.only {
            let _ = write!(text, "\n| {} |", kind.name());
            for unit in [Unit::Handshake, Unit::Echo] {
                // A proxy of its own for each: what was freed is not always given back.
                let mut proxy = Proxy::start(*kind, plan)?;
                let dial = if unit == Unit::Handshake { self.secure(&proxy)? } else { plain(&proxy) };
                let each = Idle::memory(&proxy, &dial, unit, count)?;
                let _ = write!(text, " {each:.1} KiB |");
                proxy.stop()?;
            }
        }
        text.push('\n');
        Ok(text)
    }

    fn secure(&self, proxy: &Proxy) -> Result<Arc<Dial>> {
        Ok(Arc::new(Dial::secure(proxy.secure_address(), &self.authority)?))
    }
}

fn plain(proxy: &Proxy) -> Arc<Dial> {
    Arc::new(Dial::plain(proxy.address()))
}

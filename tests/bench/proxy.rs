//! A proxy under load: started from its template here, measured from outside by `/proc`, stopped by its pid.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use trimtab_tests::wait;

/// `/proc` counts in ticks of 1/100 s on every Linux that Rust runs on.
const MILLISECONDS_PER_TICK: u64 = 10;

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    /// This project.
    Trimtab,
    /// nginx from the distribution.
    Nginx,
    /// HAProxy from the distribution.
    Haproxy,
}

impl Kind {
    /// As in the table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Trimtab => "trimtab",
            Self::Nginx => "nginx",
            Self::Haproxy => "HAProxy",
        }
    }

    fn template(self) -> (&'static str, &'static str) {
        match self {
            Self::Trimtab => ("trimtab.toml", include_str!("trimtab.toml")),
            Self::Nginx => ("nginx.conf", include_str!("nginx.conf")),
            Self::Haproxy => ("haproxy.cfg", include_str!("haproxy.cfg")),
        }
    }
}

/// What is the same for all of them.
pub(crate) struct Plan {
    /// For configurations, logs and pid files.
    pub(crate) folder: PathBuf,
    /// Threads or processes that serve.
    pub(crate) workers: usize,
    /// Ports of the three backends.
    pub(crate) backends: Vec<u16>,
    /// Whether each request is logged to a file.
    pub(crate) access_log: bool,
}

/// A running proxy.
pub(crate) struct Proxy {
    kind: Kind,
    child: Child,
    port: u16,
    config: String,
}

impl Proxy {
    /// Writes its configuration, starts it, and waits until it accepts.
    pub(crate) fn start(kind: Kind, plan: &Plan) -> Result<Self> {
        let port = free_ports(1)?[0];
        let config = configuration(kind, plan, port);
        let path = plan.folder.join(kind.template().0);
        fs::write(&path, &config)?;
        let mut command = match kind {
            Kind::Trimtab => tied(&trimtab()),
            Kind::Nginx => tied(Path::new("nginx")),
            Kind::Haproxy => tied(Path::new("haproxy")),
        };
        match kind {
            Kind::Trimtab => command.arg("run").arg(&path),
            Kind::Nginx => command.arg("-p").arg(&plan.folder).arg("-c").arg(&path),
            Kind::Haproxy => command.arg("-db").arg("-f").arg(&path),
        };
        // HAProxy has no log file of its own; its standard output is one.
        let stdout = File::create(plan.folder.join(format!("{}-stdout.log", kind.name())))?;
        let child = command.stdout(stdout).spawn().with_context(|| format!("cannot start {}", kind.name()))?;
        let proxy = Self { kind, child, port, config };
        wait_for(port).with_context(|| kind.name())?;
        Ok(proxy)
    }

    /// Which it is.
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// The configuration that it runs with.
    pub(crate) fn config(&self) -> &str {
        &self.config
    }

    /// User and system time of all its processes so far.
    pub(crate) fn processor_time(&self) -> Result<Duration> {
        let ticks = self.sum(|pid| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
            // The name in parentheses may hold spaces; utime and stime are the 12th and 13th field behind it.
            let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
            Ok(fields[11].parse::<u64>()? + fields[12].parse::<u64>()?)
        })?;
        Ok(Duration::from_millis(ticks * MILLISECONDS_PER_TICK))
    }

    /// Proportional set size of all its processes, in bytes.
    pub(crate) fn memory(&self) -> Result<u64> {
        self.sum(|pid| {
            let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
            let line = rollup.lines().find(|line| line.starts_with("Pss:")).context("no Pss")?;
            Ok(line.split_whitespace().nth(1).context("no number")?.parse::<u64>()? * 1024)
        })
    }

    /// Its name and version.
    pub(crate) fn version(&self) -> Result<String> {
        let (program, flag) = match self.kind {
            Kind::Trimtab => (trimtab(), "--version"),
            Kind::Nginx => ("nginx".into(), "-v"),
            Kind::Haproxy => ("haproxy".into(), "-v"),
        };
        let output = Command::new(program).arg(flag).output()?;
        let said = if output.stdout.is_empty() { output.stderr } else { output.stdout };
        Ok(String::from_utf8_lossy(&said).lines().next().unwrap_or_default().to_owned())
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) fn stop(&mut self) -> Result<()> {
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        let end = Instant::now() + Duration::from_secs(10);
        while self.child.try_wait()?.is_none() {
            if Instant::now() > end {
                self.child.kill()?;
                bail!("{} did not stop", self.kind.name());
            }
            wait::until(Instant::now() + Duration::from_millis(20));
        }
        Ok(())
    }

    fn sum(&self, of: impl Fn(u32) -> Result<u64>) -> Result<u64> {
        let mut pids = vec![self.child.id()];
        let mut next = 0;
        while let Some(pid) = pids.get(next) {
            let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
            pids.extend(children.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
            next += 1;
        }
        pids.into_iter().map(of).sum()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.stop();
        }
    }
}

fn configuration(kind: Kind, plan: &Plan, port: u16) -> String {
    let folder = plan.folder.display().to_string();
    let access_log = match (kind, plan.access_log) {
        (Kind::Nginx, false) => "off".to_owned(),
        (Kind::Nginx, true) => format!("{folder}/nginx-access.log"),
        (Kind::Trimtab, true) => format!("access = \"{folder}/trimtab-access.log\""),
        _ => String::new(),
    };
    let (target, lines) =
        if plan.access_log { ("log stdout format raw local0", "log global\n    option httplog") } else { ("", "") };
    let mut text = kind.template().1.to_owned();
    let words = [
        ("{workers}", plan.workers.to_string()),
        ("{folder}", folder),
        ("{port}", port.to_string()),
        ("{access_log}", access_log),
        ("{log_target}", target.to_owned()),
        ("{log_lines}", lines.to_owned()),
        ("{backend1}", plan.backends[0].to_string()),
        ("{backend2}", plan.backends[1].to_string()),
        ("{backend3}", plan.backends[2].to_string()),
    ];
    for (word, value) in words {
        text = text.replace(word, &value);
    }
    text
}

/// A command whose process ends when ours does, however ours ends.
pub(crate) fn tied(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM", "--"]).arg(program).stdin(Stdio::null());
    command
}

/// Ports that are free now.
pub(crate) fn free_ports(count: usize) -> Result<Vec<u16>> {
    // All are held until the last is found, so that they differ.
    let held = (0..count).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<Vec<_>, _>>()?;
    held.iter().map(|listener| Ok(listener.local_addr()?.port())).collect()
}

/// Waits until something accepts on this port.
pub(crate) fn wait_for(port: u16) -> Result<()> {
    let end = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        if Instant::now() > end {
            bail!("nothing listens on port {port}");
        }
        wait::until(Instant::now() + Duration::from_millis(20));
    }
    Ok(())
}

fn trimtab() -> PathBuf {
    let beside = || std::env::current_exe().map(|path| path.with_file_name("trimtab")).unwrap_or_default();
    std::env::var_os("TRIMTAB_BIN").map_or_else(beside, PathBuf::from)
}

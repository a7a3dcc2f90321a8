//! A proxy under load: started from its template here, measured from outside by `/proc`, stopped by its pid.

use std::fs::{self, File};
use std::iter::Sum;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use trimtab_tests::{process, wait};

use crate::backends::{free_ports, tied, wait_for};

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    /// This project.
    Trimtab,
    /// This project with all limits set, none of which is reached.
    Limited,
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
            Self::Limited => "trimtab with limits",
            Self::Nginx => "nginx",
            Self::Haproxy => "HAProxy",
        }
    }

    /// The name of its configuration, and the text.
    fn template(self, of: Serving) -> (&'static str, &'static str) {
        let name = match self {
            Self::Trimtab => "trimtab.toml",
            Self::Limited => "limited.toml",
            Self::Nginx => "nginx.conf",
            Self::Haproxy => "haproxy.cfg",
        };
        let text = match (self, of) {
            (Self::Trimtab | Self::Limited, Serving::Http) => include_str!("trimtab.toml"),
            (Self::Nginx, Serving::Http) => include_str!("nginx.conf"),
            (Self::Haproxy, Serving::Http) => include_str!("haproxy.cfg"),
            (Self::Trimtab | Self::Limited, Serving::Secure) => include_str!("secure.toml"),
            (Self::Nginx, Serving::Secure) => include_str!("secure-nginx.conf"),
            (Self::Haproxy, Serving::Secure) => include_str!("secure-haproxy.cfg"),
            (Self::Trimtab | Self::Limited, Serving::Carried) => include_str!("carried.toml"),
            (Self::Nginx, Serving::Carried) => include_str!("carried-nginx.conf"),
            (Self::Haproxy, Serving::Carried) => include_str!("carried-haproxy.cfg"),
        };
        (name, text)
    }
}

/// What a proxy serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Serving {
    /// HTTP.
    Http,
    /// HTTP, also with TLS on a second port, with `site.pem` and `site.key` in the folder, and WebSockets at `/chat`; there is
    /// room for many connections.
    Secure,
    /// TCP and, of the same port, UDP, as they are.
    Carried,
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
    /// Whether backends are checked and requests retried: every 500 ms, out after three failures, in after two successes; a
    /// response within 2 s.
    pub(crate) checks: bool,
    /// What it serves.
    pub(crate) serving: Serving,
}

/// A running proxy.
pub(crate) struct Proxy {
    kind: Kind,
    child: Child,
    port: u16,
    /// Of HTTPS, where there is that.
    secure_port: u16,
    config: String,
}

impl Proxy {
    /// Writes its configuration, starts it, and waits until it accepts.
    pub(crate) fn start(kind: Kind, plan: &Plan) -> Result<Self> {
        let ports = free_ports(Ipv4Addr::LOCALHOST, 2)?;
        let (port, secure_port) = (ports[0], ports[1]);
        let config = configuration(kind, plan, port, secure_port);
        let path = plan.folder.join(kind.template(plan.serving).0);
        fs::write(&path, &config)?;
        let mut command = match kind {
            Kind::Trimtab | Kind::Limited => tied(&trimtab()),
            Kind::Nginx => tied(Path::new("nginx")),
            Kind::Haproxy => tied(Path::new("haproxy")),
        };
        match kind {
            Kind::Trimtab | Kind::Limited => command.arg("run").arg(&path),
            Kind::Nginx => command.arg("-p").arg(&plan.folder).arg("-c").arg(&path),
            Kind::Haproxy => command.arg("-db").arg("-f").arg(&path),
        };
        // HAProxy has no log file of its own; its standard output is one.
        let stdout = File::create(plan.folder.join(format!("{}-stdout.log", kind.name())))?;
        let child = command.stdout(stdout).spawn().with_context(|| format!("cannot start {}", kind.name()))?;
        let proxy = Self { kind, child, port, secure_port, config };
        wait_for(port);
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

    /// The same as a URL.
    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Where it serves HTTPS.
    pub(crate) fn secure_address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.secure_port).into()
    }

    /// The configuration that it runs with.
    pub(crate) fn config(&self) -> &str {
        &self.config
    }

    /// User and system time of all its processes so far.
    pub(crate) fn processor_time(&self) -> Result<Duration> {
        self.sum(|pid| Ok(process::processor_time(pid)?))
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
            Kind::Trimtab | Kind::Limited => (trimtab(), "--version"),
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

    fn sum<T: Sum>(&self, of: impl Fn(u32) -> Result<T>) -> Result<T> {
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

fn configuration(kind: Kind, plan: &Plan, port: u16, secure_port: u16) -> String {
    let folder = plan.folder.display().to_string();
    let access_log = match (kind, plan.access_log) {
        (Kind::Nginx, false) => "off".to_owned(),
        (Kind::Nginx, true) => format!("{folder}/nginx-access.log"),
        (Kind::Trimtab | Kind::Limited, true) => format!("access = \"{folder}/{port}-access.log\""),
        _ => String::new(),
    };
    let (target, lines) =
        if plan.access_log { ("log stdout format raw local0", "log global\n    option httplog") } else { ("", "") };
    let (mut pool_lines, server_options) = if plan.checks { checks(kind) } else { ("", "") };
    let mut listener_lines = "";
    if kind == Kind::Limited {
        pool_lines = "limits = { requests = 10000, backend_requests = 5000, backend_connections = 5000 }";
        listener_lines = "max_connections = 10000\nrate_limit = { rate = \"1000000/s\", key = \"client-address\" }";
    }
    let mut text = kind.template(plan.serving).1.to_owned();
    let words = [
        ("{workers}", plan.workers.to_string()),
        ("{folder}", folder),
        ("{modules}", modules()),
        ("{port}", port.to_string()),
        ("{secure_port}", secure_port.to_string()),
        ("{access_log}", access_log),
        ("{log_target}", target.to_owned()),
        ("{log_lines}", lines.to_owned()),
        ("{pool_lines}", pool_lines.to_owned()),
        ("{listener_lines}", listener_lines.to_owned()),
        ("{server_options}", server_options.to_owned()),
        ("{backend1}", plan.backends[0].to_string()),
        ("{backend2}", plan.backends[1].to_string()),
        ("{backend3}", plan.backends[2].to_string()),
    ];
    for (word, value) in words {
        text = text.replace(word, &value);
    }
    text
}

/// Lines of the pool, and options of each of its backends, by which failures of backends are to be hidden from clients.
fn checks(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Trimtab | Kind::Limited => (
            "response_timeout = \"2s\"\n\
             health = { http = \"/\", interval = \"500ms\", timeout = \"500ms\", rise = 2, fall = 3 }",
            "",
        ),
        // Its checks are the requests themselves.
        Kind::Nginx => (
            "proxy_next_upstream error timeout;\n            proxy_connect_timeout 500ms;\n            \
             proxy_read_timeout 2s;",
            " max_fails=3 fail_timeout=2s",
        ),
        Kind::Haproxy => (
            "timeout server 2s\n    timeout check 500ms\n    option httpchk GET /\n    retries 2\n    \
             option redispatch 1\n    retry-on conn-failure empty-response response-timeout",
            " check inter 500ms fall 3 rise 2 on-marked-down shutdown-sessions",
        ),
    }
}

/// The line by which nginx has streams, where they are in a file of their own.
fn modules() -> String {
    const STREAM: &str = "/usr/lib/nginx/modules/ngx_stream_module.so";
    if Path::new(STREAM).exists() { format!("load_module {STREAM};") } else { String::new() }
}

fn trimtab() -> PathBuf {
    let beside = || std::env::current_exe().map(|path| path.with_file_name("trimtab")).unwrap_or_default();
    std::env::var_os("TRIMTAB_BIN").map_or_else(beside, PathBuf::from)
}

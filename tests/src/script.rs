//! Clients and servers of other people's libraries: small scripts in Node and Python, in `tests/clients`.
//!
//! `tests/run` installs what they need and says where in `$TRIMTAB_CLIENTS`. Nothing is installed here, and a test that
//! needs one fails without.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::plugin::root;
use crate::wait;

/// How long a script may take: interpreters start slowly on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where the libraries are.
fn installed() -> PathBuf {
    std::env::var_os("TRIMTAB_CLIENTS")
        .expect("$TRIMTAB_CLIENTS is the folder that tests/run installs clients in")
        .into()
}

/// A command that runs this file of the project: by Node or by Python, with the libraries.
#[must_use]
pub fn script(file: &str) -> Command {
    let mut command = match Path::new(file).extension().and_then(|extension| extension.to_str()) {
        Some("js") => {
            let mut command = Command::new("node");
            command.env("NODE_PATH", installed().join("node_modules"));
            command
        }
        Some("py") => Command::new(installed().join("python/bin/python")),
        _ => panic!("{file} is of no language that is known here"),
    };
    command.arg(root().join(file));
    command
}

/// Has it trust this authority, whichever of the clients it is.
pub fn trust(command: &mut Command, authority: &Path) {
    for variable in ["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "CURL_CA_BUNDLE"] {
        command.env(variable, authority);
    }
}

/// Runs it to its end, which has to be a success, and answers what it printed.
pub fn run(command: &mut Command) -> String {
    let (status, stdout, stderr) = finish(command);
    assert!(status, "{command:?}\n{stdout}{stderr}");
    stdout
}

/// Runs it to its end: whether that was a success, and what it printed to each of its outputs.
pub fn finish(command: &mut Command) -> (bool, String, String) {
    finish_reading(command, Stdio::null())
}

/// The same for one that reads this.
pub fn finish_reading(command: &mut Command, input: impl Into<Stdio>) -> (bool, String, String) {
    let mut child = command
        .stdin(input)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    let stdout = collect(child.stdout.take());
    let stderr = collect(child.stderr.take());
    let end = Instant::now() + PATIENCE;
    let status = loop {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            break Some(status);
        }
        if Instant::now() > end {
            let _ = child.kill();
            let _ = child.wait();
            break None;
        }
        wait::until(Instant::now() + Duration::from_millis(5));
    };
    let text = |thread: std::thread::JoinHandle<String>| thread.join().unwrap_or_default();
    let (stdout, mut stderr) = (text(stdout), text(stderr));
    if status.is_none() {
        stderr.push_str("killed: it took too long\n");
    }
    (status.is_some_and(|status| status.success()), stdout, stderr)
}

fn collect(output: Option<impl Read + Send + 'static>) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut output) = output {
            let _ = output.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// A server that prints its port first and ends with its standard input; killed when dropped.
pub struct Server {
    child: Child,
    /// Where it listens, at 127.0.0.1.
    pub port: u16,
}

impl Server {
    /// Starts it, and waits for its port.
    #[must_use]
    pub fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let mut line = String::new();
        let stdout = child.stdout.take().expect("stdout is piped");
        BufReader::new(stdout).read_line(&mut line).expect("a line of the server");
        let port = line.trim().parse().unwrap_or_else(|_| panic!("{command:?} printed no port but {line:?}"));
        Self { child, port }
    }

    /// Writes a line to its standard input.
    pub fn tell(&mut self, line: &str) {
        let stdin = self.child.stdin.as_mut().expect("stdin is piped");
        writeln!(stdin, "{line}").expect("the server reads");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! A backend in a process of its own, which can be killed, stopped, continued and restarted.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::backend::entry;
use crate::host::beside;

/// A process that answers as [`Backend::echo`](crate::Backend::echo) does, or says what it is told. Dropping it kills it.
pub struct Spawned {
    name: String,
    /// What it does with a connection, as its program is told.
    does: &'static str,
    address: SocketAddr,
    child: Option<Child>,
}

impl Spawned {
    /// Starts it on any free port of loopback, and waits until it listens.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self::doing("http", name)
    }

    /// The same of one that speaks no HTTP: it says what it is told, on one thread for any number of connections.
    #[must_use]
    pub fn echoing(name: &str) -> Self {
        Self::doing("bytes", name)
    }

    fn doing(does: &'static str, name: &str) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut spawned = Self { name: name.to_owned(), does, address, child: None };
        spawned.restart();
        spawned
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it listens, or did.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// It as an entry of `backends = […]`, with its name as id.
    #[must_use]
    pub fn entry(&self) -> String {
        entry(&self.name, self.address, "")
    }

    /// Kills it (SIGKILL) if it runs: connections are reset, and new ones refused.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Stops it (SIGSTOP): connections stay open, new ones are made, and nothing answers.
    pub fn stop(&self) {
        self.signal(Signal::STOP);
    }

    /// Has it go on after [`stop`](Self::stop).
    pub fn proceed(&self) {
        self.signal(Signal::CONT);
    }

    /// Starts it anew on the same port, and waits until it listens.
    pub fn restart(&mut self) {
        self.kill();
        let program = beside("test-backend");
        let mut child = Command::new(&program)
            .args([self.does, &self.name, &self.address.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", program.display()));
        let mut line = String::new();
        let stdout = child.stdout.take().expect("stdout is piped");
        self.child = Some(child);
        BufReader::new(stdout).read_line(&mut line).expect("a line of the backend");
        self.address = line.trim().parse().unwrap_or_else(|_| panic!("the backend does not listen: {line:?}"));
    }

    fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().expect("the backend runs");
        kill_process(Pid::from_child(child), signal).expect("the backend is there");
    }
}

impl Drop for Spawned {
    fn drop(&mut self) {
        self.kill();
    }
}

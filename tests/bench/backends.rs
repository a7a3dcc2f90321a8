//! The process of the backends, which answers on some ports, and ports that are free for anybody.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use trimtab_tests::eventually;

/// A process that answers on each of its ports; stopped when it is dropped.
pub(crate) struct Backends {
    /// The process.
    pub(crate) child: Child,
    /// Where it listens.
    pub(crate) ports: Vec<u16>,
}

impl Backends {
    /// So many ports, of this address: of loopback, or the unspecified one for all of loopback.
    pub(crate) fn start(address: Ipv4Addr, count: usize) -> Result<Self> {
        let ports = free_ports(address, count)?;
        let backends = Self { child: answering(address, &ports)?, ports };
        backends.ports.iter().copied().for_each(wait_for);
        Ok(backends)
    }
}

/// The process that answers on these ports of this address.
pub(crate) fn answering(address: Ipv4Addr, ports: &[u16]) -> Result<Child> {
    let program = std::env::current_exe()?.with_file_name("bench-backend");
    tied(&program)
        .args(ports.iter().map(|port| SocketAddr::from((address, *port)).to_string()))
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))
}

impl Drop for Backends {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command whose process ends when ours does, however ours ends.
pub(crate) fn tied(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM", "--"]).arg(program).stdin(Stdio::null());
    command
}

/// Ports that are free now.
pub(crate) fn free_ports(address: Ipv4Addr, count: usize) -> Result<Vec<u16>> {
    // All are held until the last is found, so that they differ.
    let held = (0..count).map(|_| TcpListener::bind((address, 0))).collect::<Result<Vec<_>, _>>()?;
    held.iter().map(|listener| Ok(listener.local_addr()?.port())).collect()
}

/// Waits until something accepts on this port of loopback.
///
/// # Panics
/// When nothing does for long.
pub(crate) fn wait_for(port: u16) {
    let accepts = || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok();
    eventually(&format!("something listens on port {port}"), accepts);
}

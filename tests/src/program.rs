//! Servers of other people that are packages of the system: databases and balancers, each started for one test in a
//! folder of its own, at an address that is free.
//!
//! `tests/run` installs them; a test that needs one fails without.

use std::fs::File;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, getuid, kill_process};

use crate::folder::Folder;
use crate::wait::{self, eventually};

/// `nobody`, on every Linux: who servers run as that refuse to be root.
const NOBODY: u32 = 65534;

/// How long one has to end when it is asked to.
const LEAVE: Duration = Duration::from_secs(5);

/// A running server. Dropping it ends it; a test that fails prints what it wrote.
pub struct Program {
    /// What it has of files.
    pub folder: Folder,
    child: Child,
}

/// Addresses that nobody listens on. Not those of 127.0.0.1, of which other tests take some all the time.
#[must_use]
pub fn free<const N: usize>() -> [SocketAddr; N] {
    let held = [(); N].map(|()| TcpListener::bind("127.6.0.1:0").expect("a port"));
    held.map(|listener| listener.local_addr().expect("bound"))
}

/// A program of this name: of the path, or of where the system keeps what is not for everybody.
#[must_use]
pub fn installed(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    let found = folders.map(|folder| folder.join(name)).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("no {name}: tests/run installs it"))
}

/// Has a command run as somebody who is not root, and own the folder that it works in.
pub fn demote(command: &mut Command, folder: &Path) {
    if getuid().is_root() {
        own(folder);
        command.uid(NOBODY).gid(NOBODY);
    }
}

/// Gives a file or a folder to the one whom [`demote`] makes of root, and to nobody else.
pub fn own(path: &Path) {
    if getuid().is_root() {
        chown(path, Some(NOBODY), Some(NOBODY)).expect("root may give away");
    }
    let mode = if path.is_dir() { 0o700 } else { 0o600 };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("it is ours");
}

impl Program {
    /// Starts it, and waits until it accepts connections at all of `addresses`.
    #[must_use]
    pub fn start(folder: Folder, command: &mut Command, addresses: &[SocketAddr]) -> Self {
        let log = File::create(folder.path("log")).expect("the folder is ours");
        let also = log.try_clone().expect("a descriptor");
        let command = command.current_dir(folder.root()).stdin(Stdio::null()).stdout(log).stderr(also);
        let child = command.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let mut program = Self { folder, child };
        for address in addresses {
            eventually(&format!("{command:?} listens"), || {
                let ended = program.child.try_wait().expect("a child can be waited for");
                assert!(ended.is_none(), "{command:?} has ended");
                TcpStream::connect(address).is_ok()
            });
        }
        program
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- what a server wrote\n{}---", self.folder.text("log"));
        }
        // Those that have processes of their own take them along.
        let _ = kill_process(Pid::from_child(&self.child), Signal::INT);
        let end = Instant::now() + LEAVE;
        while Instant::now() < end && matches!(self.child.try_wait(), Ok(None)) {
            wait::until(Instant::now() + Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

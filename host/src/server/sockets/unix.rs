//! Unix sockets that listen, and their files: never anybody else's.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};

use super::BACKLOG;
use crate::config::{Listener, ListenerAddress};

/// The file of a socket that we have bound. Dropping this removes it, if it is still ours.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    /// Device and inode: by its path alone it could be another process's.
    identity: (u64, u64),
}

/// Those of all listeners.
#[derive(Debug, Default)]
pub struct SocketFiles(Vec<SocketFile>);

/// Binds a socket to a path, and answers one handle of it for each worker. A socket that a process which died has left there is
/// replaced; `mode` are the permissions of the file, or else what the umask leaves.
///
/// The socket is bound to a name beside, and moved when it listens and has its permissions: whoever finds it can use it, and
/// nobody else can for a moment. `ss` shows that first name, as it does of HAProxy's.
///
/// # Errors
/// Somebody listens there, it is no socket, or the folder is not ours to write to.
pub(super) fn listen(path: &Path, mode: Option<u32>, workers: usize) -> io::Result<(SocketFile, Vec<UnixListener>)> {
    look_whether_free(path)?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    let bind = |beside: &Path| {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.bind(&SockAddr::unix(beside)?)?;
        Ok(socket)
    };
    let bound = tempfile::Builder::new().prefix(".").make_in(folder, bind)?;
    if let Some(mode) = mode {
        fs::set_permissions(bound.path(), Permissions::from_mode(mode))?;
    }
    bound.as_file().listen(BACKLOG)?;
    let identity = identity(bound.path())?;
    let socket = UnixListener::from(bound.persist(path).map_err(|failed| failed.error)?);
    let file = SocketFile { path: path.to_owned(), identity };
    let mut sockets = (1..workers).map(|_| socket.try_clone()).collect::<io::Result<Vec<_>>>()?;
    sockets.push(socket);
    Ok((file, sockets))
}

/// Whether there is nothing, or a socket that nobody listens on.
fn look_whether_free(path: &Path) -> io::Result<()> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    if !found.file_type().is_socket() {
        return Err(io::Error::new(ErrorKind::AlreadyExists, "there is a file that is no socket"));
    }
    let probe = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // Where the accept queue is full, it would wait.
    probe.set_nonblocking(true)?;
    match probe.connect(&SockAddr::unix(path)?) {
        Err(error) if matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound) => Ok(()),
        Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
        _ => Err(io::Error::new(ErrorKind::AddrInUse, "somebody listens there already")),
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|found| (found.dev(), found.ino()))
}

impl SocketFile {
    fn is_ours(&self) -> bool {
        identity(&self.path).is_ok_and(|found| found == self.identity)
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.is_ours() {
            // Whoever started us may have taken away what that needs. Then the next start finds that nobody listens.
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl SocketFiles {
    /// Removes all.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Those of these listeners stay, with the permissions that they have now; the others are removed.
    pub fn follow(&mut self, listeners: &[Listener]) {
        self.0.retain(|file| {
            let is_its =
                |listener: &&Listener| matches!(&listener.address, ListenerAddress::Unix(path) if *path == file.path);
            let Some(listener) = listeners.iter().find(is_its) else { return false };
            if !file.is_ours() {
                tracing::warn!(listener = %listener.name, "the file of its socket was removed: nobody finds it until a restart");
            } else if let Some(mode) = listener.mode
                && let Err(error) = fs::set_permissions(&file.path, Permissions::from_mode(mode))
            {
                tracing::warn!(listener = %listener.name, %error, "the permissions of a socket cannot be changed");
            }
            true
        });
    }
}

impl Extend<SocketFile> for SocketFiles {
    fn extend<I: IntoIterator<Item = SocketFile>>(&mut self, files: I) {
        self.0.extend(files);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_file_goes_with_its_socket_unless_it_is_anothers() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.sock");
        let (first, sockets) = listen(&path, Some(0o600), 3).expect("bound");
        assert_eq!(sockets.len(), 3);
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1, "no other name is left");
        UnixStream::connect(&path).expect("listening");
        assert_eq!(listen(&path, None, 1).expect_err("it lives").kind(), ErrorKind::AddrInUse);
        // It dies, and another comes in its place.
        drop(sockets);
        let (second, _socket) = listen(&path, None, 1).expect("a dead one is replaced");
        drop(first);
        assert!(path.exists(), "it is another's");
        drop(second);
        assert!(!path.exists());
    }

    #[test]
    fn what_is_no_socket_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notes");
        fs::write(&path, "precious").expect("written");
        assert_eq!(listen(&path, None, 1).expect_err("no socket").kind(), ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&path).expect("there"), "precious");
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
    }
}

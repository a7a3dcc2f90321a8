//! Tells when files have changed: the configuration's, and those of components.
//!
//! A thread of its own waits for the system's notices, lets files come to rest and reads them. What a change means is
//! not known here, and nothing is polled: without changes nobody wakes.

mod lookups;
mod notices;
#[cfg(test)]
mod tests;

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use self::lookups::lookups;
use self::notices::{Notice, Notices};

/// How long a file must be left alone before it is read: a write comes as many notices, a rename as two.
const QUIET: Duration = Duration::from_millis(200);

/// SHA-256 of a file's content.
pub(super) type Digest = [u8; 32];

/// The thread that watches. It ends after this is dropped.
pub(super) struct Watcher {
    orders: Sender<Order>,
}

/// What the thread is told.
enum Order {
    Watch(Vec<Watched>),
    Noticed(Notice),
    Stop,
}

/// A file to be watched. It need not exist, nor the folders on the way to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Watched {
    /// Its path; what changed is called by it.
    pub(super) path: PathBuf,
    /// Digest of the content that is in use, so that a change after it was read is told even if it came before
    /// the file was watched; none: what is found first is in use, nothing included. Of no meaning for a file that is
    /// watched already.
    pub(super) used: Option<Digest>,
}

impl Watcher {
    /// Starts to watch nothing. Each message is the files that have another content than before, one at least.
    ///
    /// A file that is gone is no change; one that comes back with another content is. Where the system gives no
    /// means to watch, there is one warning and never a message.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub(super) fn start() -> io::Result<(Self, UnboundedReceiver<Vec<PathBuf>>)> {
        let (orders, receiver) = mpsc::channel();
        let (sender, changes) = unbounded_channel();
        let noticed = orders.clone();
        thread::Builder::new().name("watch".into()).spawn(move || {
            let notices = Notices::new(move |notice| drop(noticed.send(Order::Noticed(notice))));
            Watching { notices, files: Vec::new(), changes: sender }.run(&receiver);
        })?;
        Ok((Self { orders }, changes))
    }

    /// Watches these files and no others from now on. Never blocks.
    pub(super) fn watch(&self, files: Vec<Watched>) {
        // Without a thread there is nobody to tell, and the process is about to end.
        let _ = self.orders.send(Order::Watch(files));
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.orders.send(Order::Stop);
    }
}

/// Digest of a regular file; none where there is no such thing, or it cannot be read.
pub(super) fn digest(path: &Path) -> Option<Digest> {
    // To open a pipe could take for ever.
    if !fs::metadata(path).ok()?.is_file() {
        return None;
    }
    let mut file = File::open(path).ok()?;
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; 64 << 10]);
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Some(hash.finalize().into()),
            Ok(length) => hash.update(&buffer[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
}

/// What the thread has.
struct Watching {
    notices: Notices,
    files: Vec<Entry>,
    changes: UnboundedSender<Vec<PathBuf>>,
}

struct Entry {
    path: PathBuf,
    /// What finding the file looks at.
    lookups: Vec<PathBuf>,
    /// The content that is known, which may be none; none at all: the file was not looked at yet.
    seen: Option<Option<Digest>>,
    /// When to read it, if something happened to it.
    due: Option<Instant>,
}

impl Watching {
    fn run(mut self, orders: &Receiver<Order>) {
        loop {
            let order = match self.files.iter().filter_map(|file| file.due).min() {
                Some(due) => orders.recv_timeout(due.saturating_duration_since(Instant::now())),
                None => orders.recv().map_err(RecvTimeoutError::from),
            };
            match order {
                Ok(Order::Watch(files)) => self.replace(files),
                Ok(Order::Noticed(notice)) => self.noticed(&notice),
                Ok(Order::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.read_due();
        }
    }

    fn replace(&mut self, files: Vec<Watched>) {
        let mut before = std::mem::take(&mut self.files);
        for Watched { path, used } in files {
            let known = before.iter().position(|file| file.path == path).map(|at| before.swap_remove(at));
            let new = || Entry { path, lookups: Vec::new(), seen: used.map(Some), due: Some(Instant::now()) };
            self.files.push(known.unwrap_or_else(new));
        }
        self.follow();
    }

    fn noticed(&mut self, notice: &Notice) {
        self.notices.forget(notice);
        let due = Some(Instant::now() + QUIET);
        for file in &mut self.files {
            if notice.paths.as_ref().is_none_or(|paths| paths.iter().any(|path| file.lookups.contains(path))) {
                file.due = due;
            }
        }
    }

    /// Reads the files that have come to rest and tells which of them are others now. Notices that come meanwhile
    /// wait, and make their file due once more.
    fn read_due(&mut self) {
        let now = Instant::now();
        if self.files.iter().all(|file| file.due.is_none_or(|due| due > now)) {
            return;
        }
        // Before reading: what changes after that is noticed.
        self.follow();
        let mut changed = Vec::new();
        for file in self.files.iter_mut().filter(|file| file.due.is_some_and(|due| due <= now)) {
            file.due = None;
            let found = digest(&file.path);
            match file.seen {
                None => file.seen = Some(found),
                // What is gone is still in use.
                Some(seen) if found.is_none() || seen == found => {}
                Some(_) => {
                    file.seen = Some(found);
                    changed.push(file.path.clone());
                }
            }
        }
        if !changed.is_empty() {
            // Whoever does not listen any more is about to drop the watcher.
            let _ = self.changes.send(changed);
        }
    }

    /// Has notices given of all that leads to the files, as it is now.
    fn follow(&mut self) {
        /// Paths that change all the time are looked at again when they come to rest.
        const ROUNDS: usize = 8;
        for _ in 0..ROUNDS {
            for file in &mut self.files {
                file.lookups = lookups(&file.path);
            }
            self.notices.cover(self.files.iter().flat_map(|file| &file.lookups));
            // A link may have changed before its folder was watched.
            if self.files.iter().all(|file| file.lookups == lookups(&file.path)) {
                return;
            }
        }
    }
}

//! The system's notices of changes in folders, by inotify through the crate notify.
//!
//! Watches what it is told to; which paths lead to a file, and what a notice means for it, is not known here.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{ErrorKind, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};

/// Something happened.
pub(super) struct Notice {
    /// To these paths; none: nobody knows, there was too much at a time.
    pub(super) paths: Option<Vec<PathBuf>>,
    /// What was at the paths may be something else now.
    moved: bool,
}

/// The watched folders and files.
pub(super) struct Notices {
    /// None: the system gives no notices.
    watcher: Option<RecommendedWatcher>,
    /// What is watched, with its device and inode.
    watched: BTreeMap<PathBuf, (u64, u64)>,
    /// Paths of which notices are wanted: folders have many others.
    wanted: Arc<Mutex<BTreeSet<PathBuf>>>,
}

impl Notices {
    /// Watches nothing. `tell` is called on a thread of notify's and must not block.
    pub(super) fn new(tell: impl Fn(Notice) + Send + 'static) -> Self {
        let wanted = Arc::new(Mutex::new(BTreeSet::new()));
        let asked = Arc::clone(&wanted);
        let handler = move |event: notify::Result<Event>| {
            let Some(notice) = event.map_or_else(|_| Some(Notice::UNKNOWN), Notice::of) else { return };
            let asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
            if notice.paths.as_ref().is_none_or(|paths| paths.iter().any(|path| asked.contains(path))) {
                tell(notice);
            }
        };
        let watcher = notify::recommended_watcher(handler).map_err(|error| warn_off(&error)).ok();
        Self { watcher, watched: BTreeMap::new(), wanted }
    }

    /// Gives notices of these paths and of no others. What is not there is noticed when it comes into its folder.
    pub(super) fn cover<'a>(&mut self, paths: impl Iterator<Item = &'a PathBuf>) {
        let wanted: BTreeSet<PathBuf> = paths.cloned().collect();
        // Folders for what comes and goes in them; files too, since one that is mounted alone changes unseen by the
        // folder where it appears.
        let folders = wanted.iter().filter_map(|path| path.parent());
        let targets = folders.chain(wanted.iter().map(PathBuf::as_path)).filter_map(identity).collect();
        *self.wanted.lock().unwrap_or_else(PoisonError::into_inner) = wanted;
        if let Err(error) = self.reconcile(targets) {
            warn_off(&error);
            self.watcher = None;
        }
    }

    /// To be called with each notice: a watch stays with what was moved, and goes with what was removed.
    pub(super) fn forget(&mut self, notice: &Notice) {
        for path in notice.paths.iter().flatten().filter(|_| notice.moved) {
            if self.watched.remove(path).is_some() {
                self.unwatch(path);
            }
        }
    }

    fn reconcile(&mut self, targets: BTreeMap<PathBuf, (u64, u64)>) -> notify::Result<()> {
        let stale: Vec<_> = self
            .watched
            .iter()
            .filter(|(path, id)| targets.get(*path) != Some(*id))
            .map(|(path, _)| path.clone())
            .collect();
        for path in stale {
            self.watched.remove(&path);
            self.unwatch(&path);
        }
        for (path, id) in targets {
            let Some(watcher) = &mut self.watcher else { return Ok(()) };
            if self.watched.contains_key(&path) {
                continue;
            }
            match watcher.watch(&path, RecursiveMode::NonRecursive) {
                Ok(()) => drop(self.watched.insert(path, id)),
                Err(error) if matches!(error.kind, ErrorKind::MaxFilesWatch) => return Err(error),
                // It is gone again, which its folder tells, or must not be read; others on the way may be.
                Err(error) => tracing::debug!("{} cannot be watched: {error}", path.display()),
            }
        }
        Ok(())
    }

    fn unwatch(&mut self, path: &Path) {
        // What was removed is not watched any more, which is an error here.
        let _ = self.watcher.as_mut().map(|watcher| watcher.unwatch(path));
    }
}

impl Notice {
    const UNKNOWN: Self = Self { paths: None, moved: false };

    /// None for what changes nothing: a file that is opened or read.
    fn of(event: Event) -> Option<Self> {
        let moved = match event.kind {
            _ if event.need_rescan() => return Some(Self::UNKNOWN),
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => false,
            EventKind::Access(_) => return None,
            EventKind::Create(_) | EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)) => true,
            EventKind::Modify(_) | EventKind::Any | EventKind::Other => false,
        };
        Some(Self { paths: Some(event.paths), moved })
    }
}

/// A folder or a regular file that is there and is no link, with its device and inode.
fn identity(path: &Path) -> Option<(PathBuf, (u64, u64))> {
    let found = fs::symlink_metadata(path).ok()?;
    (found.is_dir() || found.is_file()).then(|| (path.to_owned(), (found.dev(), found.ino())))
}

fn warn_off(error: &notify::Error) {
    tracing::warn!(
        "files are not watched from now on, changes of them are not seen: {error} \
         (the limits are fs.inotify.max_user_instances and fs.inotify.max_user_watches)"
    );
}

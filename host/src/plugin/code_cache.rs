//! Compiled code of plugins, kept on disk so that a restart does not compile: where, whether the place is private, and
//! whether what is there is what was written.
//!
//! Finding, writing and cleaning up is done by wasmtime's cache; what it may not see, [`seals`] takes away first.
//! Nothing here keeps a process from starting: without a cache it compiles.

mod seals;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::process::geteuid;
use wasmtime::{Cache, CacheConfig};

use self::seals::Seals;
use crate::config;

/// Size above which the entries that were not used for longest go, in bytes. Compressed code of a large language
/// runtime takes about ten MiB. All of it is read once at each start, so it should not be much.
const MOST_BYTES: u64 = 256 << 20;
/// Entries above which those that were not used for longest go.
const MOST_ENTRIES: u64 = 1000;
/// Of zstd; a low one, since compressing holds up the start that compiles, and decompressing each start.
const COMPRESSION: i32 = 1;
/// Notes of use that wait to be written down. More are lost, which costs an entry its place when space is short.
const NOTES: u64 = 256;

/// Where compiled code is to be kept, none for nowhere. `variable` is the environment, as
/// [`std::env::var_os`] gives it: `CACHE_DIRECTORY` is systemd's, `XDG_CACHE_HOME` that of the XDG base directory
/// specification, by which a relative path is as good as none.
pub fn folder(configured: &config::CodeCache, variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let path = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    // systemd separates several by colons.
    let first =
        |list: PathBuf| list.to_str().and_then(|list| list.split(':').next().map(PathBuf::from)).unwrap_or(list);
    match configured {
        config::CodeCache::Off => None,
        config::CodeCache::Folder(folder) => Some(folder.clone()),
        config::CodeCache::Default => path("CACHE_DIRECTORY")
            .map(first)
            .or_else(|| path("XDG_CACHE_HOME").map(|home| home.join("trimtab")))
            .or_else(|| path("HOME").map(|home| home.join(".cache/trimtab"))),
    }
}

/// A folder of compiled code that nobody else can write to.
pub(super) struct CodeCache {
    cache: Cache,
    seals: Seals,
    /// How many entries had been written when the last was sealed.
    sealed: Mutex<usize>,
}

/// Why there is no cache in a folder.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unfit {
    #[error("cannot be used: {0}")]
    Io(#[from] io::Error),
    #[error("belongs to user {owner}, and this process is of user {user}")]
    Foreign { owner: u32, user: u32 },
    #[error("can be written to by others (mode {mode:o}): whoever can write to it can run code in this process")]
    Open { mode: u32 },
    #[error("cannot be used: {0:#}")]
    Cache(wasmtime::Error),
}

impl CodeCache {
    /// The cache in `folder`, which is made if need be, or none and a warning.
    pub(super) fn open_or_warn(folder: &Path) -> Option<Self> {
        let unfit = |reason| {
            tracing::warn!("no code cache: {} {reason}; plugins are compiled at each start", folder.display());
        };
        Self::open(folder).map_err(unfit).ok()
    }

    /// The cache in `folder`, which is made if need be. Reads all that is in it.
    ///
    /// # Errors
    /// What is wrong with the folder.
    pub(super) fn open(folder: &Path) -> Result<Self, Unfit> {
        private(folder)?;
        // wasmtime's cache deletes what it does not know, so it gets a folder that is nobody else's.
        let [code, seals] = ["code", "seals"].map(|name| folder.join(name));
        for inner in [&code, &seals] {
            private(inner)?;
            fs::set_permissions(inner, Permissions::from_mode(0o700))?;
        }
        let code = code.canonicalize()?;
        let seals = Seals::new(&code, &seals);
        seals.remove_unsealed()?;
        let mut config = CacheConfig::new();
        config
            .with_directory(code)
            .with_files_total_size_soft_limit(MOST_BYTES)
            .with_file_count_soft_limit(MOST_ENTRIES)
            .with_worker_event_queue_size(NOTES)
            // The same twice: entries are never written again with better compression.
            .with_baseline_compression_level(COMPRESSION)
            .with_optimized_compression_level(COMPRESSION);
        Ok(Self { cache: Cache::new(config).map_err(Unfit::Cache)?, seals, sealed: Mutex::new(0) })
    }

    /// What the engine looks into.
    pub(super) fn cache(&self) -> Cache {
        self.cache.clone()
    }

    /// To be called after each compilation: what was written counts only once it is sealed.
    pub(super) fn seal(&self) {
        let mut sealed = self.sealed.lock().unwrap_or_else(PoisonError::into_inner);
        let written = self.cache.cache_misses();
        if written > *sealed {
            match self.seals.seal_new() {
                Ok(()) => *sealed = written,
                Err(error) => {
                    tracing::warn!("the code cache cannot be written, plugins will be compiled again: {error}")
                }
            }
        }
    }
}

/// Makes sure that `folder` is there and that only this process's user can write to it. Whoever can replace a folder
/// above it is trusted.
fn private(folder: &Path) -> Result<(), Unfit> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let found = fs::metadata(folder)?;
    let (owner, user) = (found.uid(), geteuid().as_raw());
    let mode = found.mode() & 0o7777;
    if owner != user {
        Err(Unfit::Foreign { owner, user })
    } else if mode & 0o022 != 0 {
        Err(Unfit::Open { mode })
    } else {
        Ok(())
    }
}

//! Checksums of cache entries: an entry that is not what was written is removed before anybody runs it.
//!
//! wasmtime's cache takes whatever decompresses for machine code. Entries have no checksum in them, so most flipped
//! bits go unnoticed until that code crashes the process. This guards against disks and unfinished writes, not against
//! people: they are kept out by the folder's mode.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use xxhash_rust::xxh64::Xxh64;

/// Age at which a half-written file has been left behind by a process that was killed.
const ABANDONED: Duration = Duration::from_secs(10 * 60);

/// The seals of a folder's entries: for each a file of its name, which holds the XXH64 of its content.
///
/// Any number of processes may share both folders: an entry that one has written and not sealed yet is removed by
/// another that starts then, and compiled once more some time.
pub(super) struct Seals {
    /// `modules/WASMTIME'S VERSION/ENTRY` is below it.
    code: PathBuf,
    seals: PathBuf,
}

impl Seals {
    /// Of the entries in `code`, in the folder `seals`.
    pub(super) fn new(code: &Path, seals: &Path) -> Self {
        Self { code: code.to_owned(), seals: seals.to_owned() }
    }

    /// Removes every entry that has no seal or another content than was sealed, and every seal without entry.
    ///
    /// # Errors
    /// When that cannot be done: then nothing in the folder can be trusted.
    pub(super) fn remove_unsealed(&self) -> io::Result<()> {
        for path in self.files()? {
            if is_entry(&path) {
                self.check(&path)?;
            } else if is_abandoned(&path) {
                remove(&path)?;
            }
        }
        let entries: Vec<_> = self.files()?.iter().map(|path| self.seal_of(path)).collect();
        for seal in list(&self.seals)? {
            if !entries.contains(&seal) {
                remove(&seal)?;
            }
        }
        Ok(())
    }

    /// Seals the entries that have no seal.
    ///
    /// # Errors
    /// When one cannot be read or its seal not be written.
    pub(super) fn seal_new(&self) -> io::Result<()> {
        for entry in self.files()?.iter().filter(|path| is_entry(path)) {
            let seal = self.seal_of(entry);
            if !seal.exists() {
                match checksum(entry) {
                    Ok(sum) => write(&seal, &sum)?,
                    // Another process has removed it.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    fn check(&self, entry: &Path) -> io::Result<()> {
        let seal = self.seal_of(entry);
        match fs::read(&seal) {
            Ok(sealed) if checksum(entry).is_ok_and(|sum| sum == sealed) => return Ok(()),
            Ok(_) => tracing::warn!("compiled code was damaged and is removed: {}", entry.display()),
            // Another process is about to seal it, or was killed before it could.
            Err(_) => tracing::debug!("compiled code without a seal is removed: {}", entry.display()),
        }
        remove(entry)?;
        remove(&seal)
    }

    fn seal_of(&self, entry: &Path) -> PathBuf {
        self.seals.join(entry.file_name().unwrap_or_default())
    }

    /// The files of all versions of wasmtime that wrote here.
    fn files(&self) -> io::Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for version in list(&self.code.join("modules"))? {
            files.extend(list(&version)?);
        }
        Ok(files)
    }
}

/// Whether a file is an entry, not a note about one (`.stats`) or a file that is being written (`.wip-…`).
fn is_entry(path: &Path) -> bool {
    path.extension().is_none()
}

/// Whether a file should have been renamed long ago. As long as it is there, its entry cannot be written.
fn is_abandoned(path: &Path) -> bool {
    let is_unfinished = path.extension().is_some_and(|extension| extension.to_string_lossy().starts_with("wip-"));
    let age = || fs::metadata(path).ok()?.modified().ok()?.elapsed().ok();
    is_unfinished && age().is_some_and(|age| age > ABANDONED)
}

/// XXH64 of a file's content, as it is written into a seal.
fn checksum(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let (mut hash, mut buffer) = (Xxh64::new(0), vec![0; 64 << 10]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(format!("{:016x}", hash.digest()).into_bytes()),
            length => hash.update(&buffer[..length]),
        }
    }
}

/// Writes a file whole or not at all. What a killed process leaves is removed as a seal without entry.
fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let unfinished = path.with_extension(std::process::id().to_string());
    File::create(&unfinished)?.write_all(content)?;
    fs::rename(&unfinished, path)
}

/// What is in a folder; nothing if there is none.
fn list(folder: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect(),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Removes a file that another process may have removed already.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

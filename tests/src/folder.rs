//! A temporary folder for the files of one test: configuration, components, logs.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A folder that goes when it is dropped.
pub struct Folder(TempDir);

impl Folder {
    /// An empty folder.
    #[must_use]
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Self(tempfile::Builder::new().prefix("trimtab-").tempdir().expect("a temporary folder"))
    }

    /// The folder itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.0.path()
    }

    /// Where a file of this name is or would be.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    /// Writes a file and answers where it is.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
        path
    }

    /// The text of a file, empty where there is none.
    #[must_use]
    pub fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }
}

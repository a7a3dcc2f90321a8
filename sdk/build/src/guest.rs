//! The guests of the workspace: the built-ins in `plugins/` and the Rust examples in `examples/`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// Where a guest's component belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `plugins/NAME`: to `plugins/dist/NAME.wasm`, committed with a digest.
    BuiltIn,
    /// `examples/rust-NAME`: into its own folder, not committed.
    Example,
}

/// A crate that becomes a component. The folder is named as the package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guest {
    /// Name of the package, the folder and the component.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Its folder.
    pub folder: PathBuf,
}

impl Guest {
    /// Where its component belongs.
    pub fn component(&self, root: &Path) -> PathBuf {
        match self.kind {
            Kind::BuiltIn => root.join("plugins/dist").join(format!("{}.wasm", self.name)),
            Kind::Example => self.folder.join(format!("{}.wasm", self.name)),
        }
    }

    /// File name of its core module, as the compiler writes it.
    pub fn module(&self) -> String {
        format!("{}.wasm", self.name.replace('-', "_"))
    }
}

/// The root of the workspace that holds this folder: the nearest one above with a `wit/types.wit`.
///
/// # Errors
///
/// When there is none.
pub fn root(start: &Path) -> Result<PathBuf> {
    let found = start.ancestors().find(|folder| folder.join("wit/types.wit").is_file());
    found.map(Path::to_path_buf).context("not within the workspace: no folder above has a wit/types.wit")
}

/// All guests, built-ins first, by name.
///
/// # Errors
///
/// When a folder cannot be read.
pub fn all(root: &Path) -> Result<Vec<Guest>> {
    let mut guests = crates(&root.join("plugins"), Kind::BuiltIn, "")?;
    guests.extend(crates(&root.join("examples"), Kind::Example, "rust-")?);
    Ok(guests)
}

/// The guests of these names; without names: all.
///
/// # Errors
///
/// When there is no guest of a name.
pub fn named(root: &Path, names: &[String]) -> Result<Vec<Guest>> {
    let all = all(root)?;
    if names.is_empty() {
        return Ok(all);
    }
    let find = |name: &String| match all.iter().find(|guest| guest.name == *name) {
        Some(guest) => Ok(guest.clone()),
        None => {
            let known: Vec<_> = all.iter().map(|guest| guest.name.as_str()).collect();
            bail!("no guest is named `{name}`; there are: {}", known.join(", "))
        }
    };
    names.iter().map(find).collect()
}

fn crates(folder: &Path, kind: Kind, prefix: &str) -> Result<Vec<Guest>> {
    let mut guests = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(prefix) && entry.path().join("Cargo.toml").is_file() {
            guests.push(Guest { name, kind, folder: entry.path() });
        }
    }
    guests.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(guests)
}

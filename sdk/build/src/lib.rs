//! How a guest becomes a component: what `cargo plugins` does, and the one place that knows wasm
//! targets and toolchains.
//!
//! [`guest`] finds the crates, [`toolchain`] finds what compiles them, [`component`] turns a core
//! module into a component, [`digest`] tells whether a committed component is still that of its
//! sources. Only guests in Rust; nothing here runs a component.

pub mod component;
pub mod digest;
pub mod guest;
pub mod language;
pub mod project;
pub mod role;
pub mod tool;
pub mod toolchain;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

pub use guest::{Guest, Kind};
pub use language::Language;
pub use project::Project;
pub use role::Role;
pub use toolchain::Toolchain;

/// A component that was built.
#[derive(Debug)]
pub struct Built {
    /// Where it was written.
    pub path: PathBuf,
    /// Its size in bytes.
    pub size: usize,
    /// The interfaces that it imports, without those of types alone.
    pub imports: Vec<String>,
    /// The interfaces that it exports.
    pub exports: Vec<String>,
}

/// Builds a guest and writes the component, with its digest where it is a built-in in its own place.
/// With `out` it goes to that folder instead, without a digest.
///
/// # Errors
///
/// When it does not compile, or the compiled module is no component of one of our worlds.
pub fn build(root: &Path, guest: &Guest, toolchain: &Toolchain, out: Option<&Path>) -> Result<Built> {
    let module = toolchain.compile(root, guest)?;
    let bytes = fs::read(&module).with_context(|| format!("cannot read {}", module.display()))?;
    let component = component::wrap(&bytes).with_context(|| format!("`{}` is no component", guest.name))?;
    let (imports, exports) = component::interfaces(&component)?;
    let path = match out {
        Some(folder) => folder.join(format!("{}.wasm", guest.name)),
        None => guest.component(root),
    };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    fs::write(&path, &component).with_context(|| format!("cannot write {}", path.display()))?;
    if out.is_none() && guest.kind == Kind::BuiltIn {
        digest::record(root, guest)?;
    }
    Ok(Built { path, size: component.len(), imports, exports })
}

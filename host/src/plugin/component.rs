//! From bytes to code that can be instantiated, or one clear reason why not.
//!
//! Compiles, so it runs on builder threads. What the code is called and how much it may use comes later.

use std::io;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use wasmtime::Engine;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker};

use super::definition::Compiled;
use super::instance::BuildReason;
use super::sandbox::Sandbox;
use super::{v0_1, wasi};
use crate::decide::Fault;

/// A component could not be loaded.
#[derive(Debug, thiserror::Error)]
#[error("plugin `{plugin}` ({source_name}): {reason}")]
pub struct LoadError {
    /// The plugin's name.
    pub plugin: Arc<str>,
    /// The file, or what stands for it.
    pub source_name: String,
    /// What went wrong.
    pub reason: LoadReason,
}

/// Why a component could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadReason {
    /// The plugin has no `component` and is no built-in.
    #[error("there is no built-in of this name")]
    NoBuiltIn,
    /// The file could not be read.
    #[error("cannot be read: {0}")]
    Read(io::Error),
    /// Larger than `max_component_size`.
    #[error("is larger than max_component_size ({max} bytes)")]
    TooLarge {
        /// The limit in bytes.
        max: usize,
    },
    /// Nothing like WebAssembly.
    #[error("is no WebAssembly component")]
    NotWasm,
    /// A core module.
    #[error(
        "is a core WebAssembly module, not a component (`cargo plugins` or `wasm-tools component new` makes one of it)"
    )]
    CoreModule,
    /// WebAssembly's text format.
    #[error("is WebAssembly text, not a binary component")]
    Text,
    /// The engine does not accept it.
    #[error("does not compile: {0}")]
    Compile(String),
    /// It imports what is not offered.
    #[error("imports {imports}, which this host does not offer (it offers {offered})")]
    Import {
        /// Names of the imports.
        imports: String,
        /// Names of what there is.
        offered: String,
    },
    /// An offered import is used in a way that is not offered.
    #[error("does not fit this host: {0}")]
    Mismatch(String),
    /// It exports no decision.
    #[error("exports none of {wanted}; it exports {exports}")]
    NoDecision {
        /// What makes a component a plugin.
        wanted: String,
        /// What it exports instead.
        exports: String,
    },
    /// It exports a decision of another version.
    #[error("exports `{found}`, but this host speaks {wanted}")]
    OtherVersion {
        /// The export.
        found: String,
        /// What is spoken.
        wanted: String,
    },
    /// Its exports are not of the WIT's types.
    #[error("{0}")]
    Exports(String),
    /// The first instance of it trapped, looped or took too much memory.
    #[error("cannot be started: {0}")]
    Start(Fault),
    /// As many instances exist as may.
    #[error("no room for an instance to try it: {0}")]
    Full(String),
    /// The builder threads are gone, or the job panicked.
    #[error("the builder gave no answer")]
    NoAnswer,
}

/// Why the first instance of a component could not be had.
impl From<BuildReason> for LoadReason {
    fn from(reason: BuildReason) -> Self {
        match reason {
            BuildReason::Fault(fault) => Self::Start(fault),
            BuildReason::Full(what) => Self::Full(what),
            other => Self::Exports(other.to_string()),
        }
    }
}

/// SHA-256 of a component.
pub(super) fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Compiles and links; `digest` is that of `bytes`. Takes from milliseconds to many seconds.
pub(super) fn compile(
    engine: &Engine,
    linker: &Linker<Sandbox>,
    bytes: &[u8],
    digest: [u8; 32],
) -> Result<Compiled, LoadReason> {
    admit(linker, &parse(engine, bytes)?, bytes, digest)
}

/// Compiles, whatever it may import and export. This is what takes long.
pub(super) fn parse(engine: &Engine, bytes: &[u8]) -> Result<Component, LoadReason> {
    match bytes {
        [b'\0', b'a', b's', b'm', _, _, 1, 0, ..] => {}
        [b'\0', b'a', b's', b'm', _, _, 0, 0, ..] => return Err(LoadReason::CoreModule),
        bytes if bytes.trim_ascii_start().starts_with(b"(") => return Err(LoadReason::Text),
        _ => return Err(LoadReason::NotWasm),
    }
    Component::from_binary(engine, bytes).map_err(|error| LoadReason::Compile(format!("{error:#}")))
}

/// Checks what a component of these bytes, whose digest this is, imports and exports, and links it.
pub(super) fn admit(
    linker: &Linker<Sandbox>,
    component: &Component,
    bytes: &[u8],
    digest: [u8; 32],
) -> Result<Compiled, LoadReason> {
    let engine = linker.engine();
    check_imports(engine, component)?;
    let roles = roles(engine, component)?;
    let uses_table = component.component_type().imports(engine).any(|(name, _)| v0_1::is_table(name));
    let mismatch = |error: wasmtime::Error| LoadReason::Mismatch(format!("{error:#}"));
    let linker = wasi::link(linker, component).map_err(mismatch)?;
    let pre = linker.instantiate_pre(component).map_err(mismatch)?;
    Ok(Compiled { digest, size: bytes.len(), roles, uses_table, pre })
}

/// The imports of a component, and whether each is offered.
pub(super) fn imports(engine: &Engine, component: &Component) -> Vec<(String, bool)> {
    // An interface of types only asks for nothing.
    let wants = |item: &ComponentItem| match item {
        ComponentItem::ComponentInstance(instance) => {
            instance.exports(engine).any(|(_, export)| !matches!(export.ty, ComponentItem::Type(_)))
        }
        ComponentItem::Type(_) => false,
        _ => true,
    };
    let offers = |name: &str| v0_1::offers(name) || wasi::offers(name);
    let ty = component.component_type();
    ty.imports(engine).map(|(name, import)| (name.to_owned(), offers(name) || !wants(&import.ty))).collect()
}

fn check_imports(engine: &Engine, component: &Component) -> Result<(), LoadReason> {
    let imports = imports(engine, component);
    let mut unknown = imports.iter().filter(|(_, offered)| !offered).map(|(name, _)| &**name).peekable();
    if unknown.peek().is_none() {
        return Ok(());
    }
    let offered = format!("{}, {}", v0_1::offered(), wasi::offered());
    Err(LoadReason::Import { imports: list(unknown), offered })
}

/// The roles that a component can play: at least one.
fn roles(engine: &Engine, component: &Component) -> Result<Vec<&'static str>, LoadReason> {
    let exports = |interface: &str| component.get_export_index(None, interface).is_some();
    let roles: Vec<_> =
        v0_1::DECISIONS.iter().filter(|(_, interface)| exports(interface)).map(|(role, _)| *role).collect();
    if !roles.is_empty() {
        return Ok(roles);
    }
    let ty = component.component_type();
    let wanted = list(v0_1::DECISIONS.iter().map(|(_, interface)| *interface));
    let mut names = ty.exports(engine).map(|(name, _)| name);
    if let Some(found) = names.find(|name| name.starts_with(v0_1::PACKAGE)) {
        return Err(LoadReason::OtherVersion { found: found.to_owned(), wanted });
    }
    let exports = list(ty.exports(engine).map(|(name, _)| name));
    Err(LoadReason::NoDecision { wanted, exports: if exports.is_empty() { "nothing".to_owned() } else { exports } })
}

/// Names for an error: a component may have any number of them, of any length.
fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let quoted: Vec<_> = names.map(|name| format!("`{name}`")).collect();
    super::fault::one_line(&quoted.join(", "), 1024)
}

#[cfg(test)]
mod tests;

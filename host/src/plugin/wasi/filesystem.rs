//! `wasi:filesystem`: there is none. No folder is open, so that there is no way to any file.

use wasmtime::component::{LinkerInstance, Resource, ResourceType};

use super::Guest;
use crate::plugin::sandbox::Sandbox;

/// An open file or folder, of which there is none.
enum Descriptor {}

/// The functions of files are closed; the resource is shared with `preopens`.
pub(super) fn types(types: &mut LinkerInstance<'_, Sandbox>) -> wasmtime::Result<()> {
    types.resource("descriptor", ResourceType::host::<Descriptor>(), |_, _| Ok(()))
}

pub(super) fn preopens(preopens: &mut LinkerInstance<'_, Sandbox>) -> wasmtime::Result<()> {
    preopens.func_wrap("get-directories", |_: Guest<'_>, ()| Ok((Vec::<(Resource<Descriptor>, String)>::new(),)))
}

//! A core module with its embedded description becomes a component.

use std::path::Path;

use anyhow::{Context, Result, bail};
use wit_component::{ComponentEncoder, DecodedWasm, StringEncoding};
use wit_parser::Resolve;

/// Wraps the module and validates the outcome.
///
/// # Errors
///
/// When the module carries no description of a world, or does not fit it.
pub fn wrap(module: &[u8]) -> Result<Vec<u8>> {
    ComponentEncoder::default().validate(true).module(module)?.encode()
}

/// The same for a module that was compiled for WASI preview 1 and carries no description: it is of this world of the WIT
/// in a folder, and `adapter`, a module too, has what it imports of `wasi_snapshot_preview1`.
///
/// # Errors
///
/// When there is no such world, the module does not fit it, or it imports more than the adapter has.
pub fn describe_and_wrap(mut module: Vec<u8>, wit: &Path, world: &str, adapter: &[u8]) -> Result<Vec<u8>> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(wit)?;
    let world = resolve.select_world(&[package], Some(world))?;
    wit_component::embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false)?;
    let mut encoder = ComponentEncoder::default();
    encoder.validate(true).module(&module)?.adapter("wasi_snapshot_preview1", adapter)?.encode()
}

/// The interfaces that a component imports and exports, as `trimtab:plugin/load@0.1.0`.
///
/// # Errors
///
/// When the bytes are no component.
pub fn interfaces(component: &[u8]) -> Result<(Vec<String>, Vec<String>)> {
    let DecodedWasm::Component(resolve, world) = wit_component::decode(component).context("no component")? else {
        bail!("a package of interfaces, no component");
    };
    let world = &resolve.worlds[world];
    let names = |items: &mut dyn Iterator<Item = &wit_parser::WorldKey>| {
        items.map(|key| resolve.name_world_key(key)).collect::<Vec<_>>()
    };
    Ok((names(&mut world.imports.keys()), names(&mut world.exports.keys())))
}

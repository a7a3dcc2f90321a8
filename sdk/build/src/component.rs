//! A core module with its embedded description becomes a component.

use anyhow::{Context, Result, bail};
use wit_component::{ComponentEncoder, DecodedWasm};

/// Wraps the module and validates the outcome.
///
/// # Errors
///
/// When the module carries no description of a world, or does not fit it.
pub fn wrap(module: &[u8]) -> Result<Vec<u8>> {
    ComponentEncoder::default().validate(true).module(module)?.encode()
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

//! A core module with its embedded description becomes a component.

use std::path::Path;

use anyhow::{Context, Result, bail};
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wit_component::{ComponentEncoder, DecodedWasm, StringEncoding};
use wit_parser::Resolve;

/// Wraps the module and validates the outcome. What it imports of `wasi_snapshot_preview1`, the component imports of WASI 0.2: where
/// a C library prints, the host hears it.
///
/// # Errors
///
/// When the module carries no description of a world, or does not fit it.
pub fn wrap(module: &[u8]) -> Result<Vec<u8>> {
    let (name, adapter) = (PREVIEW1, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER);
    ComponentEncoder::default().validate(true).module(module)?.adapter(name, adapter)?.encode()
}

const PREVIEW1: &str = WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME;

/// The module without what debuggers want, and with the names of its functions, which backtraces want.
///
/// # Errors
///
/// When it is no module.
pub fn stripped(module: &[u8]) -> Result<Vec<u8>> {
    let mut kept = wasm_encoder::Module::new();
    for payload in wasmparser::Parser::new(0).parse_all(module) {
        let payload = payload.context("no module")?;
        if matches!(&payload, wasmparser::Payload::CustomSection(section) if section.name().starts_with(".debug")) {
            continue;
        }
        if let Some((id, range)) = payload.as_section() {
            // It was in memory, so its positions fit.
            let data = &module[range.start as usize..range.end as usize];
            kept.section(&wasm_encoder::RawSection { id, data });
        }
    }
    Ok(kept.finish())
}

/// As [`wrap`], for a module that was compiled for WASI preview 1 and carries no description: it is of this world of the WIT
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
    encoder.validate(true).module(&module)?.adapter(PREVIEW1, adapter)?.encode()
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

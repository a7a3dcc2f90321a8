//! What a component imports of WASI and nobody answers: it is there, so that the component starts, and a call traps.
//!
//! Types are taken from the component itself, so that this knows none of the files and sockets that it does not have.

use wasmtime::component::types::{ComponentInstance, ComponentItem};
use wasmtime::component::{LinkerInstance, ResourceType};
use wasmtime::{Engine, Error};

use super::Guest;
use crate::plugin::sandbox::Sandbox;

/// A resource of which there is none.
enum Nothing {}

/// Defines everything in `wanted`, the import `interface` of a component. `resources` are the resources that its
/// imports have named so far: one that comes again is another name for the same, and needs no definition.
pub(super) fn close(
    offered: &mut LinkerInstance<'_, Sandbox>,
    engine: &Engine,
    interface: &str,
    wanted: &ComponentInstance,
    resources: &mut Vec<ResourceType>,
) -> wasmtime::Result<()> {
    for (name, export) in wanted.exports(engine) {
        match export.ty {
            ComponentItem::ComponentFunc(_) => {
                let message = format!("called `{interface}` `{name}`, which a plugin may not");
                offered.func_new(name, move |_: Guest<'_>, _, _, _| Err(Error::msg(message.clone())))?;
            }
            ComponentItem::Resource(resource) if !resources.contains(&resource) => {
                resources.push(resource);
                offered.resource(name, ResourceType::host::<Nothing>(), |_, _| Ok(()))?;
            }
            // Types need no definition, and what is left the linker will miss.
            _ => {}
        }
    }
    Ok(())
}

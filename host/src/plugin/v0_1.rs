//! The adapter for `trimtab:plugin@0.1`: the only place that knows the shapes of that version's WIT.
//!
//! [`exports`] calls what plugins export, the other modules offer what they import, with types written out by hand
//! in [`types`], which wasmtime compares with each component's own. Generated bindings would copy every string of a
//! table into owned ones, and the imports' parameters too. Everything about sandboxes is elsewhere.

mod exports;
mod load;
mod log;
mod pools;
mod request;
mod response;
mod table;
mod types;

use wasmtime::Engine;
use wasmtime::component::Linker;

use super::sandbox::Sandbox;

pub(super) use self::exports::{
    AffinityExports, BalancerExports, ExportError, HandoffExports, ObserverExports, RouterExports, ShaperExports,
    TableExports,
};
pub(super) use self::types::Plan;

/// The exports that make a component a plugin, each under the name of the role that it gives.
pub(super) const DECISIONS: [(&str, &str); 4] = [
    ("balancer", exports::BALANCER),
    ("affinity", exports::AFFINITY),
    ("router", exports::ROUTER),
    ("shaper", exports::SHAPER),
];
/// The export of those that hand state to the next generation.
pub(super) const HANDOFF: &str = exports::HANDOFF;
/// What an export of any version of the contract begins with.
pub(super) const PACKAGE: &str = "trimtab:plugin/";
/// The imports that are offered. Components may ask for any later 0.1.
const OFFERED: [&str; 6] = [
    "trimtab:plugin/request@0.1.",
    "trimtab:plugin/response@0.1.",
    "trimtab:plugin/load@0.1.",
    "trimtab:plugin/pools@0.1.",
    "trimtab:plugin/table@0.1.",
    "trimtab:plugin/log@0.1.",
];

/// Whether the import of this name is offered to plugins.
pub(super) fn offers(import: &str) -> bool {
    OFFERED.iter().any(|offered| import.starts_with(offered))
}

/// Whether the import of this name is the shared table.
pub(super) fn is_table(import: &str) -> bool {
    import.starts_with("trimtab:plugin/table@0.1.")
}

/// The names of [`OFFERED`] as people write them.
pub(super) fn offered() -> String {
    OFFERED.map(|name| name.trim_end_matches(".").trim_end_matches("@0.1")).join(", ")
}

/// The imports of a plugin. All are offered to all roles; what has no meaning in one traps or is empty, as the WIT says.
///
/// # Errors
/// When the engine is out of memory.
pub(super) fn linker(engine: &Engine) -> wasmtime::Result<Linker<Sandbox>> {
    let mut linker = Linker::new(engine);
    request::offer(&mut linker.instance("trimtab:plugin/request@0.1.0")?)?;
    response::offer(&mut linker.instance("trimtab:plugin/response@0.1.0")?)?;
    load::offer(&mut linker.instance("trimtab:plugin/load@0.1.0")?)?;
    pools::offer(&mut linker.instance("trimtab:plugin/pools@0.1.0")?)?;
    table::offer(&mut linker.instance("trimtab:plugin/table@0.1.0")?)?;
    log::offer(&mut linker.instance("trimtab:plugin/log@0.1.0")?)?;
    Ok(linker)
}

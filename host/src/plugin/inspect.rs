//! What can be said of a file that may be a plugin: what it is, what it wants, and whether this host would admit it.
//!
//! It is compiled, linked and tried as any plugin, and configured with empty settings, but steers nothing.

use std::sync::Arc;

use wasmtime::Engine;
use wasmtime::component::{Component, Linker};

use super::component::{self, LoadReason};
use super::definition::{Compiled, Definition, Source};
use super::fault::one_line;
use super::guarded::Guarded;
use super::instance::{BuildReason, accepted};
use super::sandbox::Sandbox;
use super::v0_1::{self, AffinityExports, BalancerExports, RouterExports, ShaperExports};
use crate::config::PluginLimits;

/// Names that are listed of each kind; a file may have any number.
const MOST_NAMES: usize = 256;
/// Bytes of a name that are shown, about.
const NAME: usize = 256;

/// What is known of a file.
#[derive(Debug)]
pub struct Inspection {
    /// Size in bytes.
    pub size: usize,
    /// SHA-256.
    pub digest: [u8; 32],
    /// What it imports and exports; none: it is no component that compiles.
    pub shape: Option<Shape>,
    /// What it asked for when it was tried; none: it was not admitted.
    pub trial: Option<Trial>,
    /// Why this host does not admit it; none: it does.
    pub refused: Option<LoadReason>,
}

/// What a component shows from outside.
#[derive(Debug)]
pub struct Shape {
    /// Names of the imports, and whether this host offers each.
    pub imports: Vec<(String, bool)>,
    /// Names of the exports.
    pub exports: Vec<String>,
    /// The versions of `trimtab:plugin` that it was built for.
    pub versions: Vec<String>,
    /// Memories of an instance and the size of its largest at the start, in pages of 64 KiB; none: not known.
    pub memories: Option<(u32, u64)>,
}

/// What an instance did with empty settings.
#[derive(Debug)]
pub struct Trial {
    /// Memory when it had started, in bytes, over all its memories.
    pub memory: usize,
    /// The limit that it had, in bytes.
    pub memory_limit: usize,
    /// For each role that it can play: what `configure` answered.
    pub roles: Vec<(&'static str, Answer)>,
}

/// What `configure` answered to empty settings.
#[derive(Debug)]
pub enum Answer {
    /// A plan.
    Plan {
        /// Key sources of its decisions.
        keys: Vec<String>,
        /// Whether it wants outcomes.
        observe: bool,
        /// How often it wants a tick, in milliseconds; 0: never.
        tick_ms: u32,
    },
    /// It is content, and this role has no plan.
    Accepted,
    /// It is not, which may well be: settings may be needed. In its words, or those of its fault.
    Refused(String),
}

/// Looks at `bytes`. Compiles and runs guest code, so it is for builder threads.
pub(super) fn inspect(linker: &Linker<Sandbox>, max_size: usize, bytes: &[u8], limits: PluginLimits) -> Inspection {
    let (size, digest) = (bytes.len(), component::digest(bytes));
    let mut inspection = Inspection { size, digest, shape: None, trial: None, refused: None };
    inspection.refused = look(linker, max_size, bytes, limits, &mut inspection).err();
    inspection
}

fn look(
    linker: &Linker<Sandbox>,
    max_size: usize,
    bytes: &[u8],
    limits: PluginLimits,
    seen: &mut Inspection,
) -> Result<(), LoadReason> {
    if bytes.len() > max_size {
        return Err(LoadReason::TooLarge { max: max_size });
    }
    let component = component::parse(linker.engine(), bytes)?;
    seen.shape = Some(shape(linker.engine(), &component));
    let compiled = component::admit(linker, &component, bytes, component::digest(bytes))?;
    let definition = trial_definition(compiled, limits);
    definition.try_out()?;
    seen.trial = Some(trial(&definition)?);
    Ok(())
}

fn shape(engine: &Engine, component: &Component) -> Shape {
    let short = |name: &str| one_line(name, NAME);
    let imports = component::imports(engine, component);
    let exports: Vec<_> = component.component_type().exports(engine).map(|(name, _)| name.to_owned()).collect();
    let names = exports.iter().chain(imports.iter().map(|(name, _)| name));
    let mut versions: Vec<_> = names
        .filter(|name| name.starts_with(v0_1::PACKAGE))
        .filter_map(|name| Some(short(name.split_once('@')?.1)))
        .collect();
    versions.sort();
    versions.dedup();
    let memories = component.resources_required();
    Shape {
        imports: imports.iter().take(MOST_NAMES).map(|(name, offered)| (short(name), *offered)).collect(),
        exports: exports.iter().take(MOST_NAMES).map(|name| short(name)).collect(),
        versions,
        memories: memories.map(|needs| (needs.num_memories, needs.max_initial_memory_size.unwrap_or(0))),
    }
}

fn trial_definition(compiled: Compiled, limits: PluginLimits) -> Arc<Definition> {
    Arc::new(Definition::new("inspected".into(), Source::Bytes(Arc::new([])), Arc::new(compiled), limits, 0))
}

/// Configures it in each of its roles, each time in a fresh instance.
fn trial(definition: &Arc<Definition>) -> Result<Trial, LoadReason> {
    let (mut memory, mut roles) = (0, Vec::new());
    for role in definition.roles() {
        let (mut guest, instance) = Guarded::instantiate(&definition.trial_seat()).map_err(LoadReason::from)?;
        memory = guest.sandbox().memory.used();
        let answer = configure(role, definition, &mut guest, &instance);
        roles.push((*role, answer.unwrap_or_else(|reason| Answer::Refused(reason.to_string()))));
    }
    Ok(Trial { memory, memory_limit: definition.limits().memory, roles })
}

fn configure(
    role: &str,
    definition: &Arc<Definition>,
    guest: &mut Guarded,
    instance: &wasmtime::component::Instance,
) -> Result<Answer, BuildReason> {
    let seat = definition.trial_seat();
    let plan = match role {
        "balancer" => {
            let (_, table) = BalancerExports::find(guest.store(), instance)?;
            accepted(guest.go_on(|store| table.configure(store, &seat)))?
        }
        "affinity" => {
            let (_, table) = AffinityExports::find(guest.store(), instance)?;
            accepted(guest.go_on(|store| table.configure(store, &seat)))?
        }
        "router" => {
            let router = RouterExports::find(guest.store(), instance)?;
            accepted(guest.go_on(|store| router.configure(store, &seat)))?
        }
        _ => {
            let shaper = ShaperExports::find(guest.store(), instance)?;
            accepted(guest.go_on(|store| shaper.configure(store, &seat)))?;
            return Ok(Answer::Accepted);
        }
    };
    let keys = plan.keys.iter().take(MOST_NAMES).map(|key| one_line(key, NAME)).collect();
    Ok(Answer::Plan { keys, observe: plan.observe, tick_ms: plan.tick_ms })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::fixtures::Guest;
    use crate::plugin::{Registry, RegistryOptions};

    fn inspected(bytes: &[u8]) -> Inspection {
        let options = RegistryOptions { max_instances: 2, max_component_size: 64 << 10, ..RegistryOptions::default() };
        Registry::new(options).unwrap().inspect_blocking(bytes.into(), PluginLimits::default()).unwrap()
    }

    #[test]
    fn a_plugin_is_described() {
        let head = r#"(import "wasi:cli/exit@0.2.6" "exit" (func (param i32)))"#;
        let seen = inspected(&Guest { head, ..Guest::PASS }.component());
        assert!(seen.refused.is_none(), "{seen:?}");
        let (shape, trial) = (seen.shape.unwrap(), seen.trial.unwrap());
        assert_eq!(shape.versions, ["0.1.0"]);
        assert!(shape.imports.contains(&("wasi:cli/exit@0.2.6".to_owned(), true)), "{shape:?}");
        assert!(shape.exports.contains(&"trimtab:plugin/balancer@0.1.0".to_owned()), "{shape:?}");
        assert_eq!((shape.memories, trial.memory), (Some((1, 2)), 2 << 16));
        let [("balancer", Answer::Plan { keys, observe: false, tick_ms: 0 })] = &trial.roles[..] else {
            panic!("{trial:?}")
        };
        assert!(keys.is_empty());
    }

    #[test]
    fn a_configure_that_fails_does_not_hide_the_rest() {
        let seen = inspected(&Guest { configure: "(unreachable)", ..Guest::PASS }.component());
        assert!(seen.refused.is_none());
        let trial = seen.trial.unwrap();
        assert!(matches!(&trial.roles[..], [("balancer", Answer::Refused(why))] if why.contains("unreachable")));
    }

    #[test]
    fn what_is_not_admitted_is_described_as_far_as_it_goes() {
        let text = |text: &str| wat::parse_str(text).unwrap();
        let module = inspected(&text("(module)"));
        assert!(matches!(module.refused, Some(LoadReason::CoreModule)) && module.shape.is_none());
        let disk = inspected(&text(r#"(component (import "a:disk/read@1.0.0" (instance (export "read" (func)))))"#));
        assert!(matches!(disk.refused, Some(LoadReason::Import { .. })) && disk.trial.is_none());
        assert_eq!(disk.shape.unwrap().imports, [("a:disk/read@1.0.0".to_owned(), false)]);
        let old = text(r#"(component (instance $i) (export "trimtab:plugin/balancer@0.0.9" (instance $i)))"#);
        let old = inspected(&old);
        assert!(matches!(old.refused, Some(LoadReason::OtherVersion { .. })));
        assert_eq!(old.shape.unwrap().versions, ["0.0.9"]);
        assert!(matches!(inspected(&vec![0; 100 << 10]).refused, Some(LoadReason::TooLarge { .. })));
    }
}

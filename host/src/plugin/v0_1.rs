//! The adapter for `trimtab:plugin@0.1`: the only place that knows the shapes of that version's WIT.
//!
//! The exports are called and the imports offered with types written out by hand in [`types`], which wasmtime
//! compares with each component's own. Generated bindings would copy every string of a table into owned
//! ones, and the imports' parameters too. Everything about sandboxes is elsewhere.

mod load;
mod log;
mod request;
mod types;

use wasmtime::component::{ComponentNamedList, Func, Instance, Lift, Linker, Lower, TypedFunc};
use wasmtime::{Engine, Store};

use self::types::{Backend, InstanceId, Plan};
use super::sandbox::Sandbox;
use crate::decide;

pub(super) use self::types::{Moment, Verdict};

/// The export that makes a component a balancer.
pub(super) const BALANCER: &str = "trimtab:plugin/balancer@0.1.0";
/// What every version of [`BALANCER`] begins with.
pub(super) const BALANCER_OF_ANY_VERSION: &str = "trimtab:plugin/balancer@";
/// The imports that are offered. Components may ask for any later 0.1.
const OFFERED: [&str; 3] = ["trimtab:plugin/request@0.1.", "trimtab:plugin/load@0.1.", "trimtab:plugin/log@0.1."];

/// Whether the import of this name is offered to balancers.
pub(super) fn offers(import: &str) -> bool {
    OFFERED.iter().any(|offered| import.starts_with(offered))
}

/// The names of [`OFFERED`] as people write them.
pub(super) fn offered() -> String {
    OFFERED.map(|name| name.trim_end_matches(".").trim_end_matches("@0.1")).join(", ")
}

/// The imports of a balancer.
///
/// # Errors
/// When the engine is out of memory.
pub(super) fn linker(engine: &Engine) -> wasmtime::Result<Linker<Sandbox>> {
    let mut linker = Linker::new(engine);
    request::offer(&mut linker.instance("trimtab:plugin/request@0.1.0")?)?;
    load::offer(&mut linker.instance("trimtab:plugin/load@0.1.0")?)?;
    log::offer(&mut linker.instance("trimtab:plugin/log@0.1.0")?)?;
    Ok(linker)
}

/// The exports of a balancer's instance.
pub(super) struct Exports {
    configure: Func,
    update: Func,
    adjust: Func,
    /// On the path of every request, so its types were checked once and for all.
    pub(super) pick: TypedFunc<(Moment,), (Verdict,)>,
}

/// What is wrong with a component's exports.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExportError {
    #[error("does not export `{BALANCER}`")]
    Missing,
    #[error("`{BALANCER}` has no function `{0}`")]
    Function(&'static str),
    #[error("`{0}` of `{BALANCER}` is of another type: {1}")]
    Type(&'static str, String),
}

type Configure<'a> = (&'a str, InstanceId<'a>);
type Configured = (Result<Plan, String>,);
type Update<'a> = (&'a [Backend<'a>],);
type Adjust<'a> = (&'a [u32], &'a [types::Readiness]);

impl Exports {
    /// Finds and checks them.
    pub(super) fn find(store: &mut Store<Sandbox>, instance: &Instance) -> Result<Self, ExportError> {
        let balancer = instance.get_export_index(&mut *store, None, BALANCER).ok_or(ExportError::Missing)?;
        let mut function = |name| {
            let index = instance.get_export_index(&mut *store, Some(&balancer), name);
            index.and_then(|index| instance.get_func(&mut *store, index)).ok_or(ExportError::Function(name))
        };
        let (configure, update) = (function("configure")?, function("update")?);
        let (adjust, pick) = (function("adjust")?, function("pick")?);
        typed::<Configure<'_>, Configured>(store, configure, "configure")?;
        typed::<Update<'_>, ()>(store, update, "update")?;
        typed::<Adjust<'_>, ()>(store, adjust, "adjust")?;
        Ok(Self { configure, update, adjust, pick: typed(store, pick, "pick")? })
    }

    /// Calls `configure`. The inner error is the plugin's own.
    pub(super) fn configure(
        &self,
        store: &mut Store<Sandbox>,
        settings: &str,
        (pool, worker, workers, generation): (&str, u32, u32, u64),
    ) -> wasmtime::Result<Result<Plan, String>> {
        let instance = InstanceId { pool, worker, workers, generation };
        let configure = self.configure.typed::<Configure<'_>, Configured>(&*store)?;
        Ok(configure.call(store, (settings, instance))?.0)
    }

    /// Calls `update`.
    pub(super) fn update(&self, store: &mut Store<Sandbox>, rows: &[decide::Row]) -> wasmtime::Result<()> {
        let backends: Vec<_> = rows.iter().map(Backend::from).collect();
        self.update.typed::<Update<'_>, ()>(&*store)?.call(store, (&backends,))
    }

    /// Calls `adjust`.
    pub(super) fn adjust(
        &self,
        store: &mut Store<Sandbox>,
        weights: &[u32],
        readiness: &[decide::Readiness],
    ) -> wasmtime::Result<()> {
        let readiness: Vec<_> = readiness.iter().map(|readiness| types::Readiness::from(*readiness)).collect();
        self.adjust.typed::<Adjust<'_>, ()>(&*store)?.call(store, (weights, &readiness))
    }
}

fn typed<P, R>(store: &Store<Sandbox>, func: Func, name: &'static str) -> Result<TypedFunc<P, R>, ExportError>
where
    P: ComponentNamedList + Lower,
    R: ComponentNamedList + Lift,
{
    func.typed(store).map_err(|error| ExportError::Type(name, format!("{error:#}")))
}

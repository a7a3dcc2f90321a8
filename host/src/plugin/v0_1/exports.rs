//! The exports of plugins: found and type-checked once, called by name from then on.

use wasmtime::component::{ComponentExportIndex, ComponentNamedList, Func, Instance, Lift, Lower, TypedFunc};
use wasmtime::{AsContextMut, Store};

use super::types::{self, Backend, Destination, InstanceId, Moment, Outcome, Plan, Verdict};
use crate::decide;
use crate::plugin::instance::Seat;
use crate::plugin::sandbox::Sandbox;

/// The interfaces.
pub(super) const BALANCER: &str = "trimtab:plugin/balancer@0.1.0";
pub(super) const AFFINITY: &str = "trimtab:plugin/affinity@0.1.0";
pub(super) const ROUTER: &str = "trimtab:plugin/router@0.1.0";
pub(super) const SHAPER: &str = "trimtab:plugin/shaper@0.1.0";
const OBSERVER: &str = "trimtab:plugin/observer@0.1.0";
pub(super) const HANDOFF: &str = "trimtab:plugin/handoff@0.1.0";

/// What is wrong with a component's exports.
#[derive(Debug, thiserror::Error)]
pub(in crate::plugin) enum ExportError {
    #[error("does not export `{0}`")]
    Missing(&'static str),
    #[error("`{0}` has no function `{1}`")]
    Function(&'static str, &'static str),
    #[error("`{1}` of `{0}` is of another type: {2}")]
    Type(&'static str, &'static str, String),
}

/// `configure`, `update` and `adjust`, which balancers and affinities have in common.
pub(in crate::plugin) struct TableExports {
    configure: Func,
    update: Func,
    adjust: Func,
}

/// The decision of a balancer. On the path of every request, so its types are checked once and for all.
pub(in crate::plugin) struct BalancerExports {
    pub(in crate::plugin) pick: TypedFunc<(Moment,), (Verdict,)>,
}

/// The decisions of an affinity.
pub(in crate::plugin) struct AffinityExports {
    pub(in crate::plugin) find: TypedFunc<(Moment,), (Verdict,)>,
    pub(in crate::plugin) bind: TypedFunc<Bind, (decide::Headers,)>,
}

/// A router.
pub(in crate::plugin) struct RouterExports {
    configure: Func,
    pub(in crate::plugin) route: TypedFunc<(Moment,), (Destination,)>,
}

/// A shaper.
pub(in crate::plugin) struct ShaperExports {
    configure: Func,
    shape: Func,
}

/// An observer.
pub(in crate::plugin) struct ObserverExports {
    observe: Func,
    pub(in crate::plugin) tick: TypedFunc<(u64,), ()>,
}

/// What hands state to the next generation, and takes it.
pub(in crate::plugin) struct HandoffExports {
    pub(in crate::plugin) save: TypedFunc<(), (Vec<u8>,)>,
    restore: Func,
}

type Configure<'a> = (&'a str, InstanceId<'a>);
type ConfigureRouter<'a> = (&'a str, InstanceId<'a>, &'a [&'a str]);
type Configured = (Result<Plan, String>,);
type ConfiguredShaper = (Result<(), String>,);
type Update<'a> = (&'a [Backend<'a>],);
type Adjust<'a> = (&'a [u32], &'a [types::Readiness]);
type Bind = (Moment, u32, Option<u32>);
type Shape = (Vec<u32>,);
type Restore<'a> = (&'a [u8],);
type Restored = (Result<(), String>,);

impl TableExports {
    fn find(exports: &mut Interface<'_>) -> Result<Self, ExportError> {
        let configure = exports.checked::<Configure<'_>, Configured>("configure")?;
        let update = exports.checked::<Update<'_>, ()>("update")?;
        let adjust = exports.checked::<Adjust<'_>, ()>("adjust")?;
        Ok(Self { configure, update, adjust })
    }

    /// Calls `configure`. The inner error is the plugin's own.
    pub(in crate::plugin) fn configure(
        &self,
        store: &mut Store<Sandbox>,
        seat: &Seat,
    ) -> wasmtime::Result<Result<Plan, String>> {
        let configure = self.configure.typed::<Configure<'_>, Configured>(&*store)?;
        Ok(configure.call(store, (&seat.settings, InstanceId::from(seat)))?.0)
    }

    /// Calls `update`.
    pub(in crate::plugin) fn update(&self, store: &mut Store<Sandbox>, rows: &[decide::Row]) -> wasmtime::Result<()> {
        let backends: Vec<_> = rows.iter().map(Backend::from).collect();
        self.update.typed::<Update<'_>, ()>(&*store)?.call(store, (&backends,))
    }

    /// Calls `adjust`.
    pub(in crate::plugin) fn adjust(&self, store: &mut Store<Sandbox>, rows: &[decide::Row]) -> wasmtime::Result<()> {
        let weights: Vec<_> = rows.iter().map(|row| row.weight).collect();
        let readiness: Vec<_> = rows.iter().map(|row| types::Readiness::from(row.readiness)).collect();
        self.adjust.typed::<Adjust<'_>, ()>(&*store)?.call(store, (&weights, &readiness))
    }
}

impl BalancerExports {
    /// Finds and checks them.
    pub(in crate::plugin) fn find(
        store: &mut Store<Sandbox>,
        instance: &Instance,
    ) -> Result<(Self, TableExports), ExportError> {
        let mut exports = Interface::find(store, instance, BALANCER)?;
        let table = TableExports::find(&mut exports)?;
        Ok((Self { pick: exports.typed("pick")? }, table))
    }
}

impl AffinityExports {
    /// Finds and checks them.
    pub(in crate::plugin) fn find(
        store: &mut Store<Sandbox>,
        instance: &Instance,
    ) -> Result<(Self, TableExports), ExportError> {
        let mut exports = Interface::find(store, instance, AFFINITY)?;
        let table = TableExports::find(&mut exports)?;
        Ok((Self { find: exports.typed("find")?, bind: exports.typed("bind")? }, table))
    }
}

impl RouterExports {
    /// Finds and checks them.
    pub(in crate::plugin) fn find(store: &mut Store<Sandbox>, instance: &Instance) -> Result<Self, ExportError> {
        let mut exports = Interface::find(store, instance, ROUTER)?;
        let configure = exports.checked::<ConfigureRouter<'_>, Configured>("configure")?;
        Ok(Self { configure, route: exports.typed("route")? })
    }

    /// Calls `configure`. The inner error is the plugin's own.
    pub(in crate::plugin) fn configure(
        &self,
        store: &mut Store<Sandbox>,
        seat: &Seat,
    ) -> wasmtime::Result<Result<Plan, String>> {
        let pools: Vec<&str> = seat.pools.iter().map(|(name, _)| &**name).collect();
        let configure = self.configure.typed::<ConfigureRouter<'_>, Configured>(&*store)?;
        Ok(configure.call(store, (&seat.settings, InstanceId::from(seat), &pools))?.0)
    }
}

impl ShaperExports {
    /// Finds and checks them.
    pub(in crate::plugin) fn find(store: &mut Store<Sandbox>, instance: &Instance) -> Result<Self, ExportError> {
        let mut exports = Interface::find(store, instance, SHAPER)?;
        let configure = exports.checked::<Configure<'_>, ConfiguredShaper>("configure")?;
        Ok(Self { configure, shape: exports.checked::<Update<'_>, Shape>("shape")? })
    }

    /// Calls `configure`. The inner error is the plugin's own.
    pub(in crate::plugin) fn configure(
        &self,
        store: &mut Store<Sandbox>,
        seat: &Seat,
    ) -> wasmtime::Result<Result<(), String>> {
        let configure = self.configure.typed::<Configure<'_>, ConfiguredShaper>(&*store)?;
        Ok(configure.call(store, (&seat.settings, InstanceId::from(seat)))?.0)
    }

    /// Calls `shape`.
    pub(in crate::plugin) fn shape(
        &self,
        store: &mut Store<Sandbox>,
        rows: &[decide::Row],
    ) -> wasmtime::Result<Vec<u32>> {
        let backends: Vec<_> = rows.iter().map(Backend::from).collect();
        Ok(self.shape.typed::<Update<'_>, Shape>(&*store)?.call(store, (&backends,))?.0)
    }
}

impl ObserverExports {
    /// Finds and checks them.
    pub(in crate::plugin) fn find(store: &mut Store<Sandbox>, instance: &Instance) -> Result<Self, ExportError> {
        let mut exports = Interface::find(store, instance, OBSERVER)?;
        Ok(Self { observe: exports.checked::<(&[Outcome],), ()>("observe")?, tick: exports.typed("tick")? })
    }

    /// Calls `observe`.
    pub(in crate::plugin) fn observe(
        &self,
        store: &mut Store<Sandbox>,
        outcomes: &[decide::Outcome],
    ) -> wasmtime::Result<()> {
        let outcomes: Vec<_> = outcomes.iter().map(Outcome::from).collect();
        self.observe.typed::<(&[Outcome],), ()>(&*store)?.call(store, (&outcomes,))
    }
}

impl HandoffExports {
    /// Finds and checks them, if the component exports them: it need not.
    pub(in crate::plugin) fn find(
        store: &mut Store<Sandbox>,
        instance: &Instance,
    ) -> Result<Option<Self>, ExportError> {
        let mut exports = match Interface::find(store, instance, HANDOFF) {
            Ok(exports) => exports,
            Err(ExportError::Missing(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let restore = exports.checked::<Restore<'_>, Restored>("restore")?;
        Ok(Some(Self { save: exports.typed("save")?, restore }))
    }

    /// Calls `restore`. The inner error is the plugin's own.
    pub(in crate::plugin) fn restore(
        &self,
        store: &mut Store<Sandbox>,
        state: &[u8],
    ) -> wasmtime::Result<Result<(), String>> {
        Ok(self.restore.typed::<Restore<'_>, Restored>(&*store)?.call(store, (state,))?.0)
    }
}

/// One exported interface of an instance.
struct Interface<'a> {
    store: &'a mut Store<Sandbox>,
    instance: &'a Instance,
    name: &'static str,
    index: ComponentExportIndex,
}

impl<'a> Interface<'a> {
    fn find(store: &'a mut Store<Sandbox>, instance: &'a Instance, name: &'static str) -> Result<Self, ExportError> {
        let index = instance.get_export_index(store.as_context_mut(), None, name).ok_or(ExportError::Missing(name))?;
        Ok(Self { store, instance, name, index })
    }

    fn function(&mut self, function: &'static str) -> Result<Func, ExportError> {
        let index = self.instance.get_export_index(self.store.as_context_mut(), Some(&self.index), function);
        let found = index.and_then(|index| self.instance.get_func(self.store.as_context_mut(), index));
        found.ok_or(ExportError::Function(self.name, function))
    }

    fn typed<P, R>(&mut self, function: &'static str) -> Result<TypedFunc<P, R>, ExportError>
    where
        P: ComponentNamedList + Lower,
        R: ComponentNamedList + Lift,
    {
        let found = self.function(function)?;
        let typed = found.typed(&*self.store);
        typed.map_err(|error| ExportError::Type(self.name, function, format!("{error:#}")))
    }

    /// A function whose parameters are borrowed, so that its type has to be named again at each call.
    fn checked<P, R>(&mut self, function: &'static str) -> Result<Func, ExportError>
    where
        P: ComponentNamedList + Lower,
        R: ComponentNamedList + Lift,
    {
        self.typed::<P, R>(function)?;
        self.function(function)
    }
}

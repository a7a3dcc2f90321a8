//! A loaded plugin: its name, its code, its limits and where it came from.
//!
//! Settings are none of its business: they belong to a use of the plugin.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;

use wasmtime::component::InstancePre;

use super::built_in;
use super::component::LoadReason;
use super::guarded::Guarded;
use super::instance::Seat;
use super::sandbox::Sandbox;
use super::v0_1::{self, AffinityExports, BalancerExports, HandoffExports, RouterExports, ShaperExports};
use crate::config::PluginLimits;
use crate::decide::PoolLoad;
use crate::decide::table::LocalTable;

/// Where a component comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The binary itself: one of [`BUILT_IN`](super::BUILT_IN), of the plugin's name.
    BuiltIn,
    /// A file.
    File(PathBuf),
    /// Bytes that somebody sent.
    Bytes(Arc<[u8]>),
}

/// A plugin as it was loaded: one generation of it.
pub struct Definition {
    name: Arc<str>,
    source: Source,
    pub(super) compiled: Arc<Compiled>,
    limits: PluginLimits,
    generation: u64,
}

/// A component that was compiled, linked and found to be a plugin.
pub(super) struct Compiled {
    pub(super) roles: Vec<&'static str>,
    pub(super) uses_table: bool,
    pub(super) digest: [u8; 32],
    pub(super) size: usize,
    pub(super) pre: InstancePre<Sandbox>,
}

impl Definition {
    /// Gives compiled code a name and limits.
    pub(super) fn new(
        name: Arc<str>,
        source: Source,
        compiled: Arc<Compiled>,
        limits: PluginLimits,
        generation: u64,
    ) -> Self {
        Self { name, source, compiled, limits, generation }
    }

    /// The plugin's name.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Where it came from.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// SHA-256 of the component.
    pub fn digest(&self) -> &[u8; 32] {
        &self.compiled.digest
    }

    /// Size of the component in bytes.
    pub fn size(&self) -> usize {
        self.compiled.size
    }

    /// Limits of its instances.
    pub fn limits(&self) -> &PluginLimits {
        &self.limits
    }

    /// 1 for the first of this name, and one more for each after it.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// What it can be used as: some of `balancer`, `affinity`, `router`, `shaper`.
    pub fn roles(&self) -> &[&'static str] {
        &self.compiled.roles
    }

    /// Whether it imports `table`.
    pub fn uses_table(&self) -> bool {
        self.compiled.uses_table
    }

    /// Whether it exports `handoff`: its instances can save their state, and restore that of others.
    pub fn hands_over(&self) -> bool {
        self.compiled.pre.component().get_export_index(None, v0_1::HANDOFF).is_some()
    }

    pub(super) fn pre(&self) -> &InstancePre<Sandbox> {
        &self.compiled.pre
    }

    /// A seat that steers nothing.
    pub(super) fn trial_seat(self: &Arc<Self>) -> Seat {
        Seat {
            definition: Arc::clone(self),
            pool: "".into(),
            worker: 0,
            workers: 0,
            settings: "{}".into(),
            keys: Vec::new(),
            load: Arc::new(PoolLoad::new(0)),
            rows: Arc::new([]),
            pools: Arc::new([]),
            table: Arc::new(LocalTable::new(0)),
        }
    }

    /// Whether an instance of it starts and has the exports of its roles, and a `handoff`, if any, of the right types.
    /// Runs guest code.
    pub(super) fn try_out(self: &Arc<Self>) -> Result<(), LoadReason> {
        let (mut guest, instance) = Guarded::instantiate(&self.trial_seat()).map_err(LoadReason::from)?;
        for role in self.roles() {
            let store = guest.store();
            let found = match *role {
                "balancer" => BalancerExports::find(store, &instance).map(drop),
                "affinity" => AffinityExports::find(store, &instance).map(drop),
                "router" => RouterExports::find(store, &instance).map(drop),
                _ => ShaperExports::find(store, &instance).map(drop),
            };
            found.map_err(|error| LoadReason::Exports(error.to_string()))?;
        }
        let found = HandoffExports::find(guest.store(), &instance);
        found.map(drop).map_err(|error| LoadReason::Exports(error.to_string()))
    }
}

impl fmt::Debug for Definition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, source, generation, limits, compiled: _ } = self;
        f.debug_struct("Definition")
            .field("name", name)
            .field("source", &source.to_string())
            .field("generation", generation)
            .field("limits", limits)
            .finish_non_exhaustive()
    }
}

impl Source {
    /// The component's bytes, at most `max` of them.
    pub(super) fn read(&self, plugin: &str, max: usize) -> Result<Arc<[u8]>, LoadReason> {
        match self {
            Self::BuiltIn => built_in::component(plugin).map(Arc::from).ok_or(LoadReason::NoBuiltIn),
            Self::Bytes(bytes) if bytes.len() > max => Err(LoadReason::TooLarge { max }),
            Self::Bytes(bytes) => Ok(Arc::clone(bytes)),
            Self::File(path) => {
                let file = File::open(path).map_err(LoadReason::Read)?;
                // A pipe or a device might never end, or never begin.
                if !file.metadata().map_err(LoadReason::Read)?.is_file() {
                    return Err(LoadReason::Read(io::Error::other("not a regular file")));
                }
                let mut bytes = Vec::new();
                file.take(max as u64 + 1).read_to_end(&mut bytes).map_err(LoadReason::Read)?;
                if bytes.len() > max { Err(LoadReason::TooLarge { max }) } else { Ok(bytes.into()) }
            }
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn => f.write_str("built-in"),
            Self::File(path) => path.display().fmt(f),
            Self::Bytes(bytes) => write!(f, "{} bytes", bytes.len()),
        }
    }
}

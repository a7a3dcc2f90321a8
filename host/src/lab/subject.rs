//! What is looked at: a component, by file or by the name of a built-in, with its settings and its key.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::PluginLimits;
use crate::decide::{Key, LocalTable, PoolLoad, Row, Table};
use crate::plugin::{BUILT_IN, BuildReason, Built, Definition, LoadError, Registry, Seat, Source};

/// Bytes of a plugin's table: the default of the configuration.
const TABLE: usize = 16 << 20;

/// What the host puts in the settings of affinities: 32 bytes in base64.
const SECRET: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// A plugin that is loaded, and how it is used.
#[derive(Clone)]
pub struct Subject {
    /// Its component.
    pub definition: Arc<Definition>,
    /// A JSON object.
    pub settings: Arc<str>,
    /// `key` of the configuration; where empty, the plan's keys hold.
    pub keys: Vec<Key>,
    /// What it is told of its pool's, or its route's, name.
    pub place: Arc<str>,
    /// What it is told of the number of workers.
    pub workers: u32,
}

/// Where a subject is put.
pub struct Place {
    /// The table that it starts with.
    pub rows: Arc<[Row]>,
    /// The numbers of the pool.
    pub load: Arc<PoolLoad>,
    /// For a router: the pools that it chooses between, and their numbers.
    pub pools: Arc<[(Arc<str>, Arc<PoolLoad>)]>,
    /// The worker, 0 to `workers` - 1.
    pub worker: u32,
    /// Number of workers.
    pub workers: u32,
    /// What the instances share; none: this one has a table of its own.
    pub table: Option<Arc<dyn Table>>,
}

impl Place {
    /// One worker, and this table.
    pub fn of(rows: &[Row], load: &Arc<PoolLoad>) -> Self {
        Self { rows: rows.into(), load: Arc::clone(load), pools: Arc::default(), worker: 0, workers: 1, table: None }
    }
}

/// A table that nobody else has.
pub fn own_table() -> Arc<dyn Table> {
    Arc::new(LocalTable::new(TABLE))
}

impl Subject {
    /// Loads what is called so: a built-in, or else a file. What is a path (has a `/` or a `.`) is never a built-in.
    ///
    /// # Errors
    /// Why it cannot be loaded.
    ///
    /// # Panics
    /// In an asynchronous context.
    pub fn load(registry: &Registry, called: &str, limits: PluginLimits) -> Result<Self, LoadError> {
        let (name, source) = if BUILT_IN.contains(&called) {
            (called, Source::BuiltIn)
        } else {
            let stem = Path::new(called).file_stem().and_then(|stem| stem.to_str()).unwrap_or(called);
            (stem, Source::File(PathBuf::from(called)))
        };
        registry.load_blocking(name.into(), source, limits).map(Self::of)
    }

    /// A plugin without settings, in a pool `web`, of two workers.
    pub fn of(definition: Arc<Definition>) -> Self {
        Self { definition, settings: "{}".into(), keys: Vec::new(), place: "web".into(), workers: 2 }
    }

    /// An instance of it in its place. It is built on the calling thread, which is a builder thread or holds a busy
    /// [`Activity`](crate::plugin::Activity).
    ///
    /// # Errors
    /// What the plugin does not accept, or what went wrong.
    pub fn seat<I: Built>(&self, place: Place) -> Result<I, BuildReason> {
        I::seat(Seat {
            definition: Arc::clone(&self.definition),
            pool: Arc::clone(&self.place),
            worker: place.worker,
            workers: place.workers,
            settings: self.told().into(),
            keys: self.keys.clone(),
            load: place.load,
            rows: place.rows,
            pools: place.pools,
            table: place.table.unwrap_or_else(|| self.table()),
        })
    }

    /// A table that nobody else has, of the size that its limits allow.
    pub fn table(&self) -> Arc<dyn Table> {
        Arc::new(LocalTable::new(if self.definition.uses_table() { self.definition.limits().table } else { 0 }))
    }

    /// The settings, with what the host adds: a secret for affinities, the name of the process for shapers.
    fn told(&self) -> String {
        let roles = self.definition.roles();
        let (name, value) = match roles {
            _ if roles.contains(&"affinity") => ("secret", SECRET),
            _ if roles.contains(&"shaper") && !roles.contains(&"balancer") => ("process", "one"),
            _ => return (*self.settings).to_owned(),
        };
        match self.settings.trim_start().strip_prefix('{') {
            Some(rest) if !self.settings.contains(&format!("\"{name}\"")) => {
                let comma = if rest.trim_start().starts_with('}') { "" } else { ", " };
                format!("{{\"{name}\": \"{value}\"{comma}{rest}")
            }
            _ => (*self.settings).to_owned(),
        }
    }
}

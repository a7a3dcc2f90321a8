//! What plugins are measured in: tables of backends, and seats for built-ins. It measures nothing.

use std::sync::Arc;

use trimtab::config::PluginLimits;
use trimtab::decide::{PoolLoad, Row};
use trimtab::lab::subject::{Place as Seated, Subject};
use trimtab::lab::world;
use trimtab::plugin::{Built, Registry};

/// Weights of the backends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weights {
    /// All 1.
    Equal,
    /// 1 to 5.
    Mixed,
}

/// A table of so many backends, all ready, with ids, addresses and labels as people write them.
pub(crate) fn rows(count: usize, weights: Weights) -> Vec<Row> {
    let mut rows = world::rows(count);
    if weights == Weights::Mixed {
        (0u32..).zip(&mut rows).for_each(|(number, row)| row.weight = number % 5 + 1);
    }
    rows
}

/// Where an instance is to sit.
pub(crate) struct Place<'a> {
    /// A built-in.
    pub(crate) plugin: &'a str,
    /// A JSON object.
    pub(crate) settings: &'a str,
    /// `key` of the configuration.
    pub(crate) key: Option<&'a str>,
    /// For a router.
    pub(crate) pools: &'a [&'a str],
}

impl Place<'_> {
    /// The plugin, loaded if it is not loaded yet.
    pub(crate) fn subject(&self, registry: &Registry) -> Subject {
        let subject = Subject::load(registry, self.plugin, PluginLimits::default()).unwrap();
        let keys = self.key.iter().map(|key| key.parse().unwrap()).collect();
        Subject { settings: self.settings.into(), keys, ..subject }
    }

    /// An instance of it.
    pub(crate) fn seat<I: Built>(&self, registry: &Registry, rows: &[Row], load: &Arc<PoolLoad>) -> I {
        let pool = |name: &&str| {
            let load = PoolLoad::new(1);
            load.set_ready(3);
            (Arc::from(*name), Arc::new(load))
        };
        let place = Seated { pools: self.pools.iter().map(pool).collect(), ..Seated::of(rows, load) };
        self.subject(registry).seat(place).unwrap()
    }
}

//! A plugin in the place where the configuration uses it: what its instances there share, on all workers and over
//! generations.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use http::HeaderName;

use crate::decide::table::Table;
use crate::decide::{Key, PoolLoad, Row};
use crate::plugin::{Definition, Seat};
use crate::telemetry::counters::{Decisions, PerWorker};

/// A plugin where it is used. Whoever has the same one, by address, needs no other instance.
#[derive(Clone)]
pub struct Element {
    /// The plugin.
    pub definition: Arc<Definition>,
    /// Its settings, a JSON object.
    pub settings: Arc<str>,
    /// `key` of the configuration.
    pub keys: Vec<Key>,
    /// What its instances share.
    pub table: Arc<dyn Table>,
    /// Names besides `set-cookie` that it may add to responses.
    pub headers: Arc<[HeaderName]>,
    /// Counts of its decisions.
    pub decisions: Arc<PerWorker<Decisions>>,
    /// Whether it is asked at all.
    pub health: Arc<Health>,
}

/// What control thinks of a plugin in one place.
#[derive(Debug, Default)]
pub struct Health {
    state: AtomicU8,
    opened: AtomicU64,
}

/// Of the breaker of a plugin in one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// The plugin is asked.
    Closed,
    /// One worker asks it, for a trial.
    HalfOpen,
    /// Nobody asks it.
    Open,
}

/// Where an element's instance sits.
pub struct Place<'a> {
    /// The pool or the route.
    pub name: &'a Arc<str>,
    /// The worker.
    pub worker: usize,
    /// Number of workers.
    pub workers: usize,
    /// The pool's numbers.
    pub load: &'a Arc<PoolLoad>,
    /// What it is told first.
    pub rows: &'a Arc<[Row]>,
}

impl Element {
    /// Whether it is of this plugin.
    pub fn is_of(&self, plugin: &str) -> bool {
        **self.definition.name() == *plugin
    }

    /// Whether an instance for `other` does for this one, but for the generation.
    pub fn is_used_as(&self, other: &Self) -> bool {
        self.settings == other.settings
            && self.keys == other.keys
            && self.headers == other.headers
            && Arc::ptr_eq(&self.table, &other.table)
    }

    /// The same place, for another generation: counts and tables go on, and it is asked, whatever the one before did.
    #[must_use]
    pub fn with(&self, definition: &Arc<Definition>) -> Arc<Self> {
        let health = Arc::new(self.health.anew());
        Arc::new(Self { definition: Arc::clone(definition), health, ..self.clone() })
    }

    /// A seat for an instance of it.
    pub fn seat(&self, place: &Place<'_>) -> Seat {
        Seat {
            definition: Arc::clone(&self.definition),
            pool: Arc::clone(place.name),
            worker: u32::try_from(place.worker).unwrap_or(u32::MAX),
            workers: u32::try_from(place.workers).unwrap_or(u32::MAX),
            settings: Arc::clone(&self.settings),
            keys: self.keys.clone(),
            load: Arc::clone(place.load),
            rows: Arc::clone(place.rows),
            pools: Arc::new([]),
            table: Arc::clone(&self.table),
        }
    }
}

impl fmt::Debug for Element {
    /// Without the settings: they may hold a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Element")
            .field("definition", &self.definition)
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}

impl Health {
    /// Of the next one in the same place.
    fn anew(&self) -> Self {
        Self { state: AtomicU8::default(), opened: AtomicU64::new(self.opened()) }
    }

    /// Of the breaker.
    pub fn state(&self) -> BreakerState {
        match self.state.load(Ordering::Relaxed) {
            0 => BreakerState::Closed,
            1 => BreakerState::HalfOpen,
            _ => BreakerState::Open,
        }
    }

    /// Only control says so.
    pub fn set_state(&self, state: BreakerState) {
        if state == BreakerState::Open {
            self.opened.fetch_add(1, Ordering::Relaxed);
        }
        self.state.store(state as u8, Ordering::Relaxed);
    }

    /// How often it was opened.
    pub fn opened(&self) -> u64 {
        self.opened.load(Ordering::Relaxed)
    }
}

impl BreakerState {
    /// The word of admin API and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half-open",
            Self::Open => "open",
        }
    }
}

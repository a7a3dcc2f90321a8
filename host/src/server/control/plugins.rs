//! What control knows of each plugin: which generation decides, which did before, and what is going on with it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::admin::{PluginStatus, Stage as Shown};
use crate::config::{BreakerPolicy, Config, Plugin};
use crate::plugin::{Definition, Source};
use crate::server::breaker::Breaker;
use crate::snapshot::{Comparison, Element, Slot};

/// All plugins that are used.
#[derive(Default)]
pub(super) struct Plugins(BTreeMap<Arc<str>, Record>);

/// One plugin.
pub(super) struct Record {
    pub(super) policy: Policy,
    /// What decides.
    pub(super) definition: Arc<Definition>,
    /// What decided before it.
    pub(super) previous: Option<Arc<Definition>>,
    /// A component is being compiled or put in place.
    pub(super) busy: bool,
    /// The file changed while it was busy.
    pub(super) again: bool,
    pub(super) stage: Stage,
    /// SHA-256 of the configuration's component when it was last read. What was sent since then holds until that changes.
    pub(super) configured: [u8; 32],
    /// How the last attempt to replace it went.
    pub(super) last: Option<String>,
}

/// What the configuration says of a plugin.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Policy {
    pub(super) limits: crate::config::PluginLimits,
    pub(super) source: Source,
    pub(super) watch: bool,
    pub(super) shadow: Option<Duration>,
    pub(super) probation: Option<Duration>,
    pub(super) breaker: Option<BreakerPolicy>,
}

/// What is going on with a plugin.
pub(super) enum Stage {
    /// Nothing.
    Steady,
    /// The next generation decides beside it.
    Shadow(Shadowing),
    /// It decides since a short time, and may have to go.
    Probation(Probation),
}

/// A generation that is compared.
pub(super) struct Shadowing {
    pub(super) definition: Arc<Definition>,
    pub(super) places: Vec<(Slot, Arc<Comparison>)>,
    pub(super) until: Instant,
}

/// The time after a swap.
pub(super) struct Probation {
    /// What decided before, by place.
    pub(super) before: HashMap<Slot, Arc<Element>>,
    pub(super) until: Instant,
    /// By place.
    pub(super) faults: HashMap<Slot, Breaker>,
    /// Decisions and refusals until then.
    pub(super) baseline: (u64, u64),
}

impl Policy {
    /// Of this plugin.
    pub(super) fn of(config: &Config, plugin: &str) -> Self {
        let default = Plugin::default();
        let written = config.plugins.get(plugin).unwrap_or(&default);
        Self {
            limits: written.limits,
            source: crate::server::assembly::source(config, plugin),
            watch: written.watch,
            shadow: written.shadow,
            probation: written.probation,
            breaker: written.breaker,
        }
    }
}

impl Plugins {
    pub(super) fn get(&self, plugin: &str) -> Option<&Record> {
        self.0.get(plugin)
    }

    pub(super) fn get_mut(&mut self, plugin: &str) -> Option<&mut Record> {
        self.0.get_mut(plugin)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Record)> {
        self.0.iter()
    }

    pub(super) fn insert(&mut self, record: Record) {
        self.0.insert(Arc::clone(record.definition.name()), record);
    }

    pub(super) fn retain(&mut self, is_used: impl Fn(&str) -> bool) {
        self.0.retain(|plugin, _| is_used(plugin));
    }
}

impl Record {
    /// Of a plugin as the configuration has it.
    pub(super) fn new(policy: Policy, definition: Arc<Definition>) -> Self {
        let configured = *definition.digest();
        let (stage, last) = (Stage::Steady, None);
        Self { policy, definition, previous: None, busy: false, again: false, stage, configured, last }
    }

    /// The generation that is compared, if one is.
    pub(super) fn shadow(&self) -> Option<&Shadowing> {
        match &self.stage {
            Stage::Shadow(shadowing) => Some(shadowing),
            _ => None,
        }
    }

    /// As `/plugins` shows it.
    pub(super) fn status(&self) -> PluginStatus {
        let (stage, comparisons) = match &self.stage {
            Stage::Steady if self.busy => (Shown::Loading, Vec::new()),
            Stage::Steady => (Shown::Steady, Vec::new()),
            Stage::Shadow(shadowing) => {
                let (generation, until) = (shadowing.definition.generation(), shadowing.until.into_std());
                (Shown::Shadow { generation, until }, shadowing.places.clone())
            }
            Stage::Probation(probation) => (Shown::Probation { until: probation.until.into_std() }, Vec::new()),
        };
        PluginStatus {
            stage,
            comparisons,
            previous: self.previous.as_ref().map(|definition| definition.generation()),
            uploaded: matches!(self.definition.source(), Source::Bytes(_)),
            last: self.last.clone(),
        }
    }
}

//! The time after a swap: the generation before is kept warm, and comes back by itself when the new one fails too often or
//! refuses too much.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::plugins::{Probation, Stage};
use super::{Control, Done};
use crate::server::breaker::Breaker;
use crate::snapshot::{Element, Slot};
use crate::worker::Command;

/// How often a generation on probation is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Refusals are compared from so many decisions on…
const DECISIONS: u64 = 100;
/// …and may be more by this share of all.
const REFUSALS: f64 = 0.1;

impl Control {
    /// What decides since now has followed `before`, and may have to go; where no probation is wanted it stays.
    /// `baseline` is [`Control::refusals`] before that.
    pub(super) fn watch_over(&mut self, plugin: &Arc<str>, before: HashMap<Slot, Arc<Element>>, baseline: (u64, u64)) {
        let Some(record) = self.plugins.get_mut(plugin) else { return };
        let generation = record.definition.generation();
        let Some(time) = record.policy.probation else { return self.settle(plugin) };
        let until = Instant::now() + time;
        record.stage = Stage::Probation(Probation { before, until, faults: HashMap::new(), baseline });
        self.later(LOOK, Done::Look(Arc::clone(plugin), generation));
    }

    /// Neither what decided before nor what was compared is needed any more.
    pub(super) fn settle(&mut self, plugin: &Arc<str>) {
        for worker in &self.workers {
            worker.tell(Command::Settle(Arc::clone(plugin)));
        }
        if let Some(record) = self.plugins.get_mut(plugin) {
            record.stage = Stage::Steady;
        }
    }

    /// A fault of a generation on probation. Whether it has to go.
    pub(super) fn is_too_much(&mut self, slot: &Slot, element: &Arc<Element>, now: Instant) -> bool {
        let Some(record) = self.plugins.get_mut(element.definition.name()) else { return false };
        let is_current = Arc::ptr_eq(&record.definition, &element.definition);
        let policy = record.policy.breaker.unwrap_or_default();
        let Stage::Probation(probation) = &mut record.stage else { return false };
        if record.busy || !is_current {
            return false;
        }
        let breaker = probation.faults.entry(slot.clone()).or_insert_with(|| Breaker::new(policy, now));
        breaker.fault(now).is_some()
    }

    /// Ends a probation in time, or when too much is refused.
    pub(super) fn look(&mut self, plugin: &Arc<str>, generation: u64) {
        let now = self.refusals(plugin);
        let Some(record) = self.plugins.get(plugin) else { return };
        let Stage::Probation(probation) = &record.stage else { return };
        if record.definition.generation() != generation {
            return;
        }
        if record.busy {
            return self.later(LOOK, Done::Look(Arc::clone(plugin), generation));
        }
        let share = |(decisions, refusals): (u64, u64)| refusals as f64 / decisions.max(1) as f64;
        let since = (now.0.saturating_sub(probation.baseline.0), now.1.saturating_sub(probation.baseline.1));
        if since.0 >= DECISIONS && share(since) > share(probation.baseline) + REFUSALS {
            let percent = (100.0 * share(since)).round();
            let before = (100.0 * share(probation.baseline)).round();
            let why = format!("generation {generation} refused {percent} % of requests, the one before {before} %");
            tracing::warn!(%plugin, "{why}");
            return self.roll_back(plugin, why, None);
        }
        if Instant::now() < probation.until {
            return self.later(LOOK, Done::Look(Arc::clone(plugin), generation));
        }
        tracing::info!(%plugin, generation, "the probation is over");
        self.settle(plugin);
        self.show(plugin);
    }

    /// Decisions of a plugin, and refusals where it decides.
    pub(super) fn refusals(&self, plugin: &str) -> (u64, u64) {
        let snapshot = &self.snapshot;
        let uses = snapshot.uses().filter(|used| used.element.is_of(plugin));
        let decisions = uses.map(|used| used.element.decisions.sum(|cell| cell.times.count())).sum();
        let pools = snapshot.pools.iter().filter(|pool| pool.chain.elements().any(|(_, e)| e.is_of(plugin)));
        let routes = snapshot.crossings.iter().flatten().filter(|crossing| crossing.element.is_of(plugin));
        let verdicts = pools.map(|pool| &pool.verdicts).chain(routes.map(|crossing| &crossing.verdicts));
        (decisions, verdicts.map(|verdicts| verdicts.sum(|cell| cell.refusals.get())).sum())
    }
}

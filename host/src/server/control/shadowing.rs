//! The next generation of a plugin beside the one that decides, for a while.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::context::Context;
use super::plugins::{Record, Shadowing, Stage};
use super::swap::{Swap, answer};
use super::turn::Operation;
use super::{Control, Done};
use crate::admin::Swapped;
use crate::decide::{Fault, OverlayTable};
use crate::plugin::{BuildError, Definition, Seat};
use crate::server::trial::Role;
use crate::snapshot::{Comparison, Fresh, Slot, Wreck};
use crate::worker::Command;

/// Time after which it is looked again whether a generation may get its turn.
const AGAIN: Duration = Duration::from_secs(1);

/// What is compared in each place, and the instances for it by worker.
pub(super) struct Shadows {
    places: Vec<(Slot, Arc<Comparison>)>,
    instances: Vec<Vec<(Slot, Fresh, Arc<Comparison>)>>,
}

/// Builds an instance for every worker and place. A shaper weighs per change, not per request: there is none for it.
pub(super) async fn build(context: &Context<'_>, definition: &Arc<Definition>) -> Result<Shadows, BuildError> {
    let mut shadows = Shadows { places: Vec::new(), instances: Vec::new() };
    for (slot, role, seat) in context.seats(definition, 0) {
        let names = match role {
            Role::Shaper => continue,
            Role::Router => seat.pools.iter().map(|(name, _)| Arc::clone(name)).collect(),
            _ => seat.rows.iter().map(|row| Arc::clone(&row.id)).collect(),
        };
        shadows.places.push((slot, Arc::new(Comparison::new(names, context.workers))));
    }
    // Shadows of all workers share what they write, and turns, as those do that decide.
    let shared: Vec<_> = context
        .seats(definition, 0)
        .into_iter()
        .map(|(slot, _, seat)| {
            let quota = if definition.uses_table() { definition.limits().table } else { 0 };
            let table = OverlayTable::new(Arc::clone(&seat.table), quota);
            (slot, Arc::new(table), Arc::new(seat.load.shadow()))
        })
        .collect();
    for worker in 0..context.workers {
        let mut instances = Vec::new();
        for (slot, role, seat) in context.seats(definition, worker) {
            let Some((_, comparison)) = shadows.places.iter().find(|(known, _)| *known == slot) else { continue };
            let Some((_, table, load)) = shared.iter().find(|(known, ..)| *known == slot) else { continue };
            let seat = Seat { table: Arc::clone(table) as Arc<_>, load: Arc::clone(load), ..seat };
            let told = context.told.get(slot.name()).map(Arc::clone).unwrap_or_default();
            let instance = match role {
                Role::Affinity => Fresh::Affinity(Box::new(context.registry.build(seat).await?), told),
                Role::Router => Fresh::Router(Box::new(context.registry.build(seat).await?)),
                _ => Fresh::Balancer(Box::new(context.registry.build(seat).await?), told),
            };
            instances.push((slot, instance, Arc::clone(comparison)));
        }
        shadows.instances.push(instances);
    }
    Ok(shadows)
}

impl Control {
    /// Has the workers compare.
    pub(super) fn compare(&mut self, swap: Swap, time: Duration, shadows: Shadows) {
        let Shadows { places, instances } = shadows;
        for (worker, instances) in self.workers.iter().zip(instances) {
            for (slot, instance, comparison) in instances {
                worker.tell(Command::Shadow(slot, instance, comparison));
            }
        }
        let (plugin, generation) = (Arc::clone(swap.definition.name()), swap.definition.generation());
        tracing::info!(%plugin, generation, "is compared for {time:?}");
        if let Some(record) = self.plugins.get_mut(&plugin) {
            record.busy = false;
            record.last = Some(format!("generation {generation} is compared"));
            record.stage =
                Stage::Shadow(Shadowing { definition: swap.definition, places, until: Instant::now() + time });
        }
        answer(swap.reply, Ok(Swapped::Compared { generation, time }));
        self.finish(&plugin);
        self.later(time, Done::Compared(plugin, generation));
    }

    /// The time to compare is over: it gets its turn.
    pub(super) fn on_compared(&mut self, plugin: &Arc<str>, generation: u64) {
        let Some(record) = self.plugins.get_mut(plugin) else { return };
        let Stage::Shadow(shadowing) = &record.stage else { return };
        if shadowing.definition.generation() != generation {
            return;
        }
        if record.busy {
            // A later one is being loaded, which may yet be no good.
            return self.later(AGAIN, Done::Compared(Arc::clone(plugin), generation));
        }
        let sum = |read: &dyn Fn(&Comparison) -> u64| shadowing.places.iter().map(|(_, c)| read(c)).sum::<u64>();
        let agreed = sum(&|comparison| comparison.sum(|cell| cell.agreed.get()));
        let all = agreed + sum(&|comparison| comparison.sum(|cell| cell.differed.get()));
        let why = format!("compared, it agreed in {agreed} of {all} decisions");
        let definition = Arc::clone(&shadowing.definition);
        record.busy = true;
        let loaded = Instant::now();
        self.enqueue(Operation::Swap(Swap { definition, back: false, compare: false, why, loaded, reply: None }));
    }

    /// A shadow failed: its generation will not decide.
    pub(super) fn on_shadowed(&mut self, definition: &Arc<Definition>, fault: &Fault, wreck: Wreck) {
        self.registry.dispose(wreck);
        let shadowing = self.plugins.get(definition.name()).and_then(Record::shadow);
        if shadowing.is_some_and(|shadowing| Arc::ptr_eq(&shadowing.definition, definition)) {
            self.abandon(definition.name(), &format!("it failed while it was compared: {fault}"));
        }
    }

    /// Ends a comparison without a swap.
    pub(super) fn abandon(&mut self, plugin: &Arc<str>, why: &str) {
        let Some(record) = self.plugins.get_mut(plugin) else { return };
        let Some(generation) = record.shadow().map(|shadowing| shadowing.definition.generation()) else { return };
        record.last = Some(format!("generation {generation} was not put in place: {why}"));
        tracing::warn!(%plugin, generation, "not put in place: {why}");
        self.settle(plugin);
        self.show(plugin);
    }
}

//! Faults of plugins: said, and the broken instance built again.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_local;
use tokio::time::Instant;

use super::{Control, Done};
use crate::decide::{Fault, Row};
use crate::plugin::{BuildError, Registry, Seat};
use crate::snapshot::{Element, Place, Replacement, Slot, Told, Wreck};
use crate::worker::Command;

/// Time after which an instance that could not be built is tried again.
const AGAIN: Duration = Duration::from_secs(1);

impl Control {
    /// Logs the fault, and has another instance built in place of a broken one.
    pub(super) fn on_fault(&mut self, worker: usize, slot: Slot, fault: &Fault, wreck: Option<Wreck>) {
        let now = Instant::now();
        if let Some(unsaid) = self.faults.say(&slot, fault.kind, now)
            && let Some(definition) = self.element(&slot).map(|element| &element.definition)
        {
            tracing::warn!(
                plugin = %definition.name(), generation = definition.generation(), pool = %slot.name(), worker,
                kind = %fault.kind, unsaid, "{}", fault.message
            );
        }
        if let Some(wreck) = wreck {
            self.registry.dispose(wreck);
            let delay = self.faults.delay(worker, &slot, now);
            self.rebuild(worker, slot, delay);
        }
    }

    /// Has an instance built for this place, after a while.
    pub(super) fn rebuild(&self, worker: usize, slot: Slot, delay: Duration) {
        let Some(wanted) = self.wanted(worker, &slot) else { return };
        let (registry, done) = (Rc::clone(&self.registry), self.done.0.clone());
        spawn_local(async move {
            tokio::time::sleep(delay).await;
            let built = build(&registry, wanted).await;
            // Nobody listens any more only when the process ends.
            let _ = done.send(Done::Rebuilt { worker, slot, built });
        });
    }

    pub(super) fn on_rebuilt(&mut self, worker: usize, slot: Slot, built: Result<Replacement, BuildError>) {
        match built {
            Ok(replacement) => {
                if let Some(worker) = self.workers.get(worker) {
                    worker.tell(Command::Replace(slot, replacement));
                }
            }
            Err(error) => {
                tracing::warn!(worker, %error, "no fresh instance; the others in the chain and the fallback go on");
                self.rebuild(worker, slot, AGAIN);
            }
        }
    }

    fn element(&self, slot: &Slot) -> Option<&Element> {
        let pool = |name: &Arc<str>| self.snapshot.pools.iter().find(|pool| pool.name == *name);
        match slot {
            Slot::Affinity(name) => pool(name)?.chain.affinity.as_ref(),
            Slot::Balancer(name, number) => pool(name)?.chain.balancers.get(*number),
            Slot::Shaper(name, number) => pool(name)?.chain.shapers.get(*number).map(|(_, element)| element),
            Slot::Router(_, number) => Some(&self.snapshot.crossings.get(*number)?.as_ref()?.element),
        }
    }

    /// What is to be built for a place. A shaper is built when it is needed next.
    fn wanted(&self, worker: usize, slot: &Slot) -> Option<Wanted> {
        let workers = self.workers.len();
        let seat = |name: &Arc<str>, rows: &dyn Fn(&Told) -> Option<Arc<[Row]>>| {
            let pool = self.snapshot.pools.iter().find(|pool| pool.name == *name)?;
            let told = &self.tables.get(name)?.told;
            let place = Place { name, worker, workers, load: &pool.load, rows: &rows(told)? };
            Some((self.element(slot)?.seat(&place), Arc::clone(told)))
        };
        Some(match slot {
            Slot::Affinity(name) => {
                let (seat, told) = seat(name, &|told| Some(Arc::clone(&told.rows)))?;
                Wanted::Affinity(seat, told)
            }
            Slot::Balancer(name, number) => {
                let (seat, told) = seat(name, &|told| told.shaped.get(*number).cloned())?;
                Wanted::Balancer(seat, told)
            }
            Slot::Router(_, number) => {
                Wanted::Router(self.snapshot.crossings.get(*number)?.as_ref()?.seat(worker, workers))
            }
            Slot::Shaper(..) => return None,
        })
    }
}

/// An instance to be built: where it will sit, and what it will have been told.
enum Wanted {
    Affinity(Seat, Arc<Told>),
    Balancer(Seat, Arc<Told>),
    Router(Seat),
}

async fn build(registry: &Registry, wanted: Wanted) -> Result<Replacement, BuildError> {
    Ok(match wanted {
        Wanted::Affinity(seat, told) => Replacement::Affinity(Box::new(registry.build(seat).await?), told),
        Wanted::Balancer(seat, told) => Replacement::Balancer(Box::new(registry.build(seat).await?), told),
        Wanted::Router(seat) => Replacement::Router(Box::new(registry.build(seat).await?)),
    })
}

//! Faults of plugins: said, and the broken instance built again, or the plugin not asked for a while.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_local;
use tokio::time::Instant;

use super::{Control, Done};
use crate::decide::{Fault, Row};
use crate::plugin::{BuildError, Registry, Seat};
use crate::server::breaker::{Breaker, TRIAL};
use crate::snapshot::{BreakerState, Element, Fresh, Place, Replacement, Slot, Told, Wreck};
use crate::worker::Command;

/// Time after which an instance that could not be built is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// What fails where, and what is being done about it.
#[derive(Default)]
pub(super) struct Repairs {
    breakers: HashMap<Slot, Tracked>,
    /// Places that an instance is being built for.
    under_way: HashSet<(usize, Slot)>,
}

/// The breaker of one place, for as long as the same element is there.
struct Tracked {
    element: Arc<Element>,
    breaker: Breaker,
    /// The worker that tries it again, and its decisions when it began.
    trial: (usize, u64),
    /// Openings: what is to be done later may come too late.
    epoch: u64,
}

/// An instance that was built for a place, or could not be.
pub(super) struct Rebuilt {
    worker: usize,
    slot: Slot,
    element: Arc<Element>,
    built: Result<Fresh, BuildError>,
}

impl Control {
    /// Logs the fault. A broken instance is replaced, unless there were too many.
    pub(super) fn on_fault(
        &mut self,
        worker: usize,
        slot: Slot,
        element: &Arc<Element>,
        fault: &Fault,
        wreck: Option<Wreck>,
    ) {
        let now = Instant::now();
        if let Some(unsaid) = self.faults.say(&slot, fault.kind, now) {
            let definition = &element.definition;
            tracing::warn!(
                plugin = %definition.name(), generation = definition.generation(), place = %slot, worker,
                kind = %fault.kind, unsaid, "{}", fault.message
            );
        }
        let broken = wreck.is_some();
        if let Some(wreck) = wreck {
            self.registry.dispose(wreck);
        }
        if !self.element(&slot).is_some_and(|now| Arc::ptr_eq(now, element)) {
            // Another one decides there now.
            return;
        }
        if self.is_too_much(&slot, element, now) {
            let plugin = Arc::clone(element.definition.name());
            let generation = element.definition.generation();
            let why = format!("generation {generation} failed too often: {}", fault.message);
            tracing::warn!(%plugin, generation, "on probation: {why}");
            return self.roll_back(&plugin, why, None);
        }
        if self.opens(&slot, element, now) {
            return;
        }
        if broken {
            self.rebuild(worker, slot, Duration::ZERO);
        }
    }

    /// Nobody decides in a place, where somebody should.
    pub(super) fn on_vacant(&mut self, worker: usize, slot: Slot, wreck: Option<Wreck>) {
        if let Some(wreck) = wreck {
            self.registry.dispose(wreck);
        }
        self.rebuild(worker, slot, Duration::ZERO);
    }

    /// Counts a fault. Whether the plugin is not asked in this place now.
    fn opens(&mut self, slot: &Slot, element: &Arc<Element>, now: Instant) -> bool {
        let plugin = element.definition.name();
        let Some(policy) = self.plugins.get(plugin).and_then(|record| record.policy.breaker) else { return false };
        let new =
            || Tracked { element: Arc::clone(element), breaker: Breaker::new(policy, now), trial: (0, 0), epoch: 0 };
        let tracked = self.repairs.breakers.entry(slot.clone()).or_insert_with(new);
        if !Arc::ptr_eq(&tracked.element, element) {
            *tracked = new();
        }
        let Some(delay) = tracked.breaker.fault(now) else { return tracked.breaker.is_open() };
        tracked.epoch += 1;
        let epoch = tracked.epoch;
        element.health.set_state(BreakerState::Open);
        tracing::warn!(%plugin, place = %slot, "fails too often: not asked for {delay:?}");
        for worker in &self.workers {
            worker.tell(Command::Suspend(slot.clone()));
        }
        self.later(delay, Done::Try(slot.clone(), epoch));
        true
    }

    /// One worker tries the plugin again.
    pub(super) fn try_again(&mut self, slot: Slot, epoch: u64) {
        let Some(element) = self.element(&slot).cloned() else { return };
        let workers = self.workers.len();
        let Some(tracked) = self.tracked(&slot, epoch, &element) else { return };
        tracked.breaker.half_open(Instant::now());
        // Another one each time: what breaks it may be on one of them only.
        let worker = usize::try_from(epoch).unwrap_or(0) % workers;
        tracked.trial = (worker, element.decisions.of(worker).times.count());
        element.health.set_state(BreakerState::HalfOpen);
        tracing::info!(plugin = %element.definition.name(), place = %slot, worker, "tried again");
        self.rebuild(worker, slot.clone(), Duration::ZERO);
        self.later(TRIAL, Done::Tried(slot, epoch));
    }

    /// How that went so far.
    pub(super) fn on_tried(&mut self, slot: Slot, epoch: u64) {
        let Some(element) = self.element(&slot).cloned() else { return };
        let workers = self.workers.len();
        let Some(tracked) = self.tracked(&slot, epoch, &element) else { return };
        let (worker, before) = tracked.trial;
        let decided = element.decisions.of(worker).times.count() > before;
        if tracked.breaker.is_open() {
            return;
        }
        if !tracked.breaker.calm(decided, Instant::now()) {
            return self.later(TRIAL, Done::Tried(slot, epoch));
        }
        element.health.set_state(BreakerState::Closed);
        tracing::info!(plugin = %element.definition.name(), place = %slot, "works again: asked by all workers");
        for other in (0..workers).filter(|other| *other != worker) {
            self.rebuild(other, slot.clone(), Duration::ZERO);
        }
    }

    fn tracked(&mut self, slot: &Slot, epoch: u64, element: &Arc<Element>) -> Option<&mut Tracked> {
        let tracked = self.repairs.breakers.get_mut(slot)?;
        (tracked.epoch == epoch && Arc::ptr_eq(&tracked.element, element)).then_some(tracked)
    }

    /// Has an instance built for this place, after a while.
    fn rebuild(&mut self, worker: usize, slot: Slot, delay: Duration) {
        if !self.is_asked(worker, &slot) || !self.repairs.under_way.insert((worker, slot.clone())) {
            return;
        }
        let Some((element, wanted)) = self.wanted(worker, &slot) else {
            self.repairs.under_way.remove(&(worker, slot));
            return;
        };
        let (registry, done) = (Rc::clone(&self.registry), self.done.0.clone());
        spawn_local(async move {
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            let built = build(&registry, wanted).await;
            // Nobody listens any more only when the process ends.
            let _ = done.send(Done::Rebuilt(Rebuilt { worker, slot, element, built }));
        });
    }

    pub(super) fn on_rebuilt(&mut self, rebuilt: Rebuilt) {
        let Rebuilt { worker, slot, element, built } = rebuilt;
        self.repairs.under_way.remove(&(worker, slot.clone()));
        let is_current = self.element(&slot).is_some_and(|now| Arc::ptr_eq(now, &element));
        match built {
            // Another one decides there now, and perhaps nobody on this worker: then it has said so.
            Ok(instance) if !is_current => {
                self.registry.dispose(instance.into_wreck());
                self.rebuild(worker, slot, Duration::ZERO);
            }
            Ok(instance) if !self.is_asked(worker, &slot) => self.registry.dispose(instance.into_wreck()),
            Ok(instance) => {
                if let Some(worker) = self.workers.get(worker) {
                    worker.tell(Command::Replace(slot, Replacement { element, instance }));
                }
            }
            Err(error) => {
                tracing::warn!(worker, %error, "no fresh instance; the others in the chain and the fallback go on");
                if !self.opens(&slot, &element, Instant::now()) {
                    self.rebuild(worker, slot, AGAIN);
                }
            }
        }
    }

    /// Whether this worker is to ask the plugin in this place.
    fn is_asked(&self, worker: usize, slot: &Slot) -> bool {
        match (self.repairs.breakers.get(slot), self.element(slot)) {
            (Some(tracked), Some(element)) if Arc::ptr_eq(&tracked.element, element) => {
                tracked.breaker.is_closed() || (!tracked.breaker.is_open() && tracked.trial.0 == worker)
            }
            _ => true,
        }
    }

    /// Whether all workers are.
    pub(super) fn is_asked_by_all(&self, slot: &Slot) -> bool {
        (0..self.workers.len()).all(|worker| self.is_asked(worker, slot))
    }

    /// Forgets the places that are no more.
    pub(super) fn forget_repairs(&mut self) {
        let slots: HashMap<Slot, Arc<Element>> =
            self.snapshot.slots().map(|(slot, element)| (slot, Arc::clone(element))).collect();
        self.repairs
            .breakers
            .retain(|slot, tracked| slots.get(slot).is_some_and(|now| Arc::ptr_eq(now, &tracked.element)));
        self.faults.retain(|slot| slots.contains_key(slot));
    }

    /// Has something done here after a while.
    pub(super) fn later(&self, delay: Duration, what: Done) {
        let done = self.done.0.clone();
        spawn_local(async move {
            tokio::time::sleep(delay).await;
            // Nobody listens any more only when the process ends.
            let _ = done.send(what);
        });
    }

    fn element(&self, slot: &Slot) -> Option<&Arc<Element>> {
        self.snapshot.at(slot)
    }

    /// What is to be built for a place. A shaper is built when it is needed next.
    fn wanted(&self, worker: usize, slot: &Slot) -> Option<(Arc<Element>, Wanted)> {
        let workers = self.workers.len();
        let element = self.element(slot)?;
        let seat = |name: &Arc<str>, rows: &dyn Fn(&Told) -> Option<Arc<[Row]>>| {
            let pool = self.snapshot.pools.iter().find(|pool| pool.name == *name)?;
            let told = &self.tables.get(name)?.told;
            let place = Place { name, worker, workers, load: &pool.load, rows: &rows(told)? };
            Some((element.seat(&place), Arc::clone(told)))
        };
        let wanted = match slot {
            Slot::Affinity(name) => {
                let (seat, told) = seat(name, &|told| Some(Arc::clone(&told.rows)))?;
                Wanted::Affinity(seat, told)
            }
            Slot::Balancer(name, number) => {
                let (seat, told) = seat(name, &|told| told.shaped.get(*number).cloned())?;
                Wanted::Balancer(seat, told)
            }
            Slot::Router(route) => {
                let mut crossings = self.snapshot.crossings.iter().flatten();
                Wanted::Router(crossings.find(|crossing| crossing.name == *route)?.seat(worker, workers))
            }
            Slot::Shaper(..) => return None,
        };
        Some((Arc::clone(element), wanted))
    }
}

/// An instance to be built: where it will sit, and what it will have been told.
enum Wanted {
    Affinity(Seat, Arc<Told>),
    Balancer(Seat, Arc<Told>),
    Router(Seat),
}

async fn build(registry: &Registry, wanted: Wanted) -> Result<Fresh, BuildError> {
    Ok(match wanted {
        Wanted::Affinity(seat, told) => Fresh::Affinity(Box::new(registry.build(seat).await?), told),
        Wanted::Balancer(seat, told) => Fresh::Balancer(Box::new(registry.build(seat).await?), told),
        Wanted::Router(seat) => Fresh::Router(Box::new(registry.build(seat).await?)),
    })
}

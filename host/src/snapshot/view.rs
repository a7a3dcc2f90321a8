//! A snapshot as one worker serves it.

use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::mpsc::UnboundedSender;

use super::{Crew, Event, Replacement, Routing, Slot, Snapshot, Steering};

/// A snapshot, with this worker's steering of each of its pools.
pub struct View {
    /// What all workers share.
    pub snapshot: Arc<Snapshot>,
    /// One for each pool of the snapshot, at the same position.
    pub steering: Vec<Rc<Steering>>,
    /// By the number of the route: its router, if it has one.
    pub routing: Rc<[Option<Rc<Routing>>]>,
}

impl View {
    /// The first view of a worker, with its instances.
    pub fn first(worker: usize, snapshot: Arc<Snapshot>, crew: Crew, events: &UnboundedSender<Event>) -> Self {
        let Crew { mut pools, routers } = crew;
        let steering = snapshot.pools.iter().map(|pool| {
            let seats = pools.remove(&pool.name);
            Steering::new(worker, events.clone(), Arc::clone(pool), seats)
        });
        let steering = steering.collect();
        let mut routers = routers.into_iter();
        let routing = snapshot.crossings.iter().enumerate().map(|(number, crossing)| {
            let instance = routers.next().flatten();
            let crossing = Arc::clone(crossing.as_ref()?);
            Some(Routing::new(worker, number, crossing, instance, events.clone()))
        });
        let routing = routing.collect();
        Self { steering, routing, snapshot }
    }

    /// The view of `snapshot`, which has the same pools and routes: they keep their instances, their idle connections
    /// and their place in the cycle.
    pub fn next(&self, snapshot: Arc<Snapshot>) -> Self {
        for (steering, pool) in self.steering.iter().zip(&snapshot.pools) {
            steering.apply(Arc::clone(pool));
        }
        Self { steering: self.steering.clone(), routing: Rc::clone(&self.routing), snapshot }
    }

    /// Puts a fresh instance in the place of one that broke.
    pub fn replace(&self, slot: &Slot, replacement: Replacement) {
        match (slot, replacement) {
            (Slot::Router(_, number), Replacement::Router(instance)) => {
                if let Some(Some(routing)) = self.routing.get(*number) {
                    routing.replace(instance);
                }
            }
            (slot, replacement) => {
                if let Some(steering) = self.find(slot.name()) {
                    steering.replace(slot, replacement);
                }
            }
        }
    }

    /// The steering of the pool of this name.
    pub fn find(&self, pool: &str) -> Option<&Rc<Steering>> {
        let position = self.snapshot.pools.iter().position(|known| *known.name == *pool)?;
        self.steering.get(position)
    }
}

//! A snapshot as one worker serves it.

use std::cell::{LazyCell, RefCell};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::mpsc::UnboundedSender;

use super::{Comparison, Crew, Event, Fresh, Ledger, Replacement, Routing, Slot, Snapshot, Steering};
use crate::decide::Fault;

/// A snapshot, with this worker's steering of each of its pools.
pub struct View {
    /// What all workers share.
    pub snapshot: Arc<Snapshot>,
    /// One for each pool of the snapshot, at the same position.
    pub steering: Vec<Rc<Steering>>,
    /// By the number of the route: its router, if it has one.
    pub routing: Rc<[Option<Rc<Routing>>]>,
    /// For what ends after this view has gone.
    pub ledger: Rc<Ledger>,
    /// Pools that are gone, while something goes on there.
    pub left: RefCell<Vec<Rc<Steering>>>,
    worker: usize,
    events: UnboundedSender<Event>,
}

impl View {
    /// The first view of a worker, with its instances.
    pub fn first(worker: usize, snapshot: Arc<Snapshot>, crew: Crew, events: &UnboundedSender<Event>) -> Self {
        let listeners = Vec::new();
        let crossings = Arc::new([]);
        let nothing = Snapshot {
            listeners,
            routes: Arc::clone(&snapshot.routes),
            crossings,
            limiters: Arc::clone(&snapshot.limiters),
            said: Arc::clone(&snapshot.said),
            pools: Vec::new(),
            hash_seed: snapshot.hash_seed,
        };
        let (steering, routing, events) = (Vec::new(), Rc::new([]), events.clone());
        let (ledger, left) = (Ledger::of(&nothing), RefCell::default());
        Self { snapshot: Arc::new(nothing), steering, routing, ledger, left, worker, events }
            .next(snapshot, crew, true)
            .0
    }

    /// The view of `snapshot`: pools and routes of the same name keep what they have, but for the instances that
    /// `crew` brings. Answers also with the faults of those that could not take over; where all is to be `anew`, they are
    /// built once more.
    pub fn next(&self, snapshot: Arc<Snapshot>, mut crew: Crew, anew: bool) -> (Self, Vec<Fault>) {
        let mut refused = Vec::new();
        // Most often all pools are where they were.
        let known: LazyCell<HashMap<&str, &Rc<Steering>>, _> =
            LazyCell::new(|| self.snapshot.pools.iter().map(|pool| &*pool.name).zip(&self.steering).collect());
        let mut steering = Vec::with_capacity(snapshot.pools.len());
        for (position, pool) in snapshot.pools.iter().enumerate() {
            let seats = crew.pools.remove(&pool.name);
            let at_its_place = self.snapshot.pools.get(position).is_some_and(|before| before.name == pool.name);
            let before = if at_its_place { self.steering.get(position) } else { known.get(&*pool.name).copied() };
            match before {
                Some(before) => {
                    refused.extend(before.apply(Arc::clone(pool), seats, anew));
                    steering.push(Rc::clone(before));
                }
                None => steering.push(Steering::new(self.worker, self.events.clone(), Arc::clone(pool), seats)),
            }
        }
        let routing = if Arc::ptr_eq(&self.snapshot.crossings, &snapshot.crossings) {
            Rc::clone(&self.routing)
        } else {
            self.next_routing(&snapshot, crew, anew, &mut refused)
        };
        let mut left = self.left.borrow().clone();
        let are_same = |(known, now): (&Rc<Steering>, &Rc<Steering>)| Rc::ptr_eq(known, now);
        if self.steering.len() > steering.len() || !self.steering.iter().zip(&steering).all(are_same) {
            let there: HashSet<_> = steering.iter().map(Rc::as_ptr).collect();
            for gone in self.steering.iter().filter(|known| !there.contains(&Rc::as_ptr(known))) {
                gone.leave();
                left.push(Rc::clone(gone));
            }
        }
        let left = RefCell::new(left);
        let ledger = self.ledger.next(&snapshot);
        (Self { snapshot, steering, routing, ledger, left, worker: self.worker, events: self.events.clone() }, refused)
    }

    fn next_routing(
        &self,
        snapshot: &Snapshot,
        mut crew: Crew,
        anew: bool,
        refused: &mut Vec<Fault>,
    ) -> Rc<[Option<Rc<Routing>>]> {
        let known = self.snapshot.crossings.iter().zip(&*self.routing);
        let known: HashMap<&str, &Rc<Routing>> =
            known.filter_map(|(crossing, routing)| Some((&*crossing.as_ref()?.name, routing.as_ref()?))).collect();
        let next = snapshot.crossings.iter().map(|crossing| {
            let crossing = crossing.as_ref()?;
            let instance = crew.routers.remove(&crossing.name);
            Some(match known.get(&*crossing.name) {
                Some(before) => {
                    refused.extend(before.apply(Arc::clone(crossing), instance, anew));
                    Rc::clone(before)
                }
                None => Routing::new(self.worker, Arc::clone(crossing), instance, self.events.clone()),
            })
        });
        next.collect()
    }

    /// Puts a fresh instance in an empty place.
    pub fn replace(&self, slot: &Slot, replacement: Replacement) {
        match slot {
            Slot::Router(route) => {
                if let Some(routing) = self.find_route(route) {
                    routing.replace(replacement);
                }
            }
            slot => {
                if let Some(steering) = self.find(slot.name()) {
                    steering.replace(slot, replacement);
                }
            }
        }
    }

    /// Takes the plugin out of a place until it is replaced.
    pub fn suspend(&self, slot: &Slot) {
        match slot {
            Slot::Router(route) => {
                if let Some(routing) = self.find_route(route) {
                    routing.suspend();
                }
            }
            slot => {
                if let Some(steering) = self.find(slot.name()) {
                    steering.suspend(slot);
                }
            }
        }
    }

    /// Compares with the next generation of a plugin in a place from now on.
    pub fn shadow(&self, slot: &Slot, instance: Fresh, comparison: &Arc<Comparison>) {
        match slot {
            Slot::Router(route) => {
                if let Some(routing) = self.find_route(route) {
                    routing.shadow(instance, comparison);
                }
            }
            slot => {
                if let Some(steering) = self.find(slot.name()) {
                    steering.shadow(slot, instance, comparison);
                }
            }
        }
    }

    /// Neither shadows nor reserves of this plugin are needed any more.
    pub fn settle(&self, plugin: &str) {
        self.steering.iter().for_each(|steering| steering.settle(plugin));
        self.routing.iter().flatten().for_each(|routing| routing.settle(plugin));
    }

    /// The steering of the pool of this name.
    pub fn find(&self, pool: &str) -> Option<&Rc<Steering>> {
        let position = self.snapshot.pools.iter().position(|known| *known.name == *pool)?;
        self.steering.get(position)
    }

    fn find_route(&self, route: &str) -> Option<&Rc<Routing>> {
        let is =
            |crossing: &&Option<Arc<super::Crossing>>| crossing.as_ref().is_some_and(|known| *known.name == *route);
        let position = self.snapshot.crossings.iter().position(|crossing| is(&crossing))?;
        self.routing.get(position)?.as_ref()
    }
}

//! How one worker picks a pool where a route has a router.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc::UnboundedSender;

use super::decision::Circumstances;
use super::{Crossing, Event, Place, Slot, Wreck};
use crate::decide::{Destination, Facts, Fault, Keyed, PoolLoad, Router, check_refusal};
use crate::plugin::{RouterInstance, Seat};

/// The router of one route on one worker.
pub struct Routing {
    worker: usize,
    number: usize,
    crossing: Arc<Crossing>,
    instance: RefCell<Option<Box<RouterInstance>>>,
    events: UnboundedSender<Event>,
}

/// Where a request goes.
pub enum Routed {
    /// To the pool at this position of the snapshot.
    Pool(usize),
    /// To the route's own pool.
    Own,
    /// Nowhere: it is refused with this status.
    Refuse(u16),
}

impl Crossing {
    /// A seat for an instance of its router.
    pub fn seat(&self, worker: usize, workers: usize) -> Seat {
        let (load, rows) = (Arc::new(PoolLoad::new(0)), Arc::new([]) as Arc<[_]>);
        let place = Place { name: &self.name, worker, workers, load: &load, rows: &rows };
        Seat { pools: Arc::clone(&self.numbers), ..self.element.seat(&place) }
    }
}

impl Routing {
    /// Of the route of this number.
    pub fn new(
        worker: usize,
        number: usize,
        crossing: Arc<Crossing>,
        instance: Option<Box<RouterInstance>>,
        events: UnboundedSender<Event>,
    ) -> Rc<Self> {
        Rc::new(Self { worker, number, crossing, instance: RefCell::new(instance), events })
    }

    /// Puts a fresh instance in the place of one that broke.
    pub fn replace(&self, instance: Box<RouterInstance>) {
        self.instance.replace(Some(instance));
    }

    /// Picks a pool for `facts`, which come back.
    pub fn route(&self, facts: Box<Facts>, with: &Circumstances<'_>) -> (Box<Facts>, Routed) {
        let mut instance = self.instance.borrow_mut();
        let verdicts = self.crossing.verdicts.of(self.worker);
        let Some(router) = &mut *instance else {
            verdicts.fallbacks.add(1);
            return (facts, Routed::Own);
        };
        let moment = with.moment(router.keys(), &facts);
        let (facts, answer) = router.route(moment, facts);
        let answer = answer.and_then(|destination| self.check(destination));
        let decisions = self.crossing.element.decisions.of(self.worker);
        decisions.times.observe(Instant::now().saturating_duration_since(with.now));
        let routed = match answer {
            Ok(Destination::Pool(position)) => Routed::Pool(self.crossing.pools[position as usize]),
            Ok(Destination::Pass) => Routed::Own,
            Ok(Destination::Refuse(status)) => {
                verdicts.refusals.add(1);
                Routed::Refuse(status)
            }
            Err(fault) => {
                verdicts.fallbacks.add(1);
                decisions.faults[fault.kind as usize].add(1);
                let wreck = instance.take_if(|instance| instance.is_poisoned()).map(|broken| -> Wreck { broken });
                let slot = Slot::Router(Arc::clone(&self.crossing.name), self.number);
                // Control is gone only when the process ends.
                let _ = self.events.send(Event::Faulted { worker: self.worker, slot, fault, wreck });
                Routed::Own
            }
        };
        (facts, routed)
    }

    fn check(&self, destination: Destination) -> Result<Destination, Fault> {
        let pools = self.crossing.pools.len();
        match destination {
            Destination::Pool(position) if position as usize >= pools => {
                Err(Fault::invalid(format!("answered pool {position} of a list of {pools}")))
            }
            Destination::Refuse(status) => check_refusal(status).map(|()| destination),
            destination => Ok(destination),
        }
    }
}

//! How one worker picks a pool where a route has a router.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc::UnboundedSender;

use super::decision::Circumstances;
use super::post::{Changes, Held, Post};
use super::shadow::{Answered, Comparison};
use super::{BreakerState, Crossing, Event, Fresh, Place, Replacement, Slot};
use crate::decide::{Destination, Facts, Fault, Keyed, PoolLoad, Router, check_refusal};
use crate::plugin::{RouterInstance, Seat};

/// The router of one route on one worker. Lives as long as the route's name.
pub struct Routing {
    worker: usize,
    state: RefCell<State>,
    events: UnboundedSender<Event>,
}

/// What changes.
struct State {
    crossing: Arc<Crossing>,
    post: Post<RouterInstance>,
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
    /// The pool at this position of the list that `told` has, which is this one or a later one of the same route.
    fn routed(&self, told: &Self, position: usize) -> Routed {
        if std::ptr::eq(self, told) {
            return Routed::Pool(self.pools[position]);
        }
        let (name, _) = &told.numbers[position];
        let known = self.numbers.iter().position(|(known, _)| known == name);
        known.map_or(Routed::Own, |known| Routed::Pool(self.pools[known]))
    }

    /// A seat for an instance of its router.
    pub fn seat(&self, worker: usize, workers: usize) -> Seat {
        let (load, rows) = (Arc::new(PoolLoad::new(0)), Arc::new([]) as Arc<[_]>);
        let place = Place { name: &self.name, worker, workers, load: &load, rows: &rows };
        Seat { pools: Arc::clone(&self.numbers), ..self.element.seat(&place) }
    }
}

impl Routing {
    /// Without an instance the route's own pool is taken.
    pub fn new(
        worker: usize,
        crossing: Arc<Crossing>,
        instance: Option<Box<RouterInstance>>,
        events: UnboundedSender<Event>,
    ) -> Rc<Self> {
        let held = instance.map(|instance| Held::fresh(instance, &Arc::default()));
        let post = Post::new(Arc::clone(&crossing.element), held);
        Rc::new(Self { worker, state: RefCell::new(State { crossing, post }), events })
    }

    /// Takes the crossing of a new snapshot; `instance` is there where its router is another one. Answers with the
    /// fault of one that could not take over; `anew` as in [`View::next`](super::View::next).
    pub fn apply(&self, crossing: Arc<Crossing>, instance: Option<Box<RouterInstance>>, anew: bool) -> Vec<Fault> {
        let state = &mut *self.state.borrow_mut();
        if Arc::ptr_eq(&state.crossing, &crossing) {
            return Vec::new();
        }
        let slot = Slot::Router(Arc::clone(&crossing.name));
        let mut changes = Changes { anew, ..Changes::of(slot.clone()) };
        let held = instance.map(|instance| Held::fresh(instance, &Arc::default()));
        let stand_in = Post::new(Arc::clone(&crossing.element), None);
        let mut before = vec![std::mem::replace(&mut state.post, stand_in)];
        state.post = Post::of(&crossing.element, held, &mut before, &mut changes);
        before.into_iter().for_each(|post| post.retire(&mut changes));
        state.crossing = crossing;
        if state.post.is_empty() && state.post.element.health.state() == BreakerState::Closed {
            self.send(Event::Vacant { worker: self.worker, slot, wreck: None });
        }
        let Changes { retired, faults, refused, .. } = changes;
        self.send(Event::Retired(Box::new(retired)));
        for (slot, element, fault) in faults {
            self.send(Event::Faulted { worker: self.worker, slot, element, fault, wreck: None });
        }
        refused
    }

    /// Puts a fresh instance in an empty place.
    pub fn replace(&self, replacement: Replacement) {
        let state = &mut *self.state.borrow_mut();
        let Replacement { element, instance } = replacement;
        let left = match instance {
            Fresh::Router(instance) if Arc::ptr_eq(&element, &state.crossing.element) => {
                state.post.take_up(&element, Held::fresh(instance, &Arc::default()))
            }
            instance => Some(instance.into_wreck()),
        };
        if let Some(wreck) = left {
            self.send(Event::Retired(wreck));
        }
    }

    /// Takes the plugin out until it is replaced.
    pub fn suspend(&self) {
        if let Some(held) = self.state.borrow_mut().post.held.take() {
            self.send(Event::Retired(held.into_wreck()));
        }
    }

    /// Compares with the next generation of the plugin from now on.
    pub fn shadow(&self, instance: Fresh, comparison: &Arc<Comparison>) {
        let state = &mut *self.state.borrow_mut();
        let left = match instance {
            Fresh::Router(instance) => {
                let held = Held::fresh(instance, &Arc::default());
                state.post.be_shadowed(held, comparison, self.worker)
            }
            instance => Some(instance.into_wreck()),
        };
        if let Some(wreck) = left {
            self.send(Event::Retired(wreck));
        }
    }

    /// Neither the shadow nor the reserve of this plugin is needed any more.
    pub fn settle(&self, plugin: &str) {
        let state = &mut *self.state.borrow_mut();
        if state.post.element.is_of(plugin) {
            let mut changes = Changes::of(Slot::Router(Arc::clone(&state.crossing.name)));
            state.post.settle(&mut changes);
            self.send(Event::Retired(Box::new(changes.retired)));
        }
    }

    /// Picks a pool for `facts`, which come back; `seen` is what the request's snapshot has in this place.
    pub fn route(&self, facts: Box<Facts>, seen: &Crossing, with: &Circumstances<'_>) -> (Box<Facts>, Routed) {
        let State { crossing, post } = &mut *self.state.borrow_mut();
        let verdicts = crossing.verdicts.of(self.worker);
        let Some(Held { instance: router, .. }) = &mut post.held else {
            verdicts.fallbacks.add(1);
            return (facts, Routed::Own);
        };
        let moment = with.moment(router.keys(), &facts);
        let (mut facts, answer) = router.route(moment, facts);
        let answer = answer.and_then(|destination| check(destination, crossing));
        let decisions = post.element.decisions.of(self.worker);
        let now = Instant::now();
        let took = now.saturating_duration_since(with.now);
        decisions.times.observe(took);
        if let Some(shadow) = &mut post.shadow {
            let moment = with.moment(shadow.held.instance.keys(), &facts);
            let compared;
            (facts, compared) = shadow.held.instance.route(moment, facts);
            let compared = compared.and_then(|destination| check(destination, crossing));
            let answered = |answer: &Result<Destination, Fault>| {
                answer.as_ref().map_or(Answered::Nothing, |destination| (*destination).into())
            };
            shadow.count((answered(&answer), took), (answered(&compared), now.elapsed()));
            if let Err(fault) = compared
                && let Some(shadow) = post.shadow.take()
            {
                let definition = Arc::clone(shadow.held.instance.definition());
                self.send(Event::Shadowed { definition, fault, wreck: shadow.held.into_wreck() });
            }
        }
        let routed = match answer {
            Ok(Destination::Pool(position)) => seen.routed(crossing, position as usize),
            Ok(Destination::Pass) => Routed::Own,
            Ok(Destination::Refuse(status)) => {
                verdicts.refusals.add(1);
                Routed::Refuse(status)
            }
            Err(fault) => {
                verdicts.fallbacks.add(1);
                decisions.faults[fault.kind as usize].add(1);
                let (element, wreck) = (Arc::clone(&post.element), post.take_broken());
                let slot = Slot::Router(Arc::clone(&crossing.name));
                self.send(Event::Faulted { worker: self.worker, slot, element, fault, wreck });
                Routed::Own
            }
        };
        (facts, routed)
    }

    fn send(&self, event: Event) {
        // Control is gone only when the process ends.
        let _ = self.events.send(event);
    }
}

fn check(destination: Destination, crossing: &Crossing) -> Result<Destination, Fault> {
    let pools = crossing.pools.len();
    match destination {
        Destination::Pool(position) if position as usize >= pools => {
            Err(Fault::invalid(format!("answered pool {position} of a list of {pools}")))
        }
        Destination::Refuse(status) => check_refusal(status).map(|()| destination),
        destination => Ok(destination),
    }
}

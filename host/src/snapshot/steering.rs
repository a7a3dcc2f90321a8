//! How one worker steers one pool: its members, the plugins' instances, and what those were told.
//!
//! What is true (the pool as last applied) and what plugins were told may differ for a while, when a table takes long
//! to be told. Decisions are in [`decision`](super::decision).

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Instant;

use smallvec::SmallVec;
use tokio::sync::mpsc::UnboundedSender;

use super::members::carried;
use super::post::{Changes, Held, Holder, Learned, NOTICED, Post};
use super::shadow::Comparison;
use super::{BreakerState, Element, Event, Fresh, Policy, Pool, Replacement, Seats, Slot, Told, Wreck};
use crate::decide::{Fault, Readiness};
use crate::plugin::{AffinityInstance, BalancerInstance, Cost};
use crate::pool::budget::Budget;
use crate::pool::outbox::Outbox;
use crate::pool::{Backend, Member, Site};

/// The steering of one pool on one worker. Lives as long as the pool's name.
pub struct Steering {
    pub(super) worker: usize,
    pub(super) site: Rc<Site>,
    pub(super) state: RefCell<State>,
    events: UnboundedSender<Event>,
}

/// What changes.
pub(super) struct State {
    pub(super) pool: Arc<Pool>,
    /// Of the pool as it is.
    pub(super) members: Rc<[Rc<Member>]>,
    /// What they are to the fallback: who has no weight takes no new client.
    pub(super) readiness: Vec<Readiness>,
    pub(super) known: Known,
    pub(super) affinity: Option<Post<AffinityInstance>>,
    /// One for each balancer of the pool's chain.
    pub(super) balancers: Vec<Post<BalancerInstance>>,
    /// Who drains or was removed, and will be cut off.
    pub(super) leaving: Vec<Weak<Member>>,
    /// Of the fallback.
    pub(super) cursor: u32,
    /// When plugins were last told the time, and that time: Unix, in microseconds.
    pub(super) clock: (Instant, u64),
}

/// What plugins were told, and what their answers point into.
pub(super) struct Known {
    pub(super) told: Arc<Told>,
    pub(super) members: Rc<[Rc<Member>]>,
    pub(super) readiness: Vec<Readiness>,
}

impl Steering {
    /// Without an instance the next in the chain decides, after the last the fallback.
    pub fn new(worker: usize, events: UnboundedSender<Event>, pool: Arc<Pool>, seats: Option<Seats>) -> Rc<Self> {
        let (name, reports) = (Arc::clone(&pool.name), events.clone());
        let report = move |backend: &Arc<Backend>, report| {
            // Control is gone only when the process ends.
            let _ = reports.send(Event::Reported { pool: Arc::clone(&name), backend: Arc::clone(backend), report });
        };
        let site = Site {
            worker,
            load: Arc::clone(&pool.load),
            capacity: Arc::clone(&pool.capacity),
            is_limited: Cell::default(),
            outbox: Outbox::default(),
            limits: Cell::default(),
            budget: Budget::new(&pool.policy.retry),
            tls: RefCell::new(pool.policy.tls.clone()),
            left: Cell::default(),
            report: Box::new(report),
        };
        let state = State {
            members: Rc::new([]),
            readiness: Vec::new(),
            known: Known { told: Arc::default(), members: Rc::new([]), readiness: Vec::new() },
            affinity: None,
            balancers: Vec::new(),
            leaving: Vec::new(),
            cursor: 0,
            clock: (Instant::now(), 0),
            pool,
        };
        let steering = Self { worker, site: Rc::new(site), state: RefCell::new(state), events };
        {
            let state = &mut *steering.state.borrow_mut();
            steering.set_members(state);
            steering.set_readiness(state);
            if let Some(seats) = &seats {
                steering.set_known(state, Arc::clone(&seats.told));
            }
            steering.fill(state, seats, true);
        }
        Rc::new(steering)
    }

    /// What the pool's members have in common here.
    pub fn site(&self) -> &Rc<Site> {
        &self.site
    }

    /// The pool as last applied.
    pub fn pool(&self) -> Arc<Pool> {
        Arc::clone(&self.state.borrow().pool)
    }

    /// The members of the pool as it is.
    pub fn members(&self) -> Rc<[Rc<Member>]> {
        Rc::clone(&self.state.borrow().members)
    }

    /// Takes the pool of a new snapshot, and tells the plugins what changed, if they are to be told at once. Where
    /// its chain is another, `seats` has the instances that are new. Answers with the faults of those that could not
    /// take over; `anew` as in [`View::next`](super::View::next).
    pub fn apply(&self, pool: Arc<Pool>, seats: Option<Seats>, anew: bool) -> Vec<Fault> {
        let state = &mut *self.state.borrow_mut();
        if Arc::ptr_eq(&state.pool, &pool) && seats.is_none() {
            return Vec::new();
        }
        let before = std::mem::replace(&mut state.pool, pool);
        let Policy { tls, protocol, .. } = &state.pool.policy;
        if before.policy.tls != *tls || before.policy.protocol != *protocol {
            // Of an unchanged one, control hands on the same.
            self.site.tls.replace(tls.clone());
            state.members.iter().for_each(|member| member.renounce());
        }
        if before.membership != state.pool.membership {
            self.set_members(state);
        }
        self.set_readiness(state);
        let told = state.pool.told.clone();
        if told.is_some() || seats.is_some() {
            // What was learned of the old table is said while its positions still mean something.
            self.deliver_in(state);
        }
        if let Some(told) = told {
            self.set_known(state, told);
        }
        let refused = if Arc::ptr_eq(&before.chain, &state.pool.chain) && seats.is_none() {
            Vec::new()
        } else {
            self.fill(state, seats, anew)
        };
        self.bring_up(state);
        refused
    }

    /// Tells the plugins what was prepared; with `seats`, they are replaced by instances that know it already.
    pub fn tell(&self, told: Arc<Told>, seats: Option<Seats>) {
        let state = &mut *self.state.borrow_mut();
        self.deliver_in(state);
        self.set_known(state, told);
        if seats.is_some() {
            // The chain is the same, so nobody takes over from another generation.
            self.fill(state, seats, true);
        }
        self.bring_up(state);
    }

    /// Puts a fresh instance in an empty place.
    pub fn replace(&self, slot: &Slot, replacement: Replacement) {
        let state = &mut *self.state.borrow_mut();
        let Replacement { element, instance } = replacement;
        let wanted = state.pool.chain.at(slot).is_some_and(|wanted| Arc::ptr_eq(wanted, &element));
        let taken = match (slot, instance) {
            (Slot::Affinity(_), Fresh::Affinity(instance, told)) if wanted => match &mut state.affinity {
                Some(post) => post.take_up(&element, Held::fresh(instance, &told)),
                None => Some(instance as Wreck),
            },
            (Slot::Balancer(_, number), Fresh::Balancer(instance, told)) if wanted => {
                match state.balancers.get_mut(*number) {
                    Some(post) => post.take_up(&element, Held::fresh(instance, &told)),
                    None => Some(instance as Wreck),
                }
            }
            (_, instance) => Some(instance.into_wreck()),
        };
        if let Some(wreck) = taken {
            // The place is taken, or it is another one now.
            self.send(Event::Retired(wreck));
            return;
        }
        self.bring_up(state);
    }

    /// Takes the plugin out of this place until it is replaced.
    pub fn suspend(&self, slot: &Slot) {
        let state = &mut *self.state.borrow_mut();
        let out: Option<Wreck> = match slot {
            Slot::Affinity(_) => state.affinity.as_mut().and_then(|post| post.held.take()).map(Held::into_wreck),
            Slot::Balancer(_, number) => {
                state.balancers.get_mut(*number).and_then(|post| post.held.take()).map(Held::into_wreck)
            }
            _ => None,
        };
        if let Some(wreck) = out {
            self.send(Event::Retired(wreck));
        }
        self.listen_to_outcomes(state);
    }

    /// Compares with the next generation of the plugin in this place from now on.
    pub fn shadow(&self, slot: &Slot, instance: Fresh, comparison: &Arc<Comparison>) {
        let state = &mut *self.state.borrow_mut();
        let shadowed = match (slot, instance) {
            (Slot::Affinity(_), Fresh::Affinity(instance, told)) => match &mut state.affinity {
                Some(post) => post.be_shadowed(Held::fresh(instance, &told), comparison, self.worker),
                None => Some(instance as Wreck),
            },
            (Slot::Balancer(_, number), Fresh::Balancer(instance, told)) => match state.balancers.get_mut(*number) {
                Some(post) => post.be_shadowed(Held::fresh(instance, &told), comparison, self.worker),
                None => Some(instance as Wreck),
            },
            (_, instance) => Some(instance.into_wreck()),
        };
        if let Some(wreck) = shadowed {
            self.send(Event::Retired(wreck));
        }
        self.bring_up(state);
    }

    /// Neither the shadow nor the reserve of this plugin is needed any more.
    pub fn settle(&self, plugin: &str) {
        let state = &mut *self.state.borrow_mut();
        let mut changes = Changes::of(Slot::Affinity(Arc::clone(&state.pool.name)));
        for post in state.affinity.iter_mut().filter(|post| post.element.is_of(plugin)) {
            post.settle(&mut changes);
        }
        for post in state.balancers.iter_mut().filter(|post| post.element.is_of(plugin)) {
            post.settle(&mut changes);
        }
        self.report(state, changes);
    }

    /// Counts a fault, and tells control. An instance that must not be entered again is taken out.
    pub(super) fn failed(&self, state: &mut State, slot: Slot, fault: Fault) {
        let broken = match &slot {
            Slot::Affinity(_) => state.affinity.as_mut().map(|post| (Arc::clone(&post.element), post.take_broken())),
            Slot::Balancer(_, number) => {
                state.balancers.get_mut(*number).map(|post| (Arc::clone(&post.element), post.take_broken()))
            }
            _ => None,
        };
        let Some((element, wreck)) = broken else { return };
        element.decisions.of(self.worker).faults[fault.kind as usize].add(1);
        if wreck.is_some() {
            self.listen_to_outcomes(state);
        }
        self.send(Event::Faulted { worker: self.worker, slot, element, fault, wreck });
    }

    /// A shadow failed: it is out, and control hears of it.
    pub(super) fn shadow_failed<I: Holder>(&self, post: &mut Post<I>, fault: Fault) {
        if let Some(shadow) = post.shadow.take() {
            let definition = Arc::clone(shadow.held.instance.definition());
            self.send(Event::Shadowed { definition, fault, wreck: shadow.held.into_wreck() });
        }
    }

    fn send(&self, event: Event) {
        // Control is gone only when the process ends.
        let _ = self.events.send(event);
    }

    /// Fills the posts of the pool's chain: with `seats` where they have somebody, else with who is there.
    fn fill(&self, state: &mut State, seats: Option<Seats>, anew: bool) -> Vec<Fault> {
        let (chain, name) = (Arc::clone(&state.pool.chain), Arc::clone(&state.pool.name));
        let mut changes = Changes { anew, ..Changes::of(Slot::Affinity(Arc::clone(&name))) };
        let (told, affinity, balancers) = match seats {
            Some(Seats { told, affinity, balancers }) => (told, affinity, balancers),
            None => (Arc::clone(&state.known.told), None, Vec::new()),
        };
        let mut before: Vec<_> = state.affinity.take().into_iter().collect();
        state.affinity = chain.affinity.as_ref().map(|element| {
            let held = affinity.map(|instance| Held::fresh(instance, &told));
            Post::of(element, held, &mut before, &mut changes)
        });
        before.into_iter().for_each(|post| post.retire(&mut changes));
        let mut before = std::mem::take(&mut state.balancers);
        let mut fresh = balancers.into_iter();
        for (number, element) in chain.balancers.iter().enumerate() {
            changes.slot = Slot::Balancer(Arc::clone(&name), number);
            let held = fresh.next().flatten().map(|instance| Held::fresh(instance, &told));
            state.balancers.push(Post::of(element, held, &mut before, &mut changes));
        }
        before.into_iter().for_each(|post| post.retire(&mut changes));
        // Who was to return, and was not there to return.
        let asked = |element: &Element| element.health.state() == BreakerState::Closed;
        let affinity = state
            .affinity
            .iter()
            .map(|post| (Slot::Affinity(Arc::clone(&name)), post.is_empty(), post.element.as_ref()));
        for (slot, _, _) in affinity.filter(|(_, empty, element)| *empty && asked(element)) {
            self.send(Event::Vacant { worker: self.worker, slot, wreck: None });
        }
        for (number, post) in state.balancers.iter().enumerate() {
            if post.is_empty() && asked(&post.element) {
                let slot = Slot::Balancer(Arc::clone(&name), number);
                self.send(Event::Vacant { worker: self.worker, slot, wreck: None });
            }
        }
        self.report(state, changes)
    }

    /// Tells control what came of a change.
    fn report(&self, state: &State, changes: Changes) -> Vec<Fault> {
        let Changes { retired, faults, shadows, refused, .. } = changes;
        if !retired.is_empty() {
            self.send(Event::Retired(Box::new(retired)));
        }
        for (definition, fault, wreck) in shadows {
            self.send(Event::Shadowed { definition, fault, wreck });
        }
        for (slot, element, fault) in faults {
            element.decisions.of(self.worker).faults[fault.kind as usize].add(1);
            self.send(Event::Faulted { worker: self.worker, slot, element, fault, wreck: None });
        }
        self.listen_to_outcomes(state);
        refused
    }

    fn set_known(&self, state: &mut State, told: Arc<Told>) {
        let readiness = told.rows.iter().map(|row| row.readiness).collect();
        let members = if told.membership == state.known.told.membership {
            Rc::clone(&state.known.members)
        } else if told.membership == state.pool.membership {
            Rc::clone(&state.members)
        } else {
            // The pool has changed again since this was prepared: who left meanwhile is known, and down.
            carried(&state.members, told.backends.iter(), |backend| self.member(backend)).0
        };
        for (position, member) in (0..).zip(&*members) {
            member.position.set(position);
        }
        state.known = Known { told, members, readiness };
    }

    /// Tells whoever does not know it what is known, and has empty places filled.
    fn bring_up(&self, state: &mut State) {
        let known = Arc::clone(&state.known.told);
        let name = Arc::clone(&state.pool.name);
        let mut changes = Changes::of(Slot::Affinity(Arc::clone(&name)));
        let mut learned: SmallVec<[(Slot, Learned); 4]> = SmallVec::new();
        if let Some(post) = &mut state.affinity {
            learned.push((changes.slot.clone(), post.learn(&known, &known.rows, &mut changes)));
        }
        for (number, post) in state.balancers.iter_mut().enumerate() {
            let Some(rows) = known.shaped.get(number) else { continue };
            learned.push((Slot::Balancer(Arc::clone(&name), number), post.learn(&known, rows, &mut changes)));
        }
        for (slot, learned) in learned {
            match learned {
                Learned::Known => {}
                Learned::Failed(fault) => self.failed(state, slot, fault),
                Learned::Outdated(wreck) => {
                    self.send(Event::Vacant { worker: self.worker, slot, wreck: Some(wreck) });
                }
            }
        }
        self.report(state, changes);
        self.notice_cost(state);
    }

    fn notice_cost(&self, state: &State) {
        let affinity = state.affinity.iter().filter_map(|post| post.held.as_ref()).map(|held| held.instance.cost());
        let balancers = state.balancers.iter().filter_map(|post| post.held.as_ref()).map(|held| held.instance.cost());
        let cost = affinity.chain(balancers).fold(Cost::default(), Cost::max);
        if cost.update.max(cost.adjust.unwrap_or_default()) > NOTICED {
            let (pool, rows) = (Arc::clone(&state.pool.name), state.known.told.rows.len());
            self.send(Event::Slow { pool, rows, cost });
        }
    }
}

impl Drop for Steering {
    /// What waits in the outbox has members, which have the outbox. Instances are disposed of elsewhere.
    fn drop(&mut self) {
        self.site.outbox.want(false);
        let state = self.state.get_mut();
        let mut changes = Changes::of(Slot::Affinity(Arc::clone(&state.pool.name)));
        state.affinity.take().into_iter().for_each(|post| post.retire(&mut changes));
        state.balancers.drain(..).for_each(|post| post.retire(&mut changes));
        let _ = self.events.send(Event::Retired(Box::new(changes.retired)));
    }
}

impl Known {
    /// Position of a member, if plugins were told of it.
    pub(super) fn position(&self, member: &Rc<Member>) -> Option<u32> {
        let position = member.position.get();
        self.members.get(position as usize).filter(|known| Rc::ptr_eq(known, member)).map(|_| position)
    }
}

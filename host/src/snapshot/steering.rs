//! How one worker steers one pool: its members, the plugins' instances, and what those were told.
//!
//! What is true (the pool as last applied) and what plugins were told may differ for a while, when a table takes long
//! to be told. Decisions are in [`decision`](super::decision).

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;

use super::members::carried;
use super::{Event, Pool, Replacement, Seats, Slot, Told, Wreck, cost};
use crate::decide::{Fault, Readiness, Row, Tabled};
use crate::plugin::{AffinityInstance, BalancerInstance, Cost};
use crate::pool::outbox::Outbox;
use crate::pool::{Backend, Member, Site};

/// Control hears of a table that took longer to be told.
const NOTICED: Duration = Duration::from_micros(500);

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
    pub(super) affinity: Option<Box<AffinityInstance>>,
    pub(super) balancers: Vec<Option<Box<BalancerInstance>>>,
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
        let site = Site { worker, load: Arc::clone(&pool.load), outbox: Outbox::default() };
        let state = State {
            members: Rc::new([]),
            readiness: Vec::new(),
            known: Known { told: Arc::default(), members: Rc::new([]), readiness: Vec::new() },
            affinity: None,
            balancers: pool.chain.balancers.iter().map(|_| None).collect(),
            cursor: 0,
            clock: (Instant::now(), 0),
            pool,
        };
        let steering = Self { worker, site: Rc::new(site), state: RefCell::new(state), events };
        {
            let state = &mut *steering.state.borrow_mut();
            steering.set_members(state);
            state.set_readiness();
            if let Some(seats) = seats {
                steering.put(state, seats);
            }
        }
        Rc::new(steering)
    }

    /// The pool as last applied.
    pub fn pool(&self) -> Arc<Pool> {
        Arc::clone(&self.state.borrow().pool)
    }

    /// The members of the pool as it is.
    pub fn members(&self) -> Rc<[Rc<Member>]> {
        Rc::clone(&self.state.borrow().members)
    }

    /// Takes the pool of a new snapshot, and tells the plugins what changed, if they are to be told at once.
    pub fn apply(&self, pool: Arc<Pool>) {
        let state = &mut *self.state.borrow_mut();
        if Arc::ptr_eq(&state.pool, &pool) {
            return;
        }
        let before = std::mem::replace(&mut state.pool, pool);
        if before.membership != state.pool.membership {
            self.set_members(state);
        }
        state.set_readiness();
        if let Some(told) = state.pool.told.clone() {
            self.tell_in(state, told);
        }
    }

    /// Tells the plugins what was prepared; with `seats`, they are replaced by instances that know it already.
    pub fn tell(&self, told: Arc<Told>, seats: Option<Seats>) {
        let state = &mut *self.state.borrow_mut();
        match seats {
            Some(seats) => self.put(state, seats),
            None => self.tell_in(state, told),
        }
    }

    /// Puts a fresh instance in the place of one that broke.
    pub fn replace(&self, slot: &Slot, replacement: Replacement) {
        let state = &mut *self.state.borrow_mut();
        let known = &state.known.told;
        // What it has not been told must be quick to tell.
        let fits = |told: &Arc<Told>, cost: Cost| {
            Arc::ptr_eq(told, known) || (told.membership == known.membership && cost.update <= NOTICED)
        };
        let (fits, free) = match (slot, &replacement) {
            (Slot::Affinity(_), Replacement::Affinity(instance, told)) => {
                (fits(told, instance.cost()), state.affinity.is_none())
            }
            (Slot::Balancer(_, number), Replacement::Balancer(instance, told)) => {
                (fits(told, instance.cost()), state.balancers.get(*number).is_some_and(Option::is_none))
            }
            _ => (false, false),
        };
        match replacement {
            // All were replaced meanwhile.
            replacement if !free => self.send(Event::Retired(replacement.into_wreck())),
            replacement if !fits => {
                let wreck = replacement.into_wreck();
                self.send(Event::Outdated { worker: self.worker, slot: slot.clone(), wreck });
            }
            Replacement::Affinity(instance, told) => {
                state.affinity = Some(instance);
                if !Arc::ptr_eq(&told, &state.known.told) {
                    self.tell_affinity(state, false);
                }
            }
            Replacement::Balancer(instance, told) => {
                if let Slot::Balancer(_, number) = slot {
                    state.balancers[*number] = Some(instance);
                    if !Arc::ptr_eq(&told, &state.known.told) {
                        self.tell_balancer(state, *number, false);
                    }
                }
            }
            Replacement::Router(_) => {}
        }
        self.listen_to_outcomes(state);
    }

    /// Counts a fault, and tells control. An instance that must not be entered again is taken out.
    pub(super) fn failed(&self, state: &mut State, slot: Slot, fault: Fault) {
        let chain = &state.pool.chain;
        let (element, wreck) = match &slot {
            Slot::Balancer(_, number) => {
                let broken = state.balancers[*number].take_if(|instance| instance.is_poisoned());
                (chain.balancers.get(*number), broken.map(|broken| -> Wreck { broken }))
            }
            _ => {
                let broken = state.affinity.take_if(|instance| instance.is_poisoned());
                (chain.affinity.as_ref(), broken.map(|broken| -> Wreck { broken }))
            }
        };
        if let Some(element) = element {
            element.decisions.of(self.worker).faults[fault.kind as usize].add(1);
        }
        if wreck.is_some() {
            self.listen_to_outcomes(state);
        }
        self.send(Event::Faulted { worker: self.worker, slot, fault, wreck });
    }

    fn send(&self, event: Event) {
        // Control is gone only when the process ends.
        let _ = self.events.send(event);
    }

    /// Keeps the members of backends that stay, retires those of backends that left.
    fn set_members(&self, state: &mut State) {
        let backends = state.pool.members.iter().map(|member| &member.backend);
        let (members, gone) = carried(&state.members, backends, |backend| self.member(backend));
        state.members = members;
        gone.iter().for_each(|member| member.retire());
    }

    fn member(&self, backend: &Arc<Backend>) -> Rc<Member> {
        Rc::new(Member::new(Arc::clone(backend), Rc::clone(&self.site), Readiness::Down))
    }

    fn tell_in(&self, state: &mut State, told: Arc<Told>) {
        // What was learned of the old table is said while its positions still mean something.
        self.deliver_in(state);
        let rebuilt = told.membership != state.known.told.membership;
        self.set_known(state, told);
        self.tell_affinity(state, rebuilt);
        (0..state.balancers.len()).for_each(|number| self.tell_balancer(state, number, rebuilt));
        self.notice_cost(state);
    }

    fn put(&self, state: &mut State, seats: Seats) {
        self.deliver_in(state);
        let Seats { told, affinity, balancers } = seats;
        self.set_known(state, told);
        if let Some(before) = std::mem::replace(&mut state.affinity, affinity) {
            self.send(Event::Retired(before));
        }
        for before in std::mem::replace(&mut state.balancers, balancers).into_iter().flatten() {
            self.send(Event::Retired(before));
        }
        self.listen_to_outcomes(state);
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

    fn tell_affinity(&self, state: &mut State, rebuilt: bool) {
        let State { affinity, known, .. } = state;
        if let Some(instance) = affinity
            && let Err(fault) = tell(&mut **instance, &known.told.rows, rebuilt)
        {
            let slot = Slot::Affinity(Arc::clone(&state.pool.name));
            self.failed(state, slot, fault);
        }
    }

    fn tell_balancer(&self, state: &mut State, number: usize, rebuilt: bool) {
        let State { balancers, known, .. } = state;
        if let (Some(Some(instance)), Some(rows)) = (balancers.get_mut(number), known.told.shaped.get(number))
            && let Err(fault) = tell(&mut **instance, rows, rebuilt)
        {
            let slot = Slot::Balancer(Arc::clone(&state.pool.name), number);
            self.failed(state, slot, fault);
        }
    }

    fn notice_cost(&self, state: &State) {
        let cost = cost(state.affinity.as_deref(), &state.balancers);
        if cost.update.max(cost.adjust.unwrap_or_default()) > NOTICED {
            let (pool, rows) = (Arc::clone(&state.pool.name), state.known.told.rows.len());
            self.send(Event::Slow { pool, rows, cost });
        }
    }
}

/// Tells a table, or a change of one.
fn tell(instance: &mut impl Tabled, rows: &[Row], rebuilt: bool) -> Result<(), Fault> {
    if rebuilt { instance.update(rows) } else { instance.adjust(rows) }
}

impl Drop for Steering {
    /// What waits in the outbox has members, which have the outbox.
    fn drop(&mut self) {
        self.site.outbox.want(false);
    }
}

impl State {
    /// Of each member, as it is.
    fn set_readiness(&mut self) {
        let new_clients = |row: &Row| match row.readiness {
            Readiness::Ready if row.weight == 0 => Readiness::Draining,
            readiness => readiness,
        };
        self.readiness = self.pool.rows.iter().map(new_clients).collect();
        for (member, row) in self.members.iter().zip(&*self.pool.rows) {
            member.readiness.set(row.readiness);
        }
    }
}

impl Known {
    /// Position of a member, if plugins were told of it.
    pub(super) fn position(&self, member: &Rc<Member>) -> Option<u32> {
        let position = member.position.get();
        self.members.get(position as usize).filter(|known| Rc::ptr_eq(known, member)).map(|_| position)
    }
}

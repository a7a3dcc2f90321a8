//! How one worker picks for one pool: a plugin's instance, the table it was last given, and the fallback.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc::UnboundedSender;

use super::{Event, Pool, Seated};
use crate::decide::{Balancer, Facts, Fault, Moment, Readiness, Verdict, check, fallback, key};
use crate::plugin::Instance;
use crate::pool::Member;

/// The steering of one pool on one worker. Lives as long as the pool's name.
pub struct Steering {
    worker: usize,
    events: UnboundedSender<Event>,
    state: RefCell<State>,
}

struct State {
    pool: Arc<Pool>,
    instance: Option<Box<Instance>>,
    /// What the instance's answers point into.
    table: Rc<[Rc<Member>]>,
    readiness: Vec<Readiness>,
    cursor: u32,
}

/// What was decided.
pub enum Picked {
    /// This backend.
    Member(Rc<Member>),
    /// The plugin refuses with this status.
    Refuse(u16),
    /// No backend is ready that was not tried.
    Nobody,
}

/// What a decision is made from, beside the facts.
pub struct Circumstances<'a> {
    /// 64 random bits.
    pub random: u64,
    /// When it is made.
    pub now: Instant,
    /// The same as Unix time in microseconds.
    pub now_us: u64,
    /// Seed of the key hash.
    pub hash_seed: u64,
    /// Where earlier attempts of this request went.
    pub tried: &'a [Rc<Member>],
}

impl Steering {
    /// Without an instance the fallback picks, until [`Steering::replace`].
    pub fn new(worker: usize, events: UnboundedSender<Event>, pool: Arc<Pool>, instance: Option<Seated>) -> Rc<Self> {
        let state = State { pool, instance: None, table: Rc::new([]), readiness: Vec::new(), cursor: 0 };
        let steering = Self { worker, events, state: RefCell::new(state) };
        steering.set_table(&mut steering.state.borrow_mut());
        steering.replace(instance);
        Rc::new(steering)
    }

    /// The pool as last applied.
    pub fn pool(&self) -> Arc<Pool> {
        Arc::clone(&self.state.borrow().pool)
    }

    /// Takes the pool of a new snapshot, and tells the instance what changed.
    pub fn apply(&self, pool: Arc<Pool>) {
        let mut state = self.state.borrow_mut();
        let before = std::mem::replace(&mut state.pool, pool);
        if before.membership != state.pool.membership {
            self.set_table(&mut state);
            self.update(&mut state);
        } else if before.adjustment != state.pool.adjustment {
            state.readiness = state.pool.rows.iter().map(|row| row.readiness).collect();
            self.adjust(&mut state);
        }
    }

    /// Puts a fresh instance in place of the one that is there.
    pub fn replace(&self, seated: Option<Seated>) {
        let mut state = self.state.borrow_mut();
        if let Some(Seated { instance, membership, adjustment }) = seated
            // One that comes late may be of a plugin that the pool no longer uses.
            && Arc::ptr_eq(instance.definition(), &state.pool.balancer)
        {
            state.instance = Some(instance);
            // It was built apart from this worker; the table may have changed since.
            if membership != state.pool.membership {
                self.update(&mut state);
            } else if adjustment != state.pool.adjustment {
                self.adjust(&mut state);
            }
        }
    }

    /// The members of the table.
    pub fn members(&self) -> Rc<[Rc<Member>]> {
        Rc::clone(&self.state.borrow().table)
    }

    /// Picks a backend for `facts`, which come back. Answers also when it was done.
    pub fn pick(&self, mut facts: Box<Facts>, with: &Circumstances<'_>) -> (Box<Facts>, Picked, Instant) {
        let state = &mut *self.state.borrow_mut();
        let decisions = state.pool.decisions.of(self.worker);
        facts.tried.clear();
        for member in with.tried {
            // Rare: a retry. The table may have changed since the attempt before.
            let index = state.table.iter().position(|known| Rc::ptr_eq(known, member));
            facts.tried.extend(index.and_then(|index| u32::try_from(index).ok()));
        }
        let mut ended = with.now;
        let mut verdict = Verdict::Pass;
        if let Some(instance) = &mut state.instance {
            let moment = Moment {
                key: key::hash(instance.keys(), &facts, with.hash_seed),
                random: with.random,
                now_us: with.now_us,
                attempt: u32::try_from(with.tried.len()).unwrap_or(u32::MAX),
            };
            let (back, answer) = instance.pick(moment, facts);
            facts = back;
            let checked = answer.map(|verdict| (verdict, check(verdict, &state.readiness, &facts.tried)));
            ended = Instant::now();
            decisions.times.observe(ended.saturating_duration_since(with.now));
            match checked {
                Ok((answered, Ok(()))) => verdict = answered,
                Ok((_, Err(invalid))) => self.report(&state.pool, invalid, None),
                Err(fault) => {
                    let broken = state.instance.take();
                    self.report(&state.pool, fault, broken);
                }
            }
        }
        let picked = match verdict {
            Verdict::Backend(index) => state.table.get(index as usize).map(|member| Picked::Member(Rc::clone(member))),
            Verdict::Refuse(status) => {
                decisions.refusals.add(1);
                Some(Picked::Refuse(status))
            }
            Verdict::Pass => {
                decisions.fallbacks.add(1);
                fall_back(state, &facts.tried).map(Picked::Member)
            }
        };
        (facts, picked.unwrap_or(Picked::Nobody), ended)
    }

    /// Keeps the members of backends that stay, retires those of backends that left.
    fn set_table(&self, state: &mut State) {
        let before = Rc::clone(&state.table);
        state.table = state
            .pool
            .members
            .iter()
            .map(|now| {
                let known = before.iter().find(|member| Arc::ptr_eq(&member.backend, &now.backend));
                known.cloned().unwrap_or_else(|| Rc::new(Member::new(Arc::clone(&now.backend), self.worker)))
            })
            .collect();
        for member in &*before {
            if !state.table.iter().any(|now| Rc::ptr_eq(now, member)) {
                member.retire();
            }
        }
        state.readiness = state.pool.rows.iter().map(|row| row.readiness).collect();
    }

    fn update(&self, state: &mut State) {
        if let Some(instance) = &mut state.instance
            && let Err(fault) = instance.update(&state.pool.rows)
        {
            let broken = state.instance.take();
            self.report(&state.pool, fault, broken);
        }
    }

    fn adjust(&self, state: &mut State) {
        let weights: Vec<_> = state.pool.rows.iter().map(|row| row.weight).collect();
        if let Some(instance) = &mut state.instance
            && let Err(fault) = instance.adjust(&weights, &state.readiness)
        {
            let broken = state.instance.take();
            self.report(&state.pool, fault, broken);
        }
    }

    fn report(&self, pool: &Pool, fault: Fault, instance: Option<Box<Instance>>) {
        pool.decisions.of(self.worker).faults[fault.kind as usize].add(1);
        // Control is gone only when the process ends.
        let _ = self.events.send(Event::Faulted { worker: self.worker, pool: Arc::clone(&pool.name), fault, instance });
    }
}

/// The fallback; when every ready backend was tried, the backups get their turn.
fn fall_back(state: &mut State, tried: &[u32]) -> Option<Rc<Member>> {
    let mut found = fallback::next(&mut state.cursor, &state.readiness, tried);
    if found.is_none() && !tried.is_empty() {
        let backups: Vec<_> = state
            .pool
            .members
            .iter()
            .map(|member| if member.backup { member.state } else { Readiness::Down })
            .collect();
        found = fallback::next(&mut state.cursor, &backups, tried);
    }
    state.table.get(found? as usize).map(Rc::clone)
}

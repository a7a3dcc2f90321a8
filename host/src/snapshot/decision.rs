//! One decision about a pool's backends: the affinity finds, else the chain picks, else the fallback.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use smallvec::SmallVec;

use super::post::{Held, Holder, Post};
use super::shadow::Answered;
use super::steering::{Known, State};
use super::{Ejection, Slot, Steering, binding};
use crate::decide::{
    Affinity, Balancer, Facts, Fault, Head, Key, Keyed, Moment, Observer, Readiness, Verdict, check, check_found,
    fallback, key,
};
use crate::pool::{self, Claim, Member, Note};
use crate::telemetry::counters::Decisions;

/// What was decided.
pub enum Picked {
    /// This backend.
    Member {
        /// Room at the backend.
        slot: pool::Slot,
        /// Whether the client was bound to it.
        found: bool,
        /// For whoever learns from the attempt.
        note: Note,
    },
    /// A plugin refuses with this status.
    Refuse(u16),
    /// No backend is ready that was not tried.
    Nobody,
    /// There are some, and all of them are full; or this one is, which the client is bound to and would wait for.
    Full(Option<Rc<Member>>),
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

impl Circumstances<'_> {
    /// The moment, for a plugin with these keys.
    pub(super) fn moment(&self, keys: &[Key], facts: &Facts) -> Moment {
        Moment {
            key: key::hash(keys, facts, self.hash_seed),
            random: self.random,
            now_us: self.now_us,
            attempt: u32::try_from(self.tried.len()).unwrap_or(u32::MAX),
        }
    }
}

/// What a decision takes along from plugin to plugin.
struct Course<'a, 'b> {
    with: &'a Circumstances<'b>,
    claim: &'a mut Claim,
    note: Note,
    /// When the last of them had answered.
    clock: Instant,
}

/// What one plugin's answer comes to.
enum Choice {
    Member(pool::Slot),
    /// The client is bound to it, and would wait.
    Full(Rc<Member>),
    Refuse(u16),
    Pass,
}

impl Steering {
    /// Picks a backend for `facts`, which come back, and takes room there. Answers also when it was done.
    pub fn pick(
        &self,
        mut facts: Box<Facts>,
        with: &Circumstances<'_>,
        claim: &mut Claim,
    ) -> (Box<Facts>, Picked, Instant) {
        let state = &mut *self.state.borrow_mut();
        state.known.set_tried(&mut facts, with);
        state.clock = (with.now, with.now_us);
        let note = Note { attempt: u32::try_from(with.tried.len()).unwrap_or(u32::MAX), ..Note::default() };
        let mut course = Course { with, claim, note, clock: with.now };
        let (back, mut choice) = self.find(state, facts, &mut course);
        facts = back;
        let found = matches!(choice, Choice::Member(_));
        for number in 0..state.balancers.len() {
            if !matches!(choice, Choice::Pass) {
                break;
            }
            (facts, choice) = self.ask_balancer(state, number, facts, &mut course);
        }
        let Course { claim, note, clock, .. } = course;
        let fell_back = matches!(choice, Choice::Pass).then(|| fall_back(state, with.tried, claim));
        let verdicts = state.pool.verdicts.of(self.worker);
        let picked = match choice {
            Choice::Member(slot) => {
                if found {
                    verdicts.found.add(1);
                }
                Picked::Member { slot, found, note }
            }
            Choice::Full(member) => Picked::Full(Some(member)),
            Choice::Refuse(status) => {
                verdicts.refusals.add(1);
                Picked::Refuse(status)
            }
            Choice::Pass => match fell_back.unwrap_or(FallBack::Nobody) {
                // It will be decided anew.
                FallBack::Full => Picked::Full(None),
                FallBack::Slot(slot) => {
                    verdicts.fallbacks.add(1);
                    Picked::Member { slot, found: false, note }
                }
                FallBack::Nobody => {
                    verdicts.fallbacks.add(1);
                    Picked::Nobody
                }
            },
        };
        (facts, picked, clock)
    }

    fn find(&self, state: &mut State, facts: Box<Facts>, course: &mut Course<'_, '_>) -> (Box<Facts>, Choice) {
        let State { affinity: Some(post), known, .. } = state else { return (facts, Choice::Pass) };
        let (facts, answer) = self.consult(post, 0, facts, course, |instance, moment, facts| {
            let (facts, answer) = instance.find(moment, facts);
            let is_allowed = |verdict: &Verdict| check_found(*verdict, &known.readiness, &facts.tried);
            let answer = answer.and_then(|verdict| is_allowed(&verdict).map(|()| verdict));
            (facts, answer)
        });
        let choice = answer.map(|verdict| known.choice(verdict, true, course.claim)).unwrap_or_else(|fault| {
            let slot = Slot::Affinity(Arc::clone(&state.pool.name));
            self.failed(state, slot, fault);
            Choice::Pass
        });
        (facts, choice)
    }

    fn ask_balancer(
        &self,
        state: &mut State,
        number: usize,
        facts: Box<Facts>,
        course: &mut Course<'_, '_>,
    ) -> (Box<Facts>, Choice) {
        let State { balancers, known, .. } = state;
        let Some(post) = balancers.get_mut(number) else { return (facts, Choice::Pass) };
        let (facts, answer) = self.consult(post, 1 + number, facts, course, |instance, moment, facts| {
            let (facts, answer) = instance.pick(moment, facts);
            let is_allowed = |verdict: &Verdict| check(*verdict, &known.readiness, &facts.tried);
            let answer = answer.and_then(|verdict| is_allowed(&verdict).map(|()| verdict));
            (facts, answer)
        });
        let choice = answer.map(|verdict| known.choice(verdict, false, course.claim)).unwrap_or_else(|fault| {
            let slot = Slot::Balancer(Arc::clone(&state.pool.name), number);
            self.failed(state, slot, fault);
            Choice::Pass
        });
        (facts, choice)
    }

    /// Asks who holds a post, which is at this place of the chain, and its shadow, whose answer is only compared. `ask`
    /// checks the answer. Who is not there has no opinion.
    fn consult<I: Holder + Keyed + Observer>(
        &self,
        post: &mut Post<I>,
        place: usize,
        facts: Box<Facts>,
        course: &mut Course<'_, '_>,
        ask: impl Fn(&mut I, Moment, Box<Facts>) -> (Box<Facts>, Result<Verdict, Fault>),
    ) -> (Box<Facts>, Result<Verdict, Fault>) {
        let Some(Held { instance, .. }) = &mut post.held else { return (facts, Ok(Verdict::Pass)) };
        let moment = course.with.moment(instance.keys(), &facts);
        if instance.observes() {
            course.note.set_key(place, moment.key);
        }
        let (mut facts, answer) = ask(instance, moment, facts);
        let took = take_time(post.element.decisions.of(self.worker), &mut course.clock);
        if let Some(shadow) = &mut post.shadow {
            let instance = &mut *shadow.held.instance;
            let moment = course.with.moment(instance.keys(), &facts);
            let compared;
            (facts, compared) = ask(instance, moment, facts);
            let deciding = answer.as_ref().map_or(Answered::Nothing, |verdict| (*verdict).into());
            self.compare(post, (deciding, took), compared, &mut course.clock);
        }
        (facts, answer)
    }

    /// Counts what the shadow of a post answered to what was decided. One that failed is out.
    fn compare<I: Holder>(
        &self,
        post: &mut Post<I>,
        deciding: (Answered, Duration),
        compared: Result<Verdict, Fault>,
        clock: &mut Instant,
    ) {
        let Some(shadow) = &post.shadow else { return };
        let now = Instant::now();
        let took = now.saturating_duration_since(std::mem::replace(clock, now));
        shadow.count(deciding, (compared.as_ref().map_or(Answered::Nothing, |verdict| (*verdict).into()), took));
        if let Err(fault) = compared {
            self.shadow_failed(post, fault);
        }
    }

    /// Whether [`Steering::bind`] is to be called for a response.
    pub fn binds(&self) -> bool {
        self.state.borrow().affinity.as_ref().is_some_and(|post| !post.is_empty())
    }

    /// Binds the client to the backend that answered with `head`, to which headers are added. `found` as picked.
    /// Facts and head come back.
    pub fn bind(
        &self,
        mut facts: Box<Facts>,
        mut head: Box<Head>,
        with: &Circumstances<'_>,
        member: &Rc<Member>,
        found: bool,
    ) -> (Box<Facts>, Box<Head>) {
        let state = &mut *self.state.borrow_mut();
        // A backend that plugins do not know, as it came or went meanwhile, binds nobody.
        let (Some(post), Some(backend)) = (&mut state.affinity, state.known.position(member)) else {
            return (facts, head);
        };
        let Some(Held { instance, .. }) = &mut post.held else { return (facts, head) };
        state.known.set_tried(&mut facts, with);
        let moment = with.moment(instance.keys(), &facts);
        let found = found.then_some(backend);
        let answer;
        (facts, head, answer) = instance.bind(moment, facts, head, backend, found);
        if let Some(shadow) = &mut post.shadow {
            // It remembers on its own; what it would add is not compared.
            let moment = with.moment(shadow.held.instance.keys(), &facts);
            let compared;
            (facts, head, compared) = shadow.held.instance.bind(moment, facts, head, backend, found);
            if let Err(fault) = compared {
                self.shadow_failed(post, fault);
            }
        }
        let added = answer.and_then(|wanted| binding::add(&mut head.headers, wanted, &post.element.headers));
        if let Err(fault) = added {
            let slot = Slot::Affinity(Arc::clone(&state.pool.name));
            self.failed(state, slot, fault);
        }
        (facts, head)
    }
}

impl Known {
    /// Where earlier attempts went, as positions of the table that plugins know.
    fn set_tried(&self, facts: &mut Facts, with: &Circumstances<'_>) {
        facts.tried.clear();
        facts.tried.extend(with.tried.iter().filter_map(|member| self.position(member)));
    }

    /// An answer that was checked against what the plugin knows, held against what is true.
    fn choice(&self, verdict: Verdict, bound: bool, claim: &mut Claim) -> Choice {
        let member = match verdict {
            Verdict::Pass => return Choice::Pass,
            Verdict::Refuse(status) => return Choice::Refuse(status),
            Verdict::Backend(index) => self.members.get(index as usize),
        };
        let usable = |member: &&Rc<Member>| match member.readiness.get() {
            Readiness::Ready => true,
            Readiness::Draining => bound && !member.is_cut(),
            Readiness::Down => false,
        };
        let Some(member) = member.filter(usable) else { return Choice::Pass };
        match pool::Slot::take(member, claim) {
            // A trial is taken only by who can go there.
            Some(slot) if member.readiness.get() != Readiness::Ready || member.admits() => Choice::Member(slot),
            Some(_) => Choice::Pass,
            None if bound && claim.is_loyal => Choice::Full(Rc::clone(member)),
            None => Choice::Pass,
        }
    }
}

/// Counts and answers the time since `clock`, which is set to now.
fn take_time(decisions: &Decisions, clock: &mut Instant) -> Duration {
    let now = Instant::now();
    let took = now.saturating_duration_since(std::mem::replace(clock, now));
    decisions.times.observe(took);
    took
}

/// What the fallback has.
enum FallBack {
    Slot(pool::Slot),
    /// All that are ready are full.
    Full,
    Nobody,
}

/// The fallback; when every ready backend was tried, the backups get their turn.
fn fall_back(state: &mut State, tried: &[Rc<Member>], claim: &mut Claim) -> FallBack {
    // Rare: a retry. The plugins' table may be another one.
    let position = |member| state.members.iter().position(|known| Rc::ptr_eq(known, member));
    let tried: SmallVec<[u32; 4]> = tried.iter().filter_map(|member| u32::try_from(position(member)?).ok()).collect();
    let (members, mut full) = (Rc::clone(&state.members), false);
    let mut take = |index: u32| {
        let slot = pool::Slot::take(members.get(index as usize)?, claim);
        full |= slot.is_none();
        slot
    };
    let mut found = fallback::next_with(&mut state.cursor, &state.readiness, &tried, &mut take);
    if found.is_none() && !tried.is_empty() {
        let backups: Vec<_> = state
            .pool
            .members
            .iter()
            .map(|member| match member.condition.ejection {
                Ejection::None if member.backup => member.readiness(),
                _ => Readiness::Down,
            })
            .collect();
        found = fallback::next_with(&mut state.cursor, &backups, &tried, &mut take);
    }
    match found {
        Some(slot) => FallBack::Slot(slot),
        None if full => FallBack::Full,
        None => FallBack::Nobody,
    }
}

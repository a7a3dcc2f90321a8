//! Who of a pool's backends is there on one worker and how each stands: what is true, whatever plugins were told.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use super::members::carried;
use super::steering::State;
use super::{Ejection, Pool, PoolMember, Steering};
use crate::config::Retry;
use crate::decide::{Readiness, Row};
use crate::pool::member::Trial;
use crate::pool::report::Streak;
use crate::pool::{Backend, Member};

impl Steering {
    /// A request has come, and brings a share of a retry.
    pub fn earn_retries(&self, policy: &Retry) {
        self.site.budget.earn(policy);
    }

    /// A request is to go to another backend; whether it may, `by_budget` if that is what the budget is for.
    pub fn affords_retry(&self, by_budget: bool) -> bool {
        let may = !by_budget || self.site.budget.spend();
        let verdicts = &self.state.borrow().pool.verdicts;
        let verdicts = verdicts.of(self.worker);
        if may {
            verdicts.retries.add(1)
        } else {
            verdicts.unaffordable.add(1)
        }
        may
    }

    /// Whether the budget would let a request go to another backend.
    pub fn has_retry(&self) -> bool {
        self.site.budget.has()
    }

    /// Whether a backend is ready that is neither `member` nor among the `tried`.
    pub fn has_another(&self, tried: &[Rc<Member>], member: &Member) -> bool {
        self.state.borrow().members.iter().any(|other| {
            other.readiness.get() == Readiness::Ready
                && !std::ptr::eq(&**other, member)
                && !tried.iter().any(|tried| Rc::ptr_eq(tried, other))
        })
    }

    /// Whether backends have left since this was asked last, or are to be left now.
    pub fn take_left(&self) -> bool {
        self.site.left.take()
    }

    /// Keeps the members of backends that stay, retires those of backends that left.
    pub(super) fn set_members(&self, state: &mut State) {
        let backends = state.pool.members.iter().map(|member| &member.backend);
        let (members, gone) = carried(&state.members, backends, |backend| self.member(backend));
        state.members = members;
        gone.iter().for_each(|member| member.retire());
        state.end_in_time(&gone);
    }

    /// Of each member, as it is now.
    pub(super) fn set_readiness(&self, state: &mut State) {
        state.set_readiness();
        self.set_limits(state);
        let cut = state.pool.policy.recovery.drain_timeout.map(|time| Instant::now() + time);
        for (member, known) in state.members.iter().zip(&state.pool.members) {
            let readiness = known.readiness();
            // In a panic it is asked all the same.
            member.set_left(readiness == Readiness::Down && member.readiness.get() == Readiness::Down);
            // Whether it is well or not: what was to end, ends.
            let drains = known.state != Readiness::Ready || known.condition.leaving;
            if member.set_cut(cut.filter(|_| drains)) {
                state.leaving.push(Rc::downgrade(member));
            }
        }
        let outlier = state.pool.policy.outlier.as_ref();
        self.site.limits.set(outlier.map_or_else(Default::default, |outlier| {
            Streak::ALL.map(|streak| match streak {
                Streak::Errors => outlier.errors,
                Streak::ConnectErrors => outlier.connect_errors,
                Streak::Timeouts => outlier.timeouts,
            })
        }));
    }

    /// How much each member takes; and who waits for that is told when all workers know.
    fn set_limits(&self, state: &State) {
        let pool = &state.pool;
        let limits = pool.policy.limits;
        self.site.is_limited.set(!pool.is_unlimited());
        for (member, known) in state.members.iter().zip(&pool.members) {
            member.limit.set(limits.at_backend(known.max_requests).unwrap_or(u32::MAX));
        }
        let spots = || Pool::spots(&pool.members, &pool.rows, &limits);
        pool.capacity.applied(self.worker, pool.adjustment, limits.at_pool(), spots);
    }

    /// A member that was not there yet.
    pub(super) fn member(&self, backend: &Arc<Backend>) -> Rc<Member> {
        Rc::new(Member::new(Arc::clone(backend), Rc::clone(&self.site), Readiness::Down))
    }

    /// The pool is gone: what goes on at its backends ends by itself, or when it has drained for long enough.
    pub(super) fn leave(&self) {
        let state = &mut *self.state.borrow_mut();
        let members = Rc::clone(&state.members);
        state.end_in_time(&members);
    }

    /// The same as a [tick](Steering::tick), for a pool that is gone.
    pub fn tick_left(&self, now: Instant) {
        self.cut_off(&mut self.state.borrow_mut(), now);
    }

    /// Whether anything goes on, in a pool that is gone, that is to be cut off.
    pub fn goes_on(&self) -> bool {
        // One is this pool's own.
        self.state.borrow().leaving.iter().any(|member| member.strong_count() > 1)
    }

    /// Cuts off what has drained for long enough.
    pub(super) fn cut_off(&self, state: &mut State, now: Instant) {
        state.leaving.retain(|member| member.upgrade().is_some_and(|member| member.cut_if_due(now)));
    }
}

impl State {
    /// What goes on at these is cut off when they have drained for long enough.
    fn end_in_time(&mut self, members: &[Rc<Member>]) {
        let cut = self.pool.policy.recovery.drain_timeout.map(|time| Instant::now() + time);
        self.leaving.extend(members.iter().filter(|member| member.set_cut(cut)).map(Rc::downgrade));
    }

    /// Of each member, as it is.
    fn set_readiness(&mut self) {
        let new_clients = |row: &Row| match row.readiness {
            Readiness::Ready if row.weight == 0 => Readiness::Draining,
            readiness => readiness,
        };
        self.readiness = self.pool.rows.iter().map(new_clients).collect();
        let is_tried = |member: &PoolMember| member.condition.ejection == Ejection::Trial;
        let rows = self.pool.rows.iter().zip(&self.pool.members);
        // While nobody else is there, a trial would keep all others waiting.
        let others = rows.clone().any(|(row, member)| row.readiness == Readiness::Ready && !is_tried(member));
        for (position, (member, (row, known))) in self.members.iter().zip(rows).enumerate() {
            member.readiness.set(row.readiness);
            let trial = match is_tried(known) {
                true if others => Trial::Alone,
                true => Trial::Open,
                false => Trial::None,
            };
            member.trial.set(trial);
            if trial == Trial::Alone {
                // It is for who decides to try it.
                self.readiness[position] = Readiness::Draining;
            }
        }
    }
}

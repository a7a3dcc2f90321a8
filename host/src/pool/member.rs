//! A backend as one worker knows it: its connections, and what is in flight from here.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Capacity;
use super::backend::Backend;
use super::budget::Budget;
use super::outbox::{Ended, Note, Outbox};
use super::report::{Report, Streak};
use super::sharing::Sharing;
use super::slot::Slot;
use super::upstream::Upstream;
use crate::decide::{OutcomeKind, PoolLoad, Readiness};
use crate::proxy_protocol::Told;
use crate::tls::Connector;

/// Takes a report on a backend to control.
pub type Reporter = dyn Fn(&Arc<Backend>, Report);

/// What the members of a pool on one worker have in common.
pub struct Site {
    /// The worker.
    pub worker: usize,
    /// The pool's numbers, shared by all workers.
    pub load: Arc<PoolLoad>,
    /// The pool's room, shared by all workers.
    pub capacity: Arc<Capacity>,
    /// Whether that is limited, for the pool or any backend.
    pub is_limited: Cell<bool>,
    /// Attempts that ended here.
    pub outbox: Outbox,
    /// Failures in a row that are reported, by [`Streak`]; none: they are not.
    pub limits: Cell<[Option<u32>; Streak::ALL.len()]>,
    /// Retries that the pool can afford here.
    pub budget: Budget,
    /// What connections to its backends are secured by.
    pub tls: RefCell<Option<Arc<Connector>>>,
    /// A backend has left the pool, or is to be left by whoever is still there.
    pub left: Cell<bool>,
    /// Where that is reported.
    pub report: Box<Reporter>,
}

/// A backend on one worker. Lives as long as the backend is in the pool.
pub struct Member {
    /// What all workers share.
    pub backend: Arc<Backend>,
    /// What it is to a pick at this moment, whatever plugins were told.
    pub readiness: Cell<Readiness>,
    /// Position in the table that plugins were told, to be checked there: it may be none, or an old one.
    pub position: Cell<u32>,
    /// Requests that it takes at a time, over all workers; `u32::MAX`: any number.
    pub limit: Cell<u32>,
    /// Whether it was ejected and is to be tried.
    pub trial: Cell<Trial>,
    site: Rc<Site>,
    idle: RefCell<Vec<Waiting>>,
    sharing: Rc<Sharing>,
    /// The backend left the pool: connections that come back are closed.
    retired: Cell<bool>,
    /// It is down, and not only a backup that waits.
    has_left: Cell<bool>,
    /// When what goes on there is cut off.
    cut_at: Cell<Option<Instant>>,
    is_cut: Cell<bool>,
}

/// Whether a backend that was ejected is to be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Trial {
    /// It is not.
    #[default]
    None,
    /// By one request, while others have others.
    Alone,
    /// By whoever comes: there is no other backend.
    Open,
}

struct Waiting {
    upstream: Box<Upstream>,
    since: Instant,
}

impl Member {
    /// Without connections yet.
    pub fn new(backend: Arc<Backend>, site: Rc<Site>, readiness: Readiness) -> Self {
        let (readiness, position, limit) = (Cell::new(readiness), Cell::new(u32::MAX), Cell::new(u32::MAX));
        let (trial, idle, retired) = Default::default();
        let (has_left, cut_at, is_cut) = Default::default();
        let counts = [&backend.connections, &site.capacity.connections].map(Arc::clone);
        let sharing = Rc::new(Sharing::new(counts));
        Self { backend, readiness, position, limit, trial, site, idle, sharing, retired, has_left, cut_at, is_cut }
    }

    /// What it has in common with the pool's others.
    pub(super) fn site(&self) -> &Rc<Site> {
        &self.site
    }

    /// Whether a request that was decided to go here may: of a backend on trial, one.
    pub fn admits(&self) -> bool {
        self.trial.get() != Trial::Alone || self.backend.take_trial()
    }

    /// The worker that this is on.
    pub fn worker(&self) -> usize {
        self.site.worker
    }

    /// Says something of this backend to control.
    pub fn report(&self, report: Report) {
        (self.site.report)(&self.backend, report);
    }

    /// Takes the idle connection that was used last: the least likely to be closed by the backend. Where backends are told
    /// whom a connection is from, one of this `client`.
    pub fn take_idle(&self, client: Option<&Rc<Told>>) -> Option<Box<Upstream>> {
        let mut idle = self.idle.borrow_mut();
        // Most often the last is as good as any.
        let position = idle.iter().rposition(|waiting| waiting.upstream.is_introduced_as(client))?;
        Some(idle.remove(position).upstream)
    }

    /// Its connections of HTTP/2, which requests share.
    pub fn sharing(&self) -> &Rc<Sharing> {
        &self.sharing
    }

    /// Takes back a connection whose response was read to its end; keeps it if another request may follow on
    /// it and there are fewer than `max` idle ones.
    pub fn give_back(&self, mut upstream: Box<Upstream>, now: Instant, max: usize) {
        if let Upstream::Http2(_) = &*upstream {
            drop(upstream);
            return self.sharing.keep(max);
        }
        let mut idle = self.idle.borrow_mut();
        let others_want = || self.backend.connections.is_wanted() || self.site.capacity.connections.is_wanted();
        let is_wanted = self.site.is_limited.get() && others_want();
        let is_current = upstream.is_secured_by(self.site.tls.borrow().as_ref());
        if idle.len() < max && !self.retired.get() && !is_wanted && is_current && upstream.settle() {
            idle.push(Waiting { upstream, since: now });
        }
    }

    /// Closes so many idle connections. Answers how many there were of them.
    pub fn give_up(&self, most: usize) -> usize {
        let mut idle = self.idle.borrow_mut();
        // Those that were used last are the likeliest to be used again.
        let given_up = most.min(idle.len());
        idle.drain(..given_up);
        given_up + self.sharing.close_idle(most - given_up)
    }

    /// What it has is not used for further requests: they are to go by connections of another kind.
    pub fn renounce(&self) {
        self.idle.borrow_mut().clear();
        self.sharing.leave_all();
    }

    /// Closes what has been idle for `timeout`, and what the backend has closed. Answers how many are left.
    pub fn sweep(&self, now: Instant, timeout: Duration) -> usize {
        let mut idle = self.idle.borrow_mut();
        idle.retain_mut(|waiting| {
            now.saturating_duration_since(waiting.since) < timeout
                && !waiting.upstream.is_orphaned()
                && !waiting.upstream.is_stale()
        });
        idle.len() + self.sharing.sweep(now, timeout)
    }

    /// The backend left the pool: what is idle is closed, what is in flight ends by itself.
    pub fn retire(&self) {
        self.retired.set(true);
        self.readiness.set(Readiness::Down);
        self.renounce();
    }

    /// Whether nobody should wait for it any more. One that was removed while it was well still answers.
    pub fn has_left(&self) -> bool {
        self.has_left.get()
    }

    /// Says so.
    pub fn set_left(&self, has_left: bool) {
        if has_left && !self.has_left.get() {
            self.site.left.set(true);
        }
        self.has_left.set(has_left);
    }

    /// From then on what still goes on there (upgraded connections, responses) is cut off; none: it may go on. One that was said
    /// before holds. Whether it was not said before.
    pub fn set_cut(&self, at: Option<Instant>) -> bool {
        let known = self.cut_at.get().filter(|_| at.is_some());
        self.cut_at.set(known.or(at));
        self.is_cut.set(self.is_cut.get() && at.is_some());
        known.is_none() && at.is_some()
    }

    /// Lets time pass. Whether something is still to be cut off later.
    pub fn cut_if_due(&self, now: Instant) -> bool {
        match self.cut_at.get() {
            Some(at) if at <= now => {
                if !self.is_cut.replace(true) {
                    self.site.left.set(true);
                }
                false
            }
            at => at.is_some(),
        }
    }

    /// Whether what goes on there is to end now.
    pub fn is_cut(&self) -> bool {
        self.is_cut.get()
    }
}

/// An attempt in flight at a backend; ends when dropped.
pub struct InFlight {
    slot: Slot,
    began: Instant,
    outcome: OutcomeKind,
    /// Status and latency in microseconds of the response's head.
    head: Option<(u16, u32)>,
    note: Note,
    /// It is the one by which an ejected backend is tried, and that is not decided yet.
    trial: bool,
}

impl InFlight {
    /// Begins at `began`. Unless something else is said, the attempt ends as cancelled.
    pub fn begin(slot: Slot, began: Instant, note: Note) -> Self {
        let trial = slot.member().trial.get() != Trial::None;
        Self { slot, began, outcome: OutcomeKind::Cancelled, head: None, note, trial }
    }

    /// How it will have ended.
    pub fn set_outcome(&mut self, outcome: OutcomeKind) {
        self.outcome = outcome;
    }

    /// The response's head is there, at `now`, and that is how the attempt will have ended. Answers the latency in microseconds.
    pub fn answered(&mut self, status: u16, kind: OutcomeKind, now: Instant) -> u32 {
        let latency = self.microseconds(now);
        self.outcome = kind;
        self.head = Some((status, latency));
        self.decide_trial();
        latency
    }

    /// A connection is made, at `now`, for bytes that are no requests. Answers the latency in microseconds; how the attempt
    /// ends is not known yet.
    pub fn connected(&mut self, now: Instant) -> u32 {
        let latency = self.microseconds(now);
        self.head = Some((0, latency));
        latency
    }

    /// The backend has said something on such a connection.
    pub fn is_well(&mut self) {
        self.outcome = OutcomeKind::Success;
        self.decide_trial();
    }

    /// How a backend on trial stands it.
    fn decide_trial(&mut self) {
        if std::mem::take(&mut self.trial) {
            match self.outcome {
                OutcomeKind::Cancelled => self.member().backend.offer_trial(),
                OutcomeKind::Success | OutcomeKind::ClientError => self.member().report(Report::Tried { well: true }),
                _ => self.member().report(Report::Tried { well: false }),
            }
        }
    }

    /// Where it is in flight.
    pub fn member(&self) -> &Rc<Member> {
        self.slot.member()
    }

    fn microseconds(&self, now: Instant) -> u32 {
        u32::try_from(now.saturating_duration_since(self.began).as_micros()).unwrap_or(u32::MAX)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.decide_trial();
        let member = self.slot.member();
        let site = &member.site;
        if let Some((streak, row)) = member.backend.ended(site.worker, self.outcome)
            && let Some(limit) = site.limits.get()[streak as usize]
            // Each time as many again, should nothing have been done about it.
            && row.is_multiple_of(limit)
        {
            member.report(Report::Failing(streak));
        }
        if site.outbox.is_wanted() {
            let at = Instant::now();
            let (status, latency_us) = self.head.unwrap_or_else(|| (0, self.microseconds(at)));
            let (member, note) = (Rc::clone(member), std::mem::take(&mut self.note));
            site.outbox.push(Ended { member, kind: self.outcome, status, latency_us, at, note });
        }
    }
}

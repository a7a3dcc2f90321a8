//! Where a connection, or a flow of datagrams, that is carried as it is goes to: one route, one decision, and a backend
//! that can be reached. While that fails, others are tried.
//!
//! How a backend is reached is for the caller to say; what is counted of it is in [`passage`](super::passage).

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use super::Proxy;
use super::admission::Admission;
use super::error::Error;
use super::forward::Failed;
use super::goal::{check_rate, cross};
use super::line::Line;
use super::passage::Passage;
use crate::decide::{Facts, Head};
use crate::pool::connect::ConnectError;
use crate::pool::{Backend, InFlight, Member};
use crate::proxy_protocol::Told;
use crate::snapshot::decision::{Circumstances, Picked};
use crate::snapshot::{Listener, Steering, View};

/// A backend, and what it was reached by.
pub(super) struct Destination<T> {
    /// Such as a socket.
    pub(super) reached: T,
    /// The backend.
    pub(super) member: Rc<Member>,
    /// While this is held, its members are told of time, even of a pool that is gone.
    _steering: Rc<Steering>,
}

/// What is looked for a destination with.
#[derive(Clone, Copy)]
pub(super) struct Search<'a> {
    /// The worker's.
    pub(super) proxy: &'a Rc<Proxy>,
    /// Of what is to be carried.
    pub(super) line: &'a Line,
    /// In which it is decided.
    pub(super) view: &'a View,
    /// Position of the listener there.
    pub(super) number: usize,
    /// Whether something is sent as soon as there is a connection.
    pub(super) speaks: bool,
    /// Makes up what backends are told of whom it is from, if they are.
    pub(super) introduction: &'a dyn Fn() -> Rc<Told>,
}

impl Search<'_> {
    /// Decides, reaches a backend by `reach`, and tries others while that fails. `tried` are those before, to which those that
    /// failed are added.
    pub(super) async fn find<T>(
        &self,
        facts: Box<Facts>,
        passage: &mut Passage,
        tried: &mut Vec<Rc<Member>>,
        reach: impl AsyncFn(&Admission<'_>, &Arc<Backend>) -> Result<T, ConnectError>,
    ) -> Result<Destination<T>, Error> {
        let Self { proxy, line, view, number, speaks, introduction } = *self;
        let Some(listener) = view.snapshot.listeners.get(number) else { return Err(Error::NoRoute) };
        let (mut facts, pool) = self.route(listener, facts);
        let number = pool?;
        let (Some(pool), Some(steering)) = (view.snapshot.pools.get(number), view.steering.get(number)) else {
            return Err(Error::NoRoute);
        };
        passage.enter_pool(number);
        let (policy, hash_seed) = (&pool.policy, view.snapshot.hash_seed);
        let introduction = policy.is_personal().then(introduction);
        let introduction = introduction.as_ref();
        let admission = Admission { proxy, line, steering, policy, hash_seed, until: None, speaks, introduction };
        let mut last = if tried.is_empty() { Error::NoBackend } else { Error::Connect };
        match tried.is_empty() {
            true => steering.earn_retries(&policy.retry),
            false if tried.len() > policy.retry.retries as usize => return Err(last),
            false => {}
        }
        loop {
            let mut with = proxy.circumstances(Instant::now(), hash_seed, tried);
            let (back, admitted) = admission.admit(facts, &mut with, &mut passage.place, tried.is_empty()).await;
            facts = back;
            let (picked, began) = admitted?;
            let (slot, found, note) = match picked {
                Picked::Member { slot, found, note } => (slot, found, note),
                Picked::Refuse(status) => return Err(Error::Refused(status)),
                Picked::Nobody | Picked::Full(_) => return Err(last),
            };
            // What has failed before cost the backends nothing.
            if !tried.is_empty() && !steering.affords_retry(false) {
                return Err(last);
            }
            passage.attempted();
            let mut in_flight = InFlight::begin(slot, began, note);
            let member = Rc::clone(in_flight.member());
            let reaching = reach(&admission, &member.backend);
            match admission.unless_left(tried, &member, reaching).await {
                Some(Ok(reached)) => {
                    if steering.binds() {
                        let now = Instant::now();
                        let with = Circumstances { now, now_us: proxy.clock.unix_us(now), ..with };
                        // What it would add to a response is for nobody.
                        let _ = steering.bind(facts, Box::new(Head::default()), &with, &member, found);
                    }
                    passage.reached(in_flight);
                    return Ok(Destination { reached, member, _steering: Rc::clone(steering) });
                }
                failed => {
                    let (outcome, failed) = admission.unconnected(&member.backend, failed.and_then(Result::err));
                    in_flight.set_outcome(outcome);
                    match failed {
                        Failed::Elsewhere(error, _) if tried.len() < policy.retry.retries as usize => last = error,
                        Failed::Elsewhere(error, _) | Failed::Final(error) => return Err(error),
                    }
                }
            }
            tried.push(member);
        }
    }

    /// The position of the pool: by the routes and their routers, or by the listener. `facts` come back.
    fn route(&self, listener: &Listener, facts: Box<Facts>) -> (Box<Facts>, Result<usize, Error>) {
        let Self { proxy, view, number, .. } = *self;
        if let Err(error) = check_rate(listener.limiter.as_deref(), &facts, proxy.worker) {
            return (facts, Err(error));
        }
        let snapshot = &view.snapshot;
        let Some(route) = snapshot.routes.find_for_connection(number, &facts) else {
            return (facts, listener.pool.ok_or(Error::NoRoute));
        };
        if !route.access().permits(facts.client.map(|client| client.ip())) {
            return (facts, Err(Error::Denied));
        }
        let limiter = snapshot.limiters.get(route.number).and_then(Option::as_ref);
        if let Err(error) = check_rate(limiter.map(|limit| &*limit.limiter), &facts, proxy.worker) {
            return (facts, Err(error));
        }
        match route.pool {
            Some(own) => cross(proxy, view, route, own, facts),
            None => (facts, Err(Error::NoRoute)),
        }
    }
}

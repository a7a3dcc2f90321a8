//! A route that a router steers, as the host would drive it.

use super::facts::pools::set_pools;
use super::{PoolNumbers, Request, clock, facts, handoff, instance, key, with_request};
use crate::slot::Slot;
use crate::{Destination, Handoff, Moment, Plan, Router};

/// A route between pools and one instance of its router. An answer that the host would not take panics.
pub struct Route<R: Router> {
    slot: Slot<R>,
    settings: String,
    plan: Plan,
    pools: Vec<(String, PoolNumbers)>,
    chances: Box<dyn Iterator<Item = u64>>,
    /// What the following decisions are about. Its `key_bytes` are found by the router's plan unless they are set.
    pub request: Request,
}

impl<R: Router> Route<R> {
    /// A route between these pools, each with one ready backend. The thread's facts start afresh.
    ///
    /// # Panics
    ///
    /// When the router refuses the settings.
    pub fn new(settings: &str, pools: &[&str]) -> Self {
        facts::reset();
        let names: Vec<String> = pools.iter().map(|pool| (*pool).to_owned()).collect();
        let (slot, plan) = start(settings, &names);
        let pools = names.into_iter().map(|name| (name, PoolNumbers { ready: 1, in_flight: 0 })).collect();
        Self {
            slot,
            settings: settings.to_owned(),
            plan,
            pools,
            chances: Box::new(super::keys(2)),
            request: Request::get("/"),
        }
    }

    /// Sets the numbers of a pool.
    ///
    /// # Panics
    ///
    /// When there is no such pool.
    pub fn set(&mut self, pool: &str, ready: u32, in_flight: u32) {
        match self.pools.iter_mut().find(|(name, _)| name == pool) {
            Some((_, numbers)) => *numbers = PoolNumbers { ready, in_flight },
            None => panic!("no pool `{pool}`"),
        }
    }

    /// What the router wants from the host.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The name of the pool that the request goes to; none for `pass`.
    ///
    /// # Panics
    ///
    /// When the answer is a refusal, or one that the host would not take.
    pub fn route(&mut self) -> Option<String> {
        match self.destination() {
            Destination::Pool(position) => Some(self.pools[position as usize].0.clone()),
            Destination::Pass => None,
            Destination::Refuse(status) => panic!("refused with {status}"),
        }
    }

    /// So many decisions, as names separated by spaces; `-` for `pass`.
    pub fn routes(&mut self, count: usize) -> String {
        let routes: Vec<_> = (0..count).map(|_| self.route().unwrap_or_else(|| "-".to_owned())).collect();
        routes.join(" ")
    }

    /// The router's answer.
    ///
    /// # Panics
    ///
    /// When the host would not take it: out of range, or a status outside 400 to 599.
    pub fn destination(&mut self) -> Destination {
        set_pools(self.pools.iter().map(|(_, numbers)| *numbers).collect());
        let key_bytes = self.request.key_bytes.clone().or_else(|| key::bytes(&self.plan.keys, &self.request));
        let key = key_bytes.as_deref().map(key::hash);
        let random = self.chances.next().unwrap_or_default();
        let moment = Moment { key, random, now_us: clock::step(), attempt: 0 };
        let request = Request { key_bytes, ..self.request.clone() };
        let destination = with_request(&request, || self.slot.call(|router| router.route(moment)));
        match destination {
            Destination::Pool(position) => {
                assert!((position as usize) < self.pools.len(), "{destination:?} is invalid");
            }
            Destination::Refuse(status) => assert!((400..600).contains(&status), "{destination:?} is invalid"),
            Destination::Pass => {}
        }
        destination
    }
}

impl<R: Router + Handoff> Route<R> {
    /// A swap to a fresh generation of the same router, which takes up what the instance before it saves.
    ///
    /// # Panics
    ///
    /// When the state is not accepted, or larger than the host hands over.
    pub fn hand_over(&mut self) {
        let names: Vec<String> = self.pools.iter().map(|(name, _)| name.clone()).collect();
        let (slot, plan) = start(&self.settings, &names);
        let state = self.slot.call(handoff::saved);
        slot.call(|router| handoff::restore(router, &state));
        (self.slot, self.plan) = (slot, plan);
    }
}

fn start<R: Router>(settings: &str, pools: &[String]) -> (Slot<R>, Plan) {
    let slot = Slot::new();
    match slot.start(R::configure(settings, &instance(0, 1), pools)) {
        Ok(plan) => (slot, plan),
        Err(reason) => panic!("`configure` refused {settings}: {reason}"),
    }
}

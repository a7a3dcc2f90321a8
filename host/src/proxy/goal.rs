//! Where a request goes: rate limits, the routes, and their routers.

use std::time::Instant;

use super::error::Error;
use super::http::Lane;
use crate::decide::Facts;
use crate::rate::Limiter;
use crate::snapshot::routing::Routed;
use crate::snapshot::{Listener, View};

/// Where a request goes.
pub(super) struct Goal {
    /// The pool.
    pub(super) pool: usize,
    /// Of its body, in bytes.
    pub(super) limit: Option<u64>,
}

impl Lane {
    /// The pool, by the routes and their routers or by the listener, and the limit of the body. `facts` come back.
    pub(super) fn route(
        &self,
        facts: Box<Facts>,
        view: &View,
        (number, listener): (usize, &Listener),
    ) -> (Box<Facts>, Result<Goal, Error>) {
        let limit = listener.limits.max_body_size;
        if let Err(error) = self.check_rate(listener.limiter.as_deref(), &facts) {
            return (facts, Err(error));
        }
        let Some(route) = view.snapshot.routes.find(number, &facts) else {
            return (facts, listener.pool.map(|pool| Goal { pool, limit }).ok_or(Error::NoRoute));
        };
        let client = facts.client.unwrap_or(self.client.peer.address);
        if !route.access().permits(client.ip()) {
            return (facts, Err(Error::Denied));
        }
        let limiter = view.snapshot.limiters.get(route.number).and_then(Option::as_ref);
        if let Err(error) = self.check_rate(limiter.map(|limit| &*limit.limiter), &facts) {
            return (facts, Err(error));
        }
        let limit = route.max_body_size().or(limit);
        let seen = view.snapshot.crossings.get(route.number);
        let (Some(Some(seen)), Some(Some(routing))) = (seen, view.routing.get(route.number)) else {
            return (facts, Ok(Goal { pool: route.pool, limit }));
        };
        let with = self.client.proxy.circumstances(Instant::now(), view.snapshot.hash_seed, &[]);
        let (facts, routed) = routing.route(facts, seen, &with);
        let pool = match routed {
            Routed::Pool(pool) => Ok(Goal { pool, limit }),
            Routed::Own => Ok(Goal { pool: route.pool, limit }),
            Routed::Refuse(status) => Err(Error::Refused(status)),
        };
        (facts, pool)
    }

    /// Whether a request is within a rate limit.
    fn check_rate(&self, limiter: Option<&Limiter>, facts: &Facts) -> Result<(), Error> {
        limiter.map_or(Ok(()), |limiter| limiter.check(facts, self.client.proxy.worker).map_err(Error::RateLimited))
    }
}

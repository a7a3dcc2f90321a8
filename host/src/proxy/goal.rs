//! Where a request goes: rate limits, the routes, and their routers.

use std::time::Instant;

use super::Proxy;
use super::error::Error;
use super::http::Lane;
use super::https;
use crate::config::HttpsRedirect;
use crate::decide::Facts;
use crate::rate::Limiter;
use crate::route::Entry;
use crate::snapshot::routing::Routed;
use crate::snapshot::{Listener, View};

/// Where a request goes.
pub(super) enum Goal {
    /// To a pool.
    Pool {
        /// Its position.
        pool: usize,
        /// Of the request's body, in bytes.
        limit: Option<u64>,
    },
    /// Nowhere: its route answers it.
    Answer,
    /// Nowhere: the client is to come again, by HTTPS.
    Https(HttpsRedirect),
}

/// A route, where one matches, and where the request goes.
pub(super) type Found<'a> = (Option<&'a Entry>, Result<Goal, Error>);

impl Lane {
    /// The pool, by the routes and their routers or by the listener, and the limit of the body. `facts` come back.
    pub(super) fn route<'a>(
        &self,
        facts: Box<Facts>,
        view: &'a View,
        (number, listener): (usize, &Listener),
    ) -> (Box<Facts>, Found<'a>) {
        let limit = listener.limits.max_body_size;
        if let Err(error) = self.check_rate(listener.limiter.as_deref(), &facts) {
            return (facts, (None, Err(error)));
        }
        let route = view.snapshot.routes.find(number, &facts);
        if let Some(redirect) = https::redirect(listener, route, &self.client.peer, &facts) {
            return (facts, (None, Ok(Goal::Https(redirect))));
        }
        let Some(route) = route else {
            return (facts, (None, listener.pool.map(|pool| Goal::Pool { pool, limit }).ok_or(Error::NoRoute)));
        };
        let client = facts.client.or(self.client.peer.address);
        if !route.access().permits(client.map(|client| client.ip())) {
            return (facts, (Some(route), Err(Error::Denied)));
        }
        let limiter = view.snapshot.limiters.get(route.number).and_then(Option::as_ref);
        if let Err(error) = self.check_rate(limiter.map(|limit| &*limit.limiter), &facts) {
            return (facts, (Some(route), Err(error)));
        }
        let Some(pool) = route.pool else {
            return (facts, (Some(route), Ok(Goal::Answer)));
        };
        let limit = route.max_body_size().or(limit);
        let (facts, pool) = cross(&self.client.proxy, view, route, pool, facts);
        (facts, (Some(route), pool.map(|pool| Goal::Pool { pool, limit })))
    }

    /// Whether a request is within a rate limit.
    fn check_rate(&self, limiter: Option<&Limiter>, facts: &Facts) -> Result<(), Error> {
        check_rate(limiter, facts, self.client.proxy.worker)
    }
}

/// The pool that a route's router picks, or else its `own`. `facts` come back.
pub(super) fn cross(
    proxy: &Proxy,
    view: &View,
    route: &Entry,
    own: usize,
    facts: Box<Facts>,
) -> (Box<Facts>, Result<usize, Error>) {
    let crossing = view.snapshot.crossings.get(route.number);
    let (Some(Some(seen)), Some(Some(routing))) = (crossing, view.routing.get(route.number)) else {
        return (facts, Ok(own));
    };
    let with = proxy.circumstances(Instant::now(), view.snapshot.hash_seed, &[]);
    let (facts, routed) = routing.route(facts, seen, &with);
    let pool = match routed {
        Routed::Pool(pool) => Ok(pool),
        Routed::Own => Ok(own),
        Routed::Refuse(status) => Err(Error::Refused(status)),
    };
    (facts, pool)
}

/// Whether what `facts` describe is within a rate limit.
pub(super) fn check_rate(limiter: Option<&Limiter>, facts: &Facts, worker: usize) -> Result<(), Error> {
    limiter.map_or(Ok(()), |limiter| limiter.check(facts, worker).map_err(Error::RateLimited))
}

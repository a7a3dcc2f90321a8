//! One request through its attempts: pick, try one backend, and another while that may be.
//!
//! How one backend is tried is in `attempt`.

use std::rc::Rc;
use std::time::Instant;

use http::header::{CONTENT_TYPE, UPGRADE};
use http::{Method, Response, StatusCode};
use hyper::body::{Body as _, Incoming};

use super::admission::Admission;
use super::error::Error;
use super::exchange::Exchange;
use super::grpc;
use super::replay::Payload;
use super::rules::Scope;
use super::websocket::Switch;
use crate::config::Retry;
use crate::decide::{Facts, Head};
use crate::pool::{InFlight, Member, Upstream};
use crate::snapshot::decision::{Circumstances, Picked};

/// A backend's response, and what it came by.
pub struct Answer {
    /// Its head, and the body still to come.
    pub response: Response<Incoming>,
    /// The connection that the body comes by.
    pub upstream: Box<Upstream>,
    /// The attempt, which ends with the body.
    pub in_flight: InFlight,
    /// When the head was there.
    pub at: Instant,
}

impl Answer {
    /// Nobody wants it. A body is not waited for: its connection is closed.
    fn discard(self, max_idle: usize) {
        if self.response.body().is_end_stream() {
            self.in_flight.member().give_back(self.upstream, self.at, max_idle);
        }
    }
}

/// What a request is forwarded with.
pub struct Forward<'a> {
    /// To a backend.
    pub admission: Admission<'a>,
    /// Whose rules the request is sent by.
    pub scope: Scope<'a>,
    /// To go on with another protocol.
    pub switch: Option<&'a Switch>,
}

/// Where a failed attempt leaves the request.
pub(super) enum Failed {
    /// It may go to another backend.
    Elsewhere(Error, Cost),
    /// It may not.
    Final(Error),
}

/// What it is to send a request to another backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cost {
    /// The first has nothing of it, or is gone: backends do no more than they would have done.
    Nothing,
    /// Both may be at work for it, so it is one of those that the pool's budget is for.
    Retry,
}

/// What the client gets if no other backend is tried: an answer, and whether the client was bound to that backend.
type Last = Result<(Answer, bool), Error>;

impl Forward<'_> {
    /// Sends the request that `facts` describe until a backend answers. `facts` come back.
    ///
    /// # Errors
    /// The error of the last attempt, when no backend answers.
    pub async fn run(
        &self,
        mut facts: Box<Facts>,
        mut payload: Payload,
        exchange: &mut Exchange,
    ) -> (Box<Facts>, Result<Answer, Error>) {
        let Admission { proxy, steering, policy, hash_seed, .. } = self.admission;
        let retry = &policy.retry;
        steering.earn_retries(retry);
        let mut tried: Vec<Rc<Member>> = Vec::new();
        let mut last: Last = Err(Error::NoBackend);
        let mut cost = Cost::Nothing;
        let mut now = Instant::now();
        loop {
            // A backend that is asked when nobody waits any more only loses its time.
            if last.is_err() && self.admission.is_over() {
                return (facts, Err(Error::RequestTimeout));
            }
            let mut with = proxy.circumstances(now, hash_seed, &tried);
            // With an answer in hand, even an unwanted one, nobody waits for a better one.
            let (back, admitted) = self.admission.admit(facts, &mut with, exchange.place(), last.is_err()).await;
            facts = back;
            let (slot, found, note, began) = match admitted {
                Ok((Picked::Member { slot, found, note }, began)) => (slot, found, note, began),
                Ok((Picked::Refuse(status), _)) => return (facts, Err(Error::Refused(status))),
                Ok((Picked::Nobody | Picked::Full(_), _)) => return self.conclude(facts, last, with),
                Err(error) => return (facts, Err(error)),
            };
            let member = Rc::clone(slot.member());
            // Only now it is known that there is another.
            if !tried.is_empty() && !steering.affords_retry(cost == Cost::Retry) {
                drop(slot);
                return self.conclude(facts, last, with);
            }
            if let Ok((answer, _)) = last {
                answer.discard(policy.max_idle);
            }
            exchange.attempted();
            let in_flight = InFlight::begin(slot, began, note);
            (last, cost) = match self.attempt(&facts, &mut payload, in_flight, &tried).await {
                Ok(answer) => {
                    let is_last = !is_unwanted(&facts, &answer, retry) || !payload.is_whole();
                    let answer = Ok((answer, found));
                    if is_last {
                        return self.conclude(facts, answer, with);
                    }
                    (answer, Cost::Retry)
                }
                Err(Failed::Final(error)) => return (facts, Err(error)),
                Err(Failed::Elsewhere(error, cost)) => (Err(error), cost),
            };
            if tried.len() >= retry.retries as usize {
                return self.conclude(facts, last, with);
            }
            tried.push(member);
            now = Instant::now();
        }
    }

    /// The last word. The affinity sees the response's head, and may add to it.
    fn conclude(
        &self,
        mut facts: Box<Facts>,
        last: Last,
        with: Circumstances<'_>,
    ) -> (Box<Facts>, Result<Answer, Error>) {
        let (mut answer, found) = match last {
            Ok(answered) => answered,
            Err(error) => return (facts, Err(error)),
        };
        let Admission { proxy, steering, .. } = self.admission;
        if steering.binds() && !is_unasked(&facts, &answer) {
            let headers = std::mem::take(answer.response.headers_mut());
            let head = Box::new(Head { status: answer.response.status().as_u16(), headers });
            let with = Circumstances { now: answer.at, now_us: proxy.clock.unix_us(answer.at), ..with };
            let (back, head) = steering.bind(facts, head, &with, answer.in_flight.member(), found);
            (facts, *answer.response.headers_mut()) = (back, head.headers);
        }
        (facts, Ok(answer))
    }
}

/// Whether a response is one for which another backend is to be asked.
fn is_unwanted(facts: &Facts, answer: &Answer, retry: &Retry) -> bool {
    let status = answer.response.status();
    if retry.statuses.contains(&status.as_u16()) && facts.method.is_idempotent() {
        return true;
    }
    !retry.grpc.is_empty()
        && is_grpc(facts)
        && grpc::told_status(answer.response.headers()).is_some_and(|status| retry.grpc.contains(&status))
}

/// Whether the body of a request is worth keeping.
pub(super) fn may_be_sent_again(facts: &Facts, retry: &Retry) -> bool {
    retry.retries > 0 && (facts.method.is_idempotent() || !retry.grpc.is_empty() && is_grpc(facts))
}

/// Whether this is gRPC, whose calls are all `POST`, by its content type.
pub(super) fn is_grpc(facts: &Facts) -> bool {
    // The method is at hand; headers have to be searched.
    facts.method == Method::POST
        && facts.headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

/// Whether this is a 101 that nobody asked for, which the client will not get.
fn is_unasked(facts: &Facts, answer: &Answer) -> bool {
    answer.response.status() == StatusCode::SWITCHING_PROTOCOLS && !facts.headers.contains_key(UPGRADE)
}

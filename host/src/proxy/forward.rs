//! One request through its attempts: pick, connect, send, and again elsewhere while that may be.

use std::rc::Rc;
use std::time::{Duration, Instant};

use http::header::{HOST, HeaderValue, UPGRADE};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;

use super::Proxy;
use super::error::Error;
use super::exchange::Exchange;
use super::line::{Line, Phase};
use crate::config::Address;
use crate::decide::{Facts, Head, OutcomeKind};
use crate::pool::connect::{ConnectError, connect};
use crate::pool::upstream::{Outgoing, SendError};
use crate::pool::{InFlight, Member, Upstream};
use crate::snapshot::decision::{Circumstances, Picked};
use crate::snapshot::{Policy, Steering};

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

/// What a request is forwarded with.
pub struct Forward<'a> {
    /// The worker's.
    pub proxy: &'a Proxy,
    /// The client's connection.
    pub line: &'a Line,
    /// Of the pool that the request goes to.
    pub steering: &'a Steering,
    /// Of the same pool.
    pub policy: &'a Policy,
    /// Seed of the key hash.
    pub hash_seed: u64,
}

/// Where a failed attempt leaves the request.
enum Failed {
    /// It may go to another backend, with this body.
    Elsewhere(Error, Outgoing),
    /// It may not.
    Final(Error),
}

impl Forward<'_> {
    /// Sends the request that `facts` describe until a backend answers. `facts` come back.
    ///
    /// # Errors
    /// The error of the last attempt, when no backend answers.
    pub async fn run(
        &self,
        mut facts: Box<Facts>,
        mut body: Outgoing,
        exchange: &mut Exchange,
    ) -> (Box<Facts>, Result<Answer, Error>) {
        let mut tried: Vec<Rc<Member>> = Vec::new();
        let mut last = Error::NoBackend;
        let mut now = Instant::now();
        loop {
            let with = self.proxy.circumstances(now, self.hash_seed, &tried);
            let (back, picked, began) = self.steering.pick(facts, &with);
            facts = back;
            let (member, found, note) = match picked {
                Picked::Member { member, found, note } => (member, found, note),
                Picked::Refuse(status) => return (facts, Err(Error::Refused(status))),
                Picked::Nobody => return (facts, Err(last)),
            };
            exchange.attempted();
            let in_flight = InFlight::begin(Rc::clone(&member), began, note);
            match self.attempt(&facts, body, in_flight).await {
                Ok(mut answer) => {
                    if self.steering.binds() && !is_unasked(&facts, &answer) {
                        facts = self.bind(facts, &mut answer, with, found);
                    }
                    return (facts, Ok(answer));
                }
                Err(Failed::Final(error)) => return (facts, Err(error)),
                Err(Failed::Elsewhere(error, same)) => (last, body) = (error, same),
            }
            if tried.len() >= self.policy.retry.retries as usize {
                return (facts, Err(last));
            }
            tried.push(member);
            now = Instant::now();
        }
    }

    /// One backend: on a kept connection if there is one and, if that turns out closed, on a fresh one.
    async fn attempt(&self, facts: &Facts, mut body: Outgoing, mut in_flight: InFlight) -> Result<Answer, Failed> {
        let member = &Rc::clone(in_flight.member());
        let mut upstream = member.take_idle();
        loop {
            let mut connection = match upstream.take() {
                Some(kept) => kept,
                None => match Box::pin(self.open(member)).await {
                    Ok(fresh) => fresh,
                    Err((outcome, error)) => {
                        in_flight.set_outcome(outcome);
                        return Err(Failed::Elsewhere(error, body));
                    }
                },
            };
            let replayable = matches!(body, Outgoing::Empty) && facts.method.is_idempotent();
            let request = request(facts, body, member);
            self.line.await_backend(self.policy.response_timeout);
            let sent = connection.send(request, || self.line.phase() == Phase::Backend && self.line.watch().is_over());
            let failed = match sent.await {
                Ok(response) => {
                    let now = Instant::now();
                    let latency = in_flight.answered(response.status().as_u16(), now);
                    member.backend.load.sample(latency, self.proxy.clock.unix_us(now));
                    return Ok(Answer { response, upstream: connection, in_flight, at: now });
                }
                Err(None) => {
                    in_flight.set_outcome(OutcomeKind::Timeout);
                    return Err(Failed::Final(Error::ResponseTimeout));
                }
                Err(Some(failed)) => failed,
            };
            if let Some(error) = self.line.body_error.take() {
                // It was the client: its outcome stays cancelled.
                return Err(Failed::Final(error));
            }
            body = match again(failed, replayable) {
                Some(same) => same,
                None => {
                    in_flight.set_outcome(OutcomeKind::Reset);
                    return Err(Failed::Final(Error::Reset));
                }
            };
            if !connection.is_reused() {
                in_flight.set_outcome(OutcomeKind::Reset);
                return Err(Failed::Elsewhere(Error::Reset, body));
            }
        }
    }

    /// Lets the affinity see the response's head, and add to it.
    fn bind(&self, facts: Box<Facts>, answer: &mut Answer, with: Circumstances<'_>, found: bool) -> Box<Facts> {
        let head =
            Head { status: answer.response.status().as_u16(), headers: std::mem::take(answer.response.headers_mut()) };
        let with = Circumstances { now: answer.at, now_us: self.proxy.clock.unix_us(answer.at), ..with };
        let (facts, head) = self.steering.bind(facts, Box::new(head), &with, answer.in_flight.member(), found);
        *answer.response.headers_mut() = head.headers;
        facts
    }

    /// A fresh connection.
    async fn open(&self, member: &Member) -> Result<Box<Upstream>, (OutcomeKind, Error)> {
        self.line.enter(Phase::Busy);
        let timeout: Duration = self.policy.connect_timeout;
        let backend = &member.backend;
        match connect(&backend.address, timeout).await {
            Ok(stream) => match Upstream::new(stream).await {
                Ok(upstream) => Ok(Box::new(upstream)),
                Err(_) => Err((OutcomeKind::ConnectError, Error::Connect)),
            },
            Err(error) => {
                tracing::debug!(backend = %backend.id, address = %backend.address_text, %error, "no connection");
                Err(match error {
                    ConnectError::Timeout(_) => (OutcomeKind::Timeout, Error::ConnectTimeout),
                    ConnectError::Io(_) => (OutcomeKind::ConnectError, Error::Connect),
                })
            }
        }
    }
}

/// Whether this is a 101 that nobody asked for, which the client will not get.
fn is_unasked(facts: &Facts, answer: &Answer) -> bool {
    answer.response.status() == StatusCode::SWITCHING_PROTOCOLS && !facts.headers.contains_key(UPGRADE)
}

/// The body to send the request with once more, where it may be sent once more (RFC 9110 §9.2.2).
fn again(failed: SendError, replayable: bool) -> Option<Outgoing> {
    match failed.unsent {
        Some(request) => Some(request.into_body()),
        None if replayable => Some(Outgoing::Empty),
        None => None,
    }
}

fn request(facts: &Facts, body: Outgoing, member: &Member) -> Request<Outgoing> {
    let mut request = Request::new(body);
    *request.method_mut() = facts.method.clone();
    *request.uri_mut() = facts.uri.clone();
    *request.headers_mut() = facts.headers.clone();
    if !facts.headers.contains_key(HOST) {
        // From HTTP/1.0 it may be missing; to HTTP/1.1 it may not (RFC 9112 §3.2).
        let host = match &member.backend.address {
            Address::Unix(_) => HeaderValue::from_static("localhost"),
            _ => HeaderValue::from_str(&member.backend.address_text).unwrap_or(HeaderValue::from_static("localhost")),
        };
        request.headers_mut().insert(HOST, host);
    }
    request
}

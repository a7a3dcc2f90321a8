//! One attempt: one backend, on a connection that is there if one is and, if that turns out closed, on another.
//!
//! How it gets one is in `opening`.

use std::rc::Rc;
use std::time::Instant;

use http::header::{HOST, HeaderValue};
use http::{HeaderMap, Request, StatusCode};

use super::error::Error;
use super::forward::{Answer, Cost, Failed, Forward, is_grpc};
use super::grpc::{self, GRPC_TIMEOUT};
use super::line::Phase;
use super::replay::Payload;
use crate::config::Address;
use crate::decide::{Facts, OutcomeKind};
use crate::pool::upstream::{Outgoing, SendError, http2};
use crate::pool::{InFlight, Member, Upstream};

/// Connections in a row that turn out to be closed, or about to be, before that is held against the backend.
const MOST_STALE: u32 = 3;

impl Forward<'_> {
    /// Tries the backend of `in_flight`; `tried` are those before it.
    pub(super) async fn attempt(
        &self,
        facts: &Facts,
        payload: &mut Payload,
        mut in_flight: InFlight,
        tried: &[Rc<Member>],
    ) -> Result<Answer, Failed> {
        let retry = &self.admission.policy.retry;
        let member = &Rc::clone(in_flight.member());
        let is_idempotent = facts.method.is_idempotent();
        let may_follow = is_idempotent && tried.len() < retry.retries as usize;
        let mut upstream = self.ready_connection(member);
        let mut stale = 0;
        loop {
            let mut connection = match upstream.take() {
                Some(kept) => kept,
                None => match Box::pin(self.open(member, tried, false)).await {
                    Ok(fresh) => fresh,
                    Err(failed) => {
                        in_flight.set_outcome(failed.0);
                        return Err(failed.1);
                    }
                },
            };
            if self.switch.is_some() {
                match Box::pin(self.able(connection, facts, payload, member, tried)).await {
                    Ok(able) => connection = able,
                    Err(failed) => {
                        in_flight.set_outcome(failed.0);
                        return Err(failed.1);
                    }
                }
            }
            let Some(body) = payload.outgoing() else { return Err(Failed::Final(Error::Reset)) };
            let timeout = self.admission.policy.response_timeout;
            let shorter = retry.per_try_timeout.filter(|_| {
                may_follow
                    && retry.timeout
                    && payload.may_come_again()
                    && self.admission.steering.has_retry()
                    && self.is_another(tried, member)
            });
            self.admission
                .line
                .await_backend(shorter.map_or(timeout, |shorter| shorter.min(timeout)), self.admission.left());
            let mut request = request(facts, body, member);
            if let (Some(left), Some(told)) = (self.admission.left(), request.headers_mut().get_mut(GRPC_TIMEOUT)) {
                *told = grpc::remaining(left);
            }
            self.scope.rewrite(&mut request, facts, &member.backend);
            if matches!(*connection, Upstream::Http2(_)) && !http2::has_authority(&request) {
                return Err(Failed::Final(Error::BadHost));
            }
            let asked = match self.switch.map(|switch| self.ask(switch, &mut request, &connection)).transpose() {
                Ok(asked) => asked,
                Err(error) => return Err(Failed::Final(error)),
            };
            let leaves = || may_follow && payload.is_whole() && self.admission.leaves(tried, member);
            // A body that is awaited by a shared connection is not looked at when its time is over.
            let is_late = || {
                matches!(self.admission.line.phase(), Phase::Backend | Phase::Body)
                    && self.admission.line.watch().is_over()
            };
            let failed = match connection.send(request, || is_late() || leaves()).await {
                Ok(mut response) => {
                    let now = Instant::now();
                    if let Some(Err(error)) = asked.map(|asked| asked.settle(&mut response)) {
                        in_flight.set_outcome(OutcomeKind::Reset);
                        return Err(Failed::Final(error));
                    }
                    let kind = kind(facts, response.status(), response.headers());
                    let latency = in_flight.answered(response.status().as_u16(), kind, now);
                    let now_us = self.admission.proxy.clock.unix_us(now);
                    member.backend.load.sample(latency, now_us);
                    if let Some(feedback) = &self.admission.policy.feedback {
                        member.hear(response.headers_mut(), feedback, now_us / 1000);
                    }
                    return Ok(Answer { response, upstream: connection, in_flight, at: now });
                }
                Err(None) if self.admission.line.phase() == Phase::Body && is_late() => {
                    let is_over = self.admission.is_over();
                    return Err(Failed::Final(if is_over { Error::RequestTimeout } else { Error::BodyTimeout }));
                }
                Err(None) => {
                    in_flight.set_outcome(OutcomeKind::Timeout);
                    let may_again = retry.timeout && is_idempotent && payload.is_whole();
                    if leaves() {
                        return Err(Failed::Elsewhere(Error::ResponseTimeout, Cost::Nothing));
                    }
                    connection.suspect();
                    return Err(if self.admission.is_over() {
                        Failed::Final(Error::RequestTimeout)
                    } else if may_again {
                        Failed::Elsewhere(Error::ResponseTimeout, Cost::Retry)
                    } else {
                        Failed::Final(Error::ResponseTimeout)
                    });
                }
                Err(Some(failed)) => failed,
            };
            if let Some(error) = self.admission.line.body_error.take() {
                // It was the client: its outcome stays cancelled.
                return Err(Failed::Final(error));
            }
            let cost = give_back(failed, payload);
            let may_again = payload.is_whole() && (cost == Cost::Nothing || is_idempotent);
            if connection.is_reused() && may_again && stale < MOST_STALE {
                // It was closed while it was idle: that is no failure of the backend.
                stale += 1;
                continue;
            }
            in_flight.set_outcome(OutcomeKind::Reset);
            return Err(match may_again && retry.reset {
                true => Failed::Elsewhere(Error::Reset, cost),
                false => Failed::Final(Error::Reset),
            });
        }
    }

    fn is_another(&self, tried: &[Rc<Member>], member: &Member) -> bool {
        self.admission.steering.has_another(tried, member)
    }
}

/// How an attempt ended that has this response. A gRPC error of the server is one, whatever the HTTP status says.
fn kind(facts: &Facts, status: StatusCode, response: &HeaderMap) -> OutcomeKind {
    let failed = is_grpc(facts) && grpc::is_failure(response);
    if failed { OutcomeKind::ServerError } else { OutcomeKind::of_status(status.as_u16()) }
}

/// Takes back what was not sent of a request. Answers what it is to send it once more.
fn give_back(failed: SendError, payload: &mut Payload) -> Cost {
    match failed.unsent {
        Some(request) => {
            payload.give_back(request.into_body());
            Cost::Nothing
        }
        None if failed.unprocessed => Cost::Nothing,
        None => Cost::Retry,
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

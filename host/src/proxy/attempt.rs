//! One attempt: one backend, on a kept connection if there is one and, if that turns out closed, on a fresh one.

use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use http::header::{HOST, HeaderValue};
use http::{HeaderMap, Request, StatusCode};

use super::error::Error;
use super::forward::{Answer, Cost, Failed, Forward, grpc_status, is_grpc};
use super::grpc::{self, GRPC_TIMEOUT};
use super::line::Phase;
use super::replay::Payload;
use crate::config::Address;
use crate::decide::{Facts, OutcomeKind};
use crate::pool::connect::{ConnectError, is_out_of_descriptors};
use crate::pool::upstream::{Outgoing, SendError};
use crate::pool::{InFlight, Member, Upstream};

impl Forward<'_> {
    /// Tries the backend of `in_flight`; `tried` are those before it.
    pub(super) async fn attempt(
        &self,
        facts: &Facts,
        payload: &mut Payload,
        mut in_flight: InFlight,
        tried: &[Rc<Member>],
    ) -> Result<Answer, Failed> {
        let retry = &self.policy.retry;
        let member = &Rc::clone(in_flight.member());
        let is_idempotent = facts.method.is_idempotent();
        let may_follow = is_idempotent && tried.len() < retry.retries as usize;
        let mut upstream = member.take_idle();
        loop {
            let mut connection = match upstream.take() {
                Some(kept) => kept,
                None => match Box::pin(self.open(member, tried)).await {
                    Ok(fresh) => fresh,
                    Err(failed) => {
                        in_flight.set_outcome(failed.0);
                        return Err(failed.1);
                    }
                },
            };
            let Some(body) = payload.outgoing() else { return Err(Failed::Final(Error::Reset)) };
            let timeout = self.policy.response_timeout;
            let shorter = retry.per_try_timeout.filter(|_| {
                may_follow
                    && retry.timeout
                    && payload.may_come_again()
                    && self.steering.has_retry()
                    && self.is_another(tried, member)
            });
            self.line.await_backend(shorter.map_or(timeout, |shorter| shorter.min(timeout)), self.left());
            let mut request = request(facts, body, member);
            if let (Some(left), Some(told)) = (self.left(), request.headers_mut().get_mut(GRPC_TIMEOUT)) {
                *told = grpc::remaining(left);
            }
            self.scope.rewrite(&mut request, facts, &member.backend);
            let leaves = || may_follow && payload.is_whole() && self.leaves(tried, member);
            let is_late = || self.line.phase() == Phase::Backend && self.line.watch().is_over();
            let failed = match connection.send(request, || is_late() || leaves()).await {
                Ok(mut response) => {
                    let now = Instant::now();
                    let kind = kind(facts, response.status(), response.headers());
                    let latency = in_flight.answered(response.status().as_u16(), kind, now);
                    let now_us = self.proxy.clock.unix_us(now);
                    member.backend.load.sample(latency, now_us);
                    if let Some(feedback) = &self.policy.feedback {
                        member.hear(response.headers_mut(), feedback, now_us / 1000);
                    }
                    return Ok(Answer { response, upstream: connection, in_flight, at: now });
                }
                Err(None) => {
                    in_flight.set_outcome(OutcomeKind::Timeout);
                    let may_again = retry.timeout && is_idempotent && payload.is_whole();
                    return Err(if leaves() {
                        Failed::Elsewhere(Error::ResponseTimeout, Cost::Nothing)
                    } else if self.is_over() {
                        Failed::Final(Error::RequestTimeout)
                    } else if may_again {
                        Failed::Elsewhere(Error::ResponseTimeout, Cost::Retry)
                    } else {
                        Failed::Final(Error::ResponseTimeout)
                    });
                }
                Err(Some(failed)) => failed,
            };
            if let Some(error) = self.line.body_error.take() {
                // It was the client: its outcome stays cancelled.
                return Err(Failed::Final(error));
            }
            let cost = give_back(failed, payload);
            let may_again = payload.is_whole() && (cost == Cost::Nothing || is_idempotent);
            if connection.is_reused() && may_again {
                // It was closed while it was idle: that is no failure of the backend.
                continue;
            }
            in_flight.set_outcome(OutcomeKind::Reset);
            return Err(match may_again && retry.reset {
                true => Failed::Elsewhere(Error::Reset, cost),
                false => Failed::Final(Error::Reset),
            });
        }
    }

    /// A fresh connection; or how the attempt ended, and where that leaves the request.
    async fn open(&self, member: &Member, tried: &[Rc<Member>]) -> Result<Box<Upstream>, (OutcomeKind, Failed)> {
        self.line.enter(Phase::Busy);
        let retry = &self.policy.retry;
        let timeout: Duration = self.policy.connect_timeout.min(self.left().unwrap_or(Duration::MAX));
        let backend = &member.backend;
        let elsewhere = |outcome, error| match retry.connect {
            true => (outcome, Failed::Elsewhere(error, Cost::Nothing)),
            false => (outcome, Failed::Final(error)),
        };
        let mut connecting = pin!(self.connect(backend, timeout));
        let connected = poll_fn(|cx| match connecting.as_mut().poll(cx) {
            Poll::Pending if tried.len() < retry.retries as usize && self.leaves(tried, member) => Poll::Ready(None),
            polled => polled.map(Some),
        });
        match connected.await {
            Some(Ok((stream, connected))) => match Upstream::new(stream, Some(connected)).await {
                Ok(upstream) => Ok(Box::new(upstream)),
                Err(_) => Err(elsewhere(OutcomeKind::ConnectError, Error::Connect)),
            },
            None => Err((OutcomeKind::Timeout, Failed::Elsewhere(Error::ConnectTimeout, Cost::Nothing))),
            // Our fault: nothing is held against the backend, and no other would be of use.
            Some(Err(ConnectError::Io(error))) if is_out_of_descriptors(&error) => {
                Err((OutcomeKind::Cancelled, Failed::Final(Error::OutOfDescriptors)))
            }
            Some(Err(error)) => {
                tracing::debug!(backend = %backend.id, address = %backend.address_text, %error, "no connection");
                Err(match error {
                    ConnectError::Timeout(_) if self.is_over() => {
                        (OutcomeKind::Timeout, Failed::Final(Error::RequestTimeout))
                    }
                    ConnectError::Timeout(_) => elsewhere(OutcomeKind::Timeout, Error::ConnectTimeout),
                    // Our own limit says nothing of the backend.
                    ConnectError::Limit(_) => elsewhere(OutcomeKind::Cancelled, Error::QueueTimeout),
                    ConnectError::Io(_) | ConnectError::Tls(_) => elsewhere(OutcomeKind::ConnectError, Error::Connect),
                })
            }
        }
    }

    /// Whether the backend has left the pool while another may be tried: nobody waits for it then.
    fn leaves(&self, tried: &[Rc<Member>], member: &Member) -> bool {
        member.has_left() && self.is_another(tried, member)
    }

    fn is_another(&self, tried: &[Rc<Member>], member: &Member) -> bool {
        self.steering.has_another(tried, member)
    }
}

/// How an attempt ended that has this response. A gRPC error of the server is one, whatever the HTTP status says.
fn kind(facts: &Facts, status: StatusCode, response: &HeaderMap) -> OutcomeKind {
    /// unknown, deadline-exceeded, internal, unavailable, data-loss
    const SERVER_ERRORS: [u8; 5] = [2, 4, 13, 14, 15];
    let failed = is_grpc(facts) && grpc_status(response).is_some_and(|status| SERVER_ERRORS.contains(&status));
    if failed { OutcomeKind::ServerError } else { OutcomeKind::of_status(status.as_u16()) }
}

/// Takes back what was not sent of a request. Answers what it is to send it once more.
fn give_back(failed: SendError, payload: &mut Payload) -> Cost {
    match failed.unsent {
        Some(request) => {
            payload.give_back(request.into_body());
            Cost::Nothing
        }
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

//! One request, from its head up to the decision where it goes.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use hyper::body::{Body as _, Incoming};

use super::admission::Admission;
use super::body::{Body, RequestBody};
use super::connection::Client;
use super::error::Error;
use super::exchange::{Entry, Exchange};
use super::forward::{Forward, may_be_sent_again};
use super::goal::Goal;
use super::https;
use super::line::{Line, Phase};
use super::replay::Payload;
use super::rules::Scope;
use super::target;
use super::websocket::{self, Switch};
use super::{grpc, headers};
use crate::decide::Facts;
use crate::pool::InFlight;
use crate::pool::upstream::Outgoing;
use crate::route;
use crate::snapshot::{Listener, Pool, View};

/// What plugins are told of a request on a stream of HTTP/2.
pub(super) const HTTP_2: &str = "h2";

/// Where requests come one after the other: an HTTP/1.1 connection, or one stream of HTTP/2.
pub(super) struct Lane {
    pub(super) client: Rc<Client>,
    pub(super) line: Rc<Line>,
    /// As plugins see it: `http/1.1` or `h2`.
    pub(super) protocol: &'static str,
}

/// One request.
pub(super) async fn handle(
    lane: Rc<Lane>,
    request: Request<Incoming>,
) -> Result<Response<Body>, std::convert::Infallible> {
    let began = Instant::now();
    lane.line.begin();
    let client = &lane.client;
    let (view, listener) = (client.door.view(&client.proxy), client.door.number());
    let mut exchange = Exchange::begin(&client.proxy, &lane.line, &view, listener, began);
    let (mut response, in_flight) = lane.answer(&view, listener, request, &mut exchange).await;
    let closes = lane.protocol != HTTP_2 && client.door.is_closed();
    if closes && response.status() != StatusCode::SWITCHING_PROTOCOLS {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        lane.line.stays.set(true);
        if lane.line.unlooked.get() {
            // What was sent for the other protocol must not be taken for requests.
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
    }
    exchange.respond(response.status(), in_flight);
    match &mut *lane.line.tunnel.borrow_mut() {
        Some(tunnel) => tunnel.exchange = Some(exchange),
        None => response.body_mut().ends(exchange),
    }
    lane.line.owed.set(true);
    lane.line.is_answered.set(!matches!(response.body(), Body::Upstream(_)));
    // What remains is the client's: to take the response, and then to ask again.
    lane.line.enter(if response.body().is_end_stream() { Phase::Idle } else { Phase::Response });
    Ok(response)
}

impl Lane {
    async fn answer(
        &self,
        view: &Rc<View>,
        number: usize,
        request: Request<Incoming>,
        exchange: &mut Exchange,
    ) -> (Response<Body>, Option<InFlight>) {
        let Some(listener) = view.snapshot.listeners.get(number) else { return (Error::NoRoute.into_response(), None) };
        let (mut parts, body) = request.into_parts();
        let connecting = match parts.method {
            Method::CONNECT => websocket::receive(&mut parts),
            _ => Ok(None),
        };
        let is_connecting = matches!(connecting, Ok(Some(_)));
        let kept = self.client.facts.borrow_mut().take();
        let mut facts = kept.unwrap_or_else(|| {
            let security = self.client.security.as_ref();
            let told = &self.client.told;
            let sni = security.and_then(|security| security.server_name.clone()).or_else(|| told.server_name.clone());
            let alpn = security.and_then(|security| security.protocol.clone());
            let listener = Arc::clone(&listener.name);
            Box::new(Facts { protocol: self.protocol, listener, sni, alpn, ..Facts::default() })
        });
        (facts.method, facts.uri, facts.headers) = (parts.method, parts.uri, parts.headers);
        facts.tried.clear();
        let prepared = self.prepare(&mut facts, parts.version, listener, exchange);
        let prepared = connecting.and_then(|connecting| Ok(connecting.or(prepared?)));
        let (facts, route, answer) = self.conduct(view, (number, listener), facts, body, prepared, exchange).await;
        let scope = Scope { peer: &self.client.peer, listener, route };
        let (mut response, in_flight) = match answer {
            // The client would take it for the beginning of what it has asked for.
            Ok((response, _)) if is_connecting && response.status().is_success() && !self.line.has_tunnel() => {
                (scope.excuse(Error::BadResponse, &facts, &view.snapshot), None)
            }
            Ok((response, in_flight @ Some(_))) => (scope.intercept(response, &facts, &view.snapshot), in_flight),
            Ok(own) => own,
            Err(error) if self.protocol == HTTP_2 && grpc::is_call(&facts) => (grpc::answer(error), None),
            Err(error) => (scope.excuse(error, &facts, &view.snapshot), None),
        };
        let backend = in_flight.as_ref().map(|attempt| &*attempt.member().backend);
        scope.dress(response.headers_mut(), &facts, backend);
        if facts.method == Method::HEAD
            && let Some(length) = response.body_mut().for_head()
        {
            // hyper leaves bodies out with HTTP/1.1 only.
            response.headers_mut().insert(CONTENT_LENGTH, length.into());
        }
        *self.client.facts.borrow_mut() = Some(facts);
        (response, in_flight)
    }

    /// From the prepared request to the response. `facts` come back.
    async fn conduct<'a>(
        &self,
        view: &'a Rc<View>,
        listener: (usize, &'a Listener),
        facts: Box<Facts>,
        body: Incoming,
        prepared: Result<Option<Switch>, Error>,
        exchange: &mut Exchange,
    ) -> (Box<Facts>, Option<&'a route::Entry>, Result<(Response<Body>, Option<InFlight>), Error>) {
        let snapshot = &view.snapshot;
        let (switch, (facts, (route, goal))) = match prepared {
            Ok(switch) => (switch, self.route(facts, view, listener)),
            Err(error) => (None, (facts, (None, Err(error)))),
        };
        let scope = Scope { peer: &self.client.peer, listener: listener.1, route };
        let (number, limit) = match goal {
            Ok(Goal::Pool { pool, limit }) => (pool, limit),
            other => {
                exchange.enter_pool(None);
                let answer = other.and_then(|goal| match goal {
                    Goal::Https(redirect) => https::response(redirect, &facts),
                    _ => scope.answer(&facts, snapshot),
                });
                return (facts, route, answer.map(|response| (response, None)));
            }
        };
        exchange.enter_pool(Some(number));
        let (Some(pool), Some(steering)) = (snapshot.pools.get(number), view.steering.get(number)) else {
            return (facts, route, Err(Error::NoRoute));
        };
        let payload = match self.payload(&facts, body, limit, pool) {
            Ok(payload) => payload,
            Err(error) => return (facts, route, Err(error)),
        };
        let told = if grpc::is_call(&facts) { grpc::timeout(&facts.headers) } else { None };
        let timeout = pool.policy.request_timeout.into_iter().chain(told).min();
        let until = |timeout: Option<Duration>| timeout.and_then(|timeout| exchange.began().checked_add(timeout));
        let (until, told) = (until(timeout), until(told));
        let introduction = pool.policy.is_personal().then(|| self.client.introduction());
        let forward = Forward {
            admission: Admission {
                proxy: &self.client.proxy,
                line: &self.line,
                steering,
                policy: &pool.policy,
                hash_seed: snapshot.hash_seed,
                speaks: true,
                introduction: introduction.as_ref(),
                until,
            },
            scope,
            switch: switch.as_ref(),
        };
        let (facts, answer) = forward.run(facts, payload, exchange).await;
        (facts, route, answer.and_then(|answer| self.respond(answer, pool, switch, told)))
    }

    /// Checks the request and makes its headers ready to be passed on. Answers the upgrade that it asks for.
    fn prepare(
        &self,
        facts: &mut Facts,
        version: Version,
        listener: &Listener,
        exchange: &mut Exchange,
    ) -> Result<Option<Switch>, Error> {
        let checked = target::normalise(facts, version, listener.paths);
        if version == Version::HTTP_2 {
            headers::join_cookies(&mut facts.headers);
        }
        let checked = checked.and(match facts.headers.len() > listener.limits.max_headers {
            true => Err(Error::HeadTooLarge),
            false => Ok(()),
        });
        let upgrading = headers::end_hop(&mut facts.headers);
        let expected = facts.headers.remove(EXPECT);
        headers::forged::remove(&mut facts.headers, self.client.peer.trusted);
        if let Some(certificate) = &self.client.certificate {
            certificate.set(&mut facts.headers);
        }
        let (trusted, forwarded) = (&listener.trusted_proxies, listener.forwarded);
        facts.client = headers::forward(&mut facts.headers, &self.client.peer, trusted, forwarded);
        let random = || u128::from(self.client.proxy.random()) << 64 | u128::from(self.client.proxy.random());
        headers::request_id(&mut facts.headers, random);
        if self.client.proxy.access_log.is_some() {
            exchange.log(Box::new(Entry {
                client: facts.client.or(self.client.peer.address),
                method: facts.method.clone(),
                uri: facts.uri.clone(),
                request_id: facts.headers.get(headers::X_REQUEST_ID).cloned(),
            }));
        }
        checked?;
        match expected {
            Some(other) if !other.as_bytes().eq_ignore_ascii_case(b"100-continue") => Err(Error::Expectation),
            _ => Ok(upgrading.then_some(Switch::Upgrade)),
        }
    }

    fn payload(&self, facts: &Facts, body: Incoming, limit: Option<u64>, pool: &Pool) -> Result<Payload, Error> {
        if body.is_end_stream() {
            return Ok(Payload::Empty);
        }
        let length = content_length(&facts.headers);
        if let (Some(limit), Some(length)) = (limit, length)
            && length > limit
        {
            return Err(Error::BodyTooLarge);
        }
        let body = RequestBody::new(body, Rc::clone(&self.line), limit);
        let retry = &pool.policy.retry;
        let fits = length.is_none_or(|length| length <= retry.buffer as u64);
        Ok(match fits && may_be_sent_again(facts, retry) {
            true => Payload::kept(body, retry.buffer),
            false => Payload::Once(Some(Outgoing::Stream(Box::pin(body)))),
        })
    }
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

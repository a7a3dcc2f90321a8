//! A client's HTTP/1.1 connection, and each request on it up to the decision where it goes.

use std::cell::RefCell;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;
use std::time::{Duration, Instant};

use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Version};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use socket2::SockRef;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::Proxy;
use super::body::{Body, RequestBody, UpstreamBody};
use super::door::Door;
use super::downstream::Downstream;
use super::error::Error;
use super::exchange::{Entry, Exchange};
use super::forward::{Answer, Forward, may_be_sent_again};
use super::headers::{self, Peer};
use super::line::{Line, Phase};
use super::refusal::{refuse, refuse_shortly, unparsable};
use super::replay::Payload;
use super::target;
use super::upgrade::{self, Tunnel};
use crate::decide::{Facts, OutcomeKind};
use crate::pool::InFlight;
use crate::pool::upstream::Outgoing;
use crate::rate::Limiter;
use crate::snapshot::routing::Routed;
use crate::snapshot::{Listener, Pool, View};

/// How long a draining worker waits for one more request on a connection.
const LAST_CALL: Duration = Duration::from_millis(500);

/// Smallest size that hyper takes for its buffer, in bytes.
const SMALLEST_BUFFER: usize = 8192;

/// A client's connection, for all its requests.
struct Client {
    proxy: Rc<Proxy>,
    door: Rc<Door>,
    peer: Peer,
    line: Rc<Line>,
    /// Kept from request to request, so that facts are allocated once.
    facts: RefCell<Option<Box<Facts>>>,
}

/// Where a request goes.
struct Goal {
    /// The pool.
    pool: usize,
    /// Of its body, in bytes.
    limit: Option<u64>,
}

/// Serves one connection to its end.
pub async fn serve(proxy: Rc<Proxy>, door: Rc<Door>, socket: TcpStream, address: SocketAddr) {
    let view = door.view(&proxy);
    let Some(settings) = view.snapshot.listeners.get(door.number()).cloned() else { return };
    if !settings.access.permits(address.ip()) {
        refuse(socket, Error::Denied).await;
        return;
    }
    let Some(_open) = Open::begin(&proxy, &settings) else {
        settings.shed.of(proxy.worker).connections.add(1);
        refuse_shortly(&proxy, socket, Error::TooManyConnections).await;
        return;
    };
    let line = Line::new(proxy.deadlines.watch(), &settings.limits);
    let client = Rc::new(Client {
        peer: Peer::new(address, &settings.trusted_proxies),
        facts: RefCell::default(),
        proxy: Rc::clone(&proxy),
        door: Rc::clone(&door),
        line: Rc::clone(&line),
    });
    drop(view);
    let limits = &settings.limits;
    let service = service_fn(move |request| handle(Rc::clone(&client), request));
    let mut connection = Builder::new()
        .max_headers(limits.max_headers)
        .max_buf_size(limits.max_head_size.max(SMALLEST_BUFFER))
        .serve_connection(Downstream::new(socket, Rc::clone(&line)), service);
    let ended = poll_fn(|cx| {
        line.watch().wakes(cx.waker());
        if door.is_closed() && matches!(line.phase(), Phase::Idle | Phase::Head) {
            // A request may be on the way already; closed now, it would be lost. Its response says close.
            line.hurry(LAST_CALL);
        }
        if let Poll::Ready(ended) = Pin::new(&mut connection).poll(cx) {
            return Poll::Ready(Some(ended));
        }
        // Backends' and bodies' deadlines are seen by the request that waits; these have no request.
        let overdue = matches!(line.phase(), Phase::Idle | Phase::Head | Phase::Response) && line.watch().is_over();
        if overdue { Poll::Ready(None) } else { Poll::Pending }
    })
    .await;
    let parts = connection.into_parts();
    let (mut socket, read) = (parts.io.into_inner(), parts.read_buf);
    let tunnel = line.tunnel.take();
    match (ended, tunnel) {
        (Some(Ok(())), Some(tunnel)) => upgrade::carry(socket, read, tunnel, &line).await,
        (None, _) if line.phase() == Phase::Head && !door.is_closed() => refuse(socket, Error::HeadTimeout).await,
        (Some(_), _) if line.held_back.get().is_some() => {
            refuse(socket, unparsable(&line, &read, limits.max_head_size)).await
        }
        (Some(Ok(())), _) => drop(socket.shutdown().await),
        // Something broke off. Reset, so that nobody takes what came for the whole.
        (Some(Err(_)), _) => drop(SockRef::from(&socket).set_linger(Some(Duration::ZERO))),
        (None, _) => {}
    }
}

/// Counts an open connection.
struct Open {
    proxy: Rc<Proxy>,
    listener: Arc<Listener>,
}

impl Open {
    /// None when as many are open as may.
    fn begin(proxy: &Rc<Proxy>, listener: &Arc<Listener>) -> Option<Self> {
        let most = listener.max_connections.unwrap_or(u32::MAX);
        listener.open.fetch_update(Relaxed, Relaxed, |open| (open < most).then(|| open + 1)).ok()?;
        proxy.connections.set(proxy.connections.get() + 1);
        listener.connections.of(proxy.worker).add(1);
        Some(Self { proxy: Rc::clone(proxy), listener: Arc::clone(listener) })
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.proxy.connections.set(self.proxy.connections.get() - 1);
        self.listener.connections.of(self.proxy.worker).subtract(1);
        self.listener.open.fetch_sub(1, Relaxed);
    }
}

/// One request.
async fn handle(client: Rc<Client>, request: Request<Incoming>) -> Result<Response<Body>, std::convert::Infallible> {
    let began = Instant::now();
    client.line.begin();
    let (view, listener) = (client.door.view(&client.proxy), client.door.number());
    let mut exchange = Exchange::begin(&client.proxy, &view, listener, began);
    let (mut response, in_flight) = match client.answer(&view, listener, request, &mut exchange).await {
        Ok((response, in_flight)) => (response, in_flight),
        Err(error) => (error.into_response(), None),
    };
    if client.door.is_closed() && response.status() != StatusCode::SWITCHING_PROTOCOLS {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    exchange.respond(response.status(), in_flight);
    match &mut *client.line.tunnel.borrow_mut() {
        Some(tunnel) => tunnel.exchange = Some(exchange),
        None => response.body_mut().ends(exchange),
    }
    client.line.owed.set(true);
    // What remains is the client's: to take the response, and then to ask again.
    client.line.enter(if response.body().is_end_stream() { Phase::Idle } else { Phase::Response });
    Ok(response)
}

impl Client {
    async fn answer(
        &self,
        view: &Rc<View>,
        number: usize,
        request: Request<Incoming>,
        exchange: &mut Exchange,
    ) -> Result<(Response<Body>, Option<InFlight>), Error> {
        let Some(listener) = view.snapshot.listeners.get(number) else { return Err(Error::NoRoute) };
        let (parts, body) = request.into_parts();
        let kept = self.facts.borrow_mut().take();
        let mut facts = kept.unwrap_or_else(|| {
            Box::new(Facts { protocol: "http/1.1", listener: Arc::clone(&listener.name), ..Facts::default() })
        });
        (facts.method, facts.uri, facts.headers) = (parts.method, parts.uri, parts.headers);
        facts.tried.clear();
        let prepared = self.prepare(&mut facts, parts.version, listener, exchange);
        let (facts, answer) = self.conduct(view, (number, listener), facts, body, prepared, exchange).await;
        *self.facts.borrow_mut() = Some(facts);
        answer
    }

    /// From the prepared request to the response. `facts` come back.
    async fn conduct(
        &self,
        view: &Rc<View>,
        listener: (usize, &Listener),
        facts: Box<Facts>,
        body: Incoming,
        prepared: Result<bool, Error>,
        exchange: &mut Exchange,
    ) -> (Box<Facts>, Result<(Response<Body>, Option<InFlight>), Error>) {
        let snapshot = &view.snapshot;
        let (facts, found) = match prepared {
            Ok(upgrading) => {
                let (facts, goal) = self.route(facts, view, listener);
                (facts, goal.map(|goal| (upgrading, goal)))
            }
            Err(error) => (facts, Err(error)),
        };
        exchange.enter_pool(found.as_ref().ok().map(|(_, goal)| goal.pool));
        let (upgrading, Goal { pool: number, limit }) = match found {
            Ok(found) => found,
            Err(error) => return (facts, Err(error)),
        };
        let (Some(pool), Some(steering)) = (snapshot.pools.get(number), view.steering.get(number)) else {
            return (facts, Err(Error::NoRoute));
        };
        let payload = match self.payload(&facts, body, limit, pool) {
            Ok(payload) => payload,
            Err(error) => return (facts, Err(error)),
        };
        let forward = Forward {
            proxy: &self.proxy,
            line: &self.line,
            steering,
            policy: &pool.policy,
            hash_seed: snapshot.hash_seed,
            until: pool.policy.request_timeout.map(|timeout| exchange.began() + timeout),
        };
        let (facts, answer) = forward.run(facts, payload, exchange).await;
        (facts, answer.and_then(|answer| self.respond(answer, pool, upgrading)))
    }

    /// Checks the request and makes its headers ready to be passed on. Answers whether it asks for an upgrade.
    fn prepare(
        &self,
        facts: &mut Facts,
        version: Version,
        listener: &Listener,
        exchange: &mut Exchange,
    ) -> Result<bool, Error> {
        let checked = target::normalise(facts, version);
        let upgrading = headers::end_hop(&mut facts.headers);
        facts.headers.remove(EXPECT);
        let (nets, forwarded) = (&listener.trusted_proxies, listener.forwarded);
        facts.client = Some(headers::forward(&mut facts.headers, &self.peer, nets, forwarded));
        let random = || u128::from(self.proxy.random()) << 64 | u128::from(self.proxy.random());
        headers::request_id(&mut facts.headers, random);
        if self.proxy.access_log.is_some() {
            exchange.log(Box::new(Entry {
                client: facts.client.unwrap_or(self.peer.address),
                method: facts.method.clone(),
                uri: facts.uri.clone(),
                request_id: facts.headers.get(headers::X_REQUEST_ID).cloned(),
            }));
        }
        checked.map(|()| upgrading)
    }

    /// The pool, by the routes and their routers or by the listener, and the limit of the body. `facts` come back.
    fn route(
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
        let client = facts.client.unwrap_or(self.peer.address);
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
        let with = self.proxy.circumstances(Instant::now(), view.snapshot.hash_seed, &[]);
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
        limiter.map_or(Ok(()), |limiter| limiter.check(facts, self.proxy.worker).map_err(Error::RateLimited))
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

    /// Makes a backend's response ours to send.
    fn respond(
        &self,
        answer: Answer,
        pool: &Pool,
        upgrading: bool,
    ) -> Result<(Response<Body>, Option<InFlight>), Error> {
        let Answer { response, upstream, mut in_flight, at } = answer;
        let (mut parts, incoming) = response.into_parts();
        self.line.answering.set(true);
        if parts.headers.contains_key(TRANSFER_ENCODING) {
            // The coding wins (RFC 9112 §6.3), and ends at this hop; the length would be a wrong one.
            parts.headers.remove(CONTENT_LENGTH);
        }
        let upgraded = headers::end_hop(&mut parts.headers);
        parts.version = Version::HTTP_11;
        parts.extensions.clear();
        if parts.status == StatusCode::SWITCHING_PROTOCOLS {
            if !(upgrading && upgraded) {
                in_flight.set_outcome(OutcomeKind::Reset);
                return Err(Error::Reset);
            }
            let Some((backend, answered, connected)) = upstream.into_socket() else { return Err(Error::Reset) };
            let member = Rc::clone(in_flight.member());
            *self.line.tunnel.borrow_mut() = Some(Tunnel { backend, answered, exchange: None, connected, member });
            return Ok((Response::from_parts(parts, Body::Empty(None)), Some(in_flight)));
        }
        let body = if incoming.is_end_stream() {
            in_flight.member().give_back(upstream, at, pool.policy.max_idle);
            Body::Empty(None)
        } else {
            let member = Rc::clone(in_flight.member());
            let line = Rc::clone(&self.line);
            Body::Upstream(Box::new(UpstreamBody::new(incoming, upstream, member, line, &pool.policy, at)))
        };
        Ok((Response::from_parts(parts, body), Some(in_flight)))
    }
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

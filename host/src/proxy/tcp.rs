//! A client's connection that is carried as it is (`protocol = "tcp"` or `"tls-passthrough"`): one decision, one backend,
//! and then bytes both ways.
//!
//! While nothing has been sent, another backend is tried for one that cannot be connected to. What goes on then is in
//! [`carry`](super::carry), what is counted of it in `passage`.

mod hello;
mod leaving;
mod passage;

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;
use socket2::SockRef;

use self::passage::Passage;
use super::Proxy;
use super::admission::Admission;
use super::carry::{Carry, Ending};
use super::deadline::Watch;
use super::door::Door;
use super::error::Error;
use super::forward::Failed;
use super::goal::{check_rate, cross};
use super::introduced::introduce;
use super::line::{Line, Phase};
use super::refusal::part;
use super::relay::Relay;
use super::socket::Socket;
use crate::config::{Carried, ListenerProtocol};
use crate::decide::{Facts, Head};
use crate::pool::connect::Stream;
use crate::pool::connections::Counted;
use crate::pool::{InFlight, Member};
use crate::proxy_protocol::Told;
use crate::snapshot::decision::{Circumstances, Picked};
use crate::snapshot::{Listener, Steering, View};
use crate::telemetry::carried::End;
use crate::tls::Security;

/// A connection that was let in.
pub(super) struct Arrival {
    pub(super) proxy: Rc<Proxy>,
    pub(super) door: Rc<Door>,
    pub(super) socket: Socket,
    pub(super) address: SocketAddr,
    /// What the peer told of it, and where it was accepted.
    pub(super) told: Told,
    pub(super) local: Option<SocketAddr>,
    /// None where TLS does not end here.
    pub(super) security: Option<Security>,
}

/// A connection with both of its sides. It is all that is kept while it lasts.
pub(super) struct Joined {
    proxy: Rc<Proxy>,
    client: Socket,
    /// What the client has said already.
    said: Bytes,
    upstream: Upstream,
    passage: Box<Passage>,
    watch: Watch,
    timeout: Option<Duration>,
}

/// The backend's side.
struct Upstream {
    stream: Stream,
    member: Rc<Member>,
    _connected: Counted,
    /// While this is held, its members are told of time, even of a pool that is gone.
    _steering: Rc<Steering>,
}

impl Arrival {
    /// Finds a backend. None when there is none: the client has been told, and the connection is over.
    pub(super) async fn join(self, listener: &Arc<Listener>, carried: &Carried) -> Option<Joined> {
        let Self { proxy, door, mut socket, address, told, local, security } = self;
        let (mut view, mut number) = (door.view(&proxy), door.number());
        let mut passage = Passage::begin(&proxy, &view, number, address);
        let line = Line::new(proxy.deadlines.watch(), &listener.limits);
        line.enter(Phase::Busy);
        let mut facts = Facts::of_connection(listener.protocol.word(), &listener.name, address);
        let mut said = Bytes::new();
        if let (ListenerProtocol::TlsPassthrough { handshake_timeout, .. }, Socket::Tcp(tcp)) =
            (&listener.protocol, &mut socket)
        {
            match hello::hear(&proxy, &door, tcp, line.watch(), *handshake_timeout).await {
                Ok((hello, bytes)) => {
                    (facts.sni, facts.alpn) = (hello.server_name, hello.protocol);
                    said = bytes.into();
                }
                Err(end) => {
                    passage.fails(end);
                    return None;
                }
            }
            line.enter(Phase::Busy);
            // It is as new as when it was said.
            (view, number) = (door.view(&proxy), door.number());
            passage.sees(&view, number);
        } else if let Some(security) = security {
            (facts.sni, facts.alpn) = (security.server_name, security.protocol);
        }
        let introduction = introduce(&proxy, told, (address, local), (&facts.sni, &facts.alpn));
        // What a balancer before us has ended, it has read.
        facts.sni = introduction.server_name.clone();
        facts.alpn = introduction.protocol.clone();
        passage.names(facts.sni.clone());
        let joined = {
            // What has been read is the beginning of a handshake, which who sends nothing more cannot end.
            let speaks_tls = !said.is_empty() || matches!(socket, Socket::Tls(_));
            let mut joining = pin!(open(&proxy, &line, (&view, number), facts, &introduction, &mut passage));
            let mut leaving = pin!(leaving::left(socket.tcp(), speaks_tls));
            poll_fn(|cx| {
                line.watch().wakes(cx.waker());
                match joining.as_mut().poll(cx) {
                    Poll::Pending if line.phase() == Phase::Queue => leaving.as_mut().poll(cx).map(|()| None),
                    joined => joined.map(Some),
                }
            })
            .await
        };
        let Some(joined) = joined else {
            passage.fails(End::ClientLeft);
            return None;
        };
        match joined {
            Ok(upstream) => {
                let timeout = carried.idle_timeout;
                let watch = Rc::into_inner(line).map_or_else(|| proxy.deadlines.watch(), Line::into_watch);
                Some(Joined { proxy, client: socket, said, upstream, passage, watch, timeout })
            }
            Err(error) => {
                tracing::debug!(listener = %listener.name, %error, "a connection goes nowhere");
                passage.fails(error.into());
                // Whoever is refused takes no room.
                drop(passage);
                Box::pin(part(&proxy, socket, carried.refuse_with)).await;
                None
            }
        }
    }
}

impl Joined {
    /// Carries bytes both ways, to the end of the connection.
    pub(super) async fn carry(mut self) {
        // By reference: what is moved in a task takes its place twice.
        let Self { proxy, client, said, upstream, passage, watch, timeout } = &mut self;
        let Upstream { stream, member, .. } = upstream;
        // A peer that vanished without a word is found by the kernel's probes.
        let _ = SockRef::from(client.tcp()).set_keepalive(true);
        stream.keep_alive();
        let mut relay = Relay::new(std::mem::take(said), Bytes::new());
        let carry = Carry { proxy, watch, member, timeout: *timeout };
        let ending = carry.run(client, stream, &mut relay, |relay| passage.moved(relay)).await;
        passage.ends(&ending);
        if matches!(ending, Ending::Broken(_)) {
            // Reset, so that nobody takes what came for the whole.
            let _ = SockRef::from(client.tcp()).set_linger(Some(Duration::ZERO));
            stream.reset_when_dropped();
        }
    }
}

/// Decides, connects, and tries others while that fails.
async fn open(
    proxy: &Rc<Proxy>,
    line: &Line,
    (view, number): (&View, usize),
    facts: Box<Facts>,
    introduction: &Rc<Told>,
    passage: &mut Passage,
) -> Result<Upstream, Error> {
    let Some(listener) = view.snapshot.listeners.get(number) else { return Err(Error::NoRoute) };
    let (mut facts, pool) = route(proxy, view, listener, number, facts);
    let number = pool?;
    let (Some(pool), Some(steering)) = (view.snapshot.pools.get(number), view.steering.get(number)) else {
        return Err(Error::NoRoute);
    };
    passage.enter_pool(number);
    let (policy, hash_seed) = (&pool.policy, view.snapshot.hash_seed);
    let admission =
        Admission { proxy, line, steering, policy, hash_seed, until: None, introduction: Some(introduction) };
    steering.earn_retries(&policy.retry);
    let mut tried: Vec<Rc<Member>> = Vec::new();
    let mut last = Error::NoBackend;
    loop {
        let mut with = proxy.circumstances(Instant::now(), hash_seed, &tried);
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
        let connecting = admission.connect(&member.backend, policy.connect_timeout, policy.tls.as_deref());
        match admission.unless_left(&tried, &member, connecting).await {
            Some(Ok((stream, connected))) => {
                let now = Instant::now();
                let latency = in_flight.connected(now);
                let now_us = proxy.clock.unix_us(now);
                member.backend.load.sample(latency, now_us);
                if steering.binds() {
                    let with = Circumstances { now, now_us, ..with };
                    // What it would add to a response is for nobody.
                    let _ = steering.bind(facts, Box::new(Head::default()), &with, &member, found);
                }
                passage.connected(in_flight);
                let _steering = Rc::clone(steering);
                return Ok(Upstream { stream, member, _connected: connected, _steering });
            }
            connected => {
                let (outcome, failed) = admission.unconnected(&member.backend, connected.and_then(Result::err));
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
fn route(
    proxy: &Rc<Proxy>,
    view: &View,
    listener: &Listener,
    number: usize,
    facts: Box<Facts>,
) -> (Box<Facts>, Result<usize, Error>) {
    if let Err(error) = check_rate(listener.limiter.as_deref(), &facts, proxy.worker) {
        return (facts, Err(error));
    }
    let snapshot = &view.snapshot;
    let Some(route) = snapshot.routes.find_for_connection(number, &facts) else {
        return (facts, listener.pool.ok_or(Error::NoRoute));
    };
    if !facts.client.is_none_or(|client| route.access().permits(client.ip())) {
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

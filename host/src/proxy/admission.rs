//! The way to a backend that has room, through the pool's queue where there is none: for a request, or for a connection
//! that is carried as it is.
//!
//! A request waits inside the task of its connection: until it is woken, its client leaves, or the deadline of its
//! connection passes. Whose turn it is is decided by the [queue](crate::pool::queue), and where it goes by the plugins,
//! which are asked anew then.

use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use super::Proxy;
use super::error::Error;
use super::line::{Line, Phase};
use crate::config::TcpOptions;
use crate::decide::Facts;
use crate::pool::connect::{ConnectError, Stream, connect, is_out_of_descriptors};
use crate::pool::connections::{Connected, Counted};
use crate::pool::queue::order::Wish;
use crate::pool::queue::{Same, Ticket, Turn, Waited};
use crate::pool::{Backend, Claim, Member, Place};
use crate::proxy_protocol::{Told, header};
use crate::snapshot::decision::{Circumstances, Picked};
use crate::snapshot::{Policy, Steering};
use crate::tls::Connector;

/// A decision that is not [`Picked::Full`], and when it was made.
type Admitted = Result<(Picked, Instant), Error>;

/// What it takes to be admitted to a backend of a pool.
#[derive(Clone, Copy)]
pub struct Admission<'a> {
    /// The worker's.
    pub proxy: &'a Proxy,
    /// The client's connection.
    pub line: &'a Line,
    /// Of the pool.
    pub steering: &'a Steering,
    /// Of the same pool.
    pub policy: &'a Policy,
    /// Seed of the key hash.
    pub hash_seed: u64,
    /// When the head of a response must be there.
    pub until: Option<Instant>,
    /// Whether something is sent as soon as there is a connection.
    pub speaks: bool,
    /// Whom backends are told that it is from, if they are.
    pub introduction: Option<&'a Rc<Told>>,
}

impl Admission<'_> {
    /// Picks a backend with room, and waits for it if it `may_wait`. `facts` come back. What `with` says of the time is
    /// of the decision that counts; `place` is the one in the pool, where there are so many and no more.
    pub(super) async fn admit(
        &self,
        facts: Box<Facts>,
        with: &mut Circumstances<'_>,
        place: &mut Option<Place>,
        may_wait: bool,
    ) -> (Box<Facts>, Admitted) {
        let site = self.steering.site();
        let mut claim = Claim::default();
        if site.is_limited.get() {
            claim.is_loyal = may_wait && !self.policy.limits.bound_timeout.is_zero();
            let has_room = match self.policy.limits.at_pool() {
                Some(limit) if place.is_none() => {
                    *place = Place::take(site, limit);
                    place.is_some()
                }
                // Who comes now is not faster than those who wait.
                _ => site.capacity.waiting() == 0,
            };
            if !has_room && may_wait {
                return Box::pin(self.wait(facts, with, place, claim, None)).await;
            }
        }
        let (facts, picked, at) = self.steering.pick(facts, with, &mut claim);
        match picked {
            Picked::Full(bound) if may_wait => {
                // Who waits for a backend keeps nobody from another.
                *place = None;
                Box::pin(self.wait(facts, with, place, claim, bound)).await
            }
            Picked::Full(_) => (facts, Ok((Picked::Nobody, at))),
            picked => (facts, Ok((picked, at))),
        }
    }

    /// Waits for room: at the backend that the client is `bound` to, for a while, then at any.
    async fn wait(
        &self,
        mut facts: Box<Facts>,
        with: &mut Circumstances<'_>,
        place: &mut Option<Place>,
        mut claim: Claim,
        mut bound: Option<Rc<Member>>,
    ) -> (Box<Facts>, Admitted) {
        let (site, limits, began) = (self.steering.site(), &self.policy.limits, Instant::now());
        let until = self.until.map_or(began + limits.queue_timeout, |until| until.min(began + limits.queue_timeout));
        let bound_until = until.min(began + limits.bound_timeout);
        let mut ticket: Option<Ticket> = None;
        loop {
            let wish = self.wish(with.tried, bound.as_deref(), place.is_some());
            match &mut ticket {
                Some(ticket) => ticket.again(wish, claim.grant.take()),
                None => ticket = site.capacity.join(wish, limits.queue).ok(),
            }
            if let Some(ticket) = &mut ticket {
                self.line.await_turn(if bound.is_some() { bound_until } else { until });
                let turn = loop {
                    if let Some(turn) = self.turn(ticket).await {
                        break Some(turn);
                    }
                    if bound.take().is_none() {
                        break None;
                    }
                    claim.is_loyal = false;
                    self.line.await_turn(until);
                    ticket.unbind();
                };
                self.line.enter(Phase::Busy);
                match turn {
                    Some(Turn::Granted(mut grant)) => {
                        if let Some(granted) = Place::granted(site, &mut grant) {
                            *place = Some(granted);
                        }
                        claim.grant = Some(grant);
                    }
                    // Nothing is left to wait for, and that is what the decision will say.
                    Some(Turn::Hopeless) => {}
                    None => break,
                }
            } else if bound.is_none() {
                site.capacity.count(Waited::Full);
                return (facts, Err(Error::QueueFull));
            } else {
                // Better another backend than none.
                claim.is_loyal = false;
            }
            let picked;
            *with = self.proxy.circumstances(Instant::now(), self.hash_seed, with.tried);
            (facts, picked, _) = self.steering.pick(facts, with, &mut claim);
            match picked {
                Picked::Full(other) => {
                    bound = other;
                    *place = None;
                    if claim.grant.as_ref().is_none_or(|grant| !grant.has_slot()) {
                        // The queue knows less than this worker yet.
                        tokio::task::yield_now().await;
                    }
                }
                picked => {
                    if let Some(ticket) = ticket {
                        ticket.end(if matches!(picked, Picked::Nobody) { Waited::Left } else { Waited::Served });
                    }
                    return (facts, Ok((picked, Instant::now())));
                }
            }
        }
        if let Some(ticket) = ticket {
            ticket.end(Waited::Timeout);
        }
        (facts, Err(if self.is_over() { Error::RequestTimeout } else { Error::QueueTimeout }))
    }

    /// The turn of a request that waits; none when it has waited long enough.
    async fn turn(&self, ticket: &mut Ticket) -> Option<Turn> {
        poll_fn(|cx| match ticket.poll(cx) {
            Poll::Ready(turn) => Poll::Ready(Some(turn)),
            Poll::Pending if self.line.watch().is_over() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        })
        .await
    }

    /// A connection to a backend within `timeout`, secured by `tls`, once there are fewer than it may have.
    pub(super) async fn connect(
        &self,
        backend: &Arc<Backend>,
        timeout: Duration,
        tls: Option<&Connector>,
    ) -> Result<(Stream, Counted), ConnectError> {
        let began = Instant::now();
        let counted = self.count(backend, timeout).await?;
        Ok((self.reach(backend, timeout.saturating_sub(began.elapsed()), tls).await?, counted))
    }

    /// Waits within `timeout` until there are fewer connections to a backend than it may have.
    pub(super) async fn count(&self, backend: &Arc<Backend>, timeout: Duration) -> Result<Counted, ConnectError> {
        let (limits, ask) = (&self.policy.limits, || self.proxy.bells.ring());
        let counted = async {
            let backend = match limits.backend_connections {
                None => Connected::count(&backend.connections),
                Some(limit) => Connected::within(&backend.connections, limit, ask).await,
            };
            let pool = match limits.connections {
                None => None,
                Some(limit) => Some(Connected::within(&self.steering.site().capacity.connections, limit, ask).await),
            };
            let introduced = self.client().cloned();
            Counted { _backend: backend, _pool: pool, tls: self.policy.tls.clone(), introduced }
        };
        match limits.backend_connections.or(limits.connections) {
            // Nothing is waited for.
            None => Ok(counted.await),
            Some(_) => tokio::time::timeout(timeout, counted).await.map_err(|_| ConnectError::Limit(timeout)),
        }
    }

    /// A connection that is counted already. Where there is no descriptor left, idle connections to backends are closed for
    /// one.
    pub(super) async fn reach(
        &self,
        backend: &Arc<Backend>,
        timeout: Duration,
        tls: Option<&Connector>,
    ) -> Result<Stream, ConnectError> {
        let began = Instant::now();
        let told = self.introduction.zip(self.policy.proxy_protocol).map(|(told, version)| header(told, version));
        let told = told.unwrap_or_default();
        let from = self.introduction.filter(|_| self.policy.transparent).and_then(|told| told.addresses);
        let from = from.map(|(client, _)| client.ip());
        // Of who waits for the backend to begin, there would be no first packet.
        let speaks = self.speaks || tls.is_some() || !told.is_empty();
        let tcp = &TcpOptions { fast_open: self.policy.tcp.fast_open && speaks, ..self.policy.tcp };
        match connect(&backend.address, from, tls, &told, tcp, timeout.saturating_sub(began.elapsed())).await {
            Err(ConnectError::Io(error)) if is_out_of_descriptors(&error) => {
                self.proxy.relieve();
            }
            connecting => return connecting,
        }
        let left = timeout.saturating_sub(began.elapsed());
        connect(&backend.address, from, tls, &told, tcp, left).await
    }

    /// Whose connections are of use: those of all, unless backends are told whom they are from, or see it.
    pub(super) fn client(&self) -> Option<&Rc<Told>> {
        self.introduction.filter(|_| self.policy.is_personal())
    }

    /// Time that is left for the head of a response, if that is limited over all attempts.
    pub(super) fn left(&self) -> Option<Duration> {
        self.until.map(|until| until.saturating_duration_since(Instant::now()))
    }

    /// Whether none is left.
    pub(super) fn is_over(&self) -> bool {
        self.left().is_some_and(|left| left.is_zero())
    }

    /// Whether the backend has left the pool while another may be tried: nobody waits for it then.
    pub(super) fn leaves(&self, tried: &[Rc<Member>], member: &Member) -> bool {
        member.has_left() && self.steering.has_another(tried, member)
    }

    fn wish(&self, tried: &[Rc<Member>], bound: Option<&Member>, placed: bool) -> Wish<Same> {
        let same = |member: &Member| Same(member.backend.clone());
        Wish {
            placed,
            bound: bound.map(same),
            tried: tried.iter().map(|member| same(member)).collect(),
            useless: Default::default(),
        }
    }
}

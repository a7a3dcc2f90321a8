//! How an attempt gets a connection: room on one that others use, or one of its own.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use super::admission::Admission;
use super::error::Error;
use super::forward::{Cost, Failed, Forward};
use super::line::Phase;
use super::replay::Payload;
use super::websocket::is_opening;
use crate::config::Protocol;
use crate::decide::{Facts, OutcomeKind};
use crate::pool::connect::{ConnectError, Stream, is_out_of_descriptors};
use crate::pool::connections::Counted;
use crate::pool::making::{Made, Making};
use crate::pool::upstream::http1::Exclusive;
use crate::pool::{Backend, Member, Upstream};
use crate::tls::Connector;

impl Admission<'_> {
    /// What `connecting` comes to. None: the backend leaves the pool meanwhile, while another may be tried.
    pub(super) async fn unless_left<T>(
        &self,
        tried: &[Rc<Member>],
        member: &Member,
        connecting: impl Future<Output = T>,
    ) -> Option<T> {
        let mut connecting = pin!(connecting);
        poll_fn(|cx| match connecting.as_mut().poll(cx) {
            Poll::Pending if self.leaves(tried, member) => Poll::Ready(None),
            polled => polled.map(Some),
        })
        .await
    }

    /// How an attempt ended without a connection, by this error or, without one, as its backend left; and what is next.
    pub(super) fn unconnected(&self, backend: &Backend, error: Option<ConnectError>) -> (OutcomeKind, Failed) {
        let Some(error) = error else {
            return (OutcomeKind::Timeout, Failed::Elsewhere(Error::ConnectTimeout, Cost::Nothing));
        };
        let elsewhere = |outcome, error| match self.policy.retry.connect {
            true => (outcome, Failed::Elsewhere(error, Cost::Nothing)),
            false => (outcome, Failed::Final(error)),
        };
        tracing::debug!(backend = %backend.id, address = %backend.address_text, %error, "no connection");
        match error {
            // Our fault: nothing is held against the backend, and no other would be of use.
            ConnectError::Io(error) if is_out_of_descriptors(&error) => {
                (OutcomeKind::Cancelled, Failed::Final(Error::OutOfDescriptors))
            }
            ConnectError::Timeout(_) if self.is_over() => (OutcomeKind::Timeout, Failed::Final(Error::RequestTimeout)),
            ConnectError::Timeout(_) => elsewhere(OutcomeKind::Timeout, Error::ConnectTimeout),
            // Our own limit says nothing of the backend.
            ConnectError::Limit(_) => elsewhere(OutcomeKind::Cancelled, Error::QueueTimeout),
            ConnectError::Io(_) | ConnectError::Tls(_) => elsewhere(OutcomeKind::ConnectError, Error::Connect),
        }
    }
}

impl Forward<'_> {
    /// A connection that is there already, if one can be had: one that was kept, or room on one that is shared.
    pub(super) fn ready_connection(&self, member: &Member) -> Option<Box<Upstream>> {
        match self.admission.policy.protocol {
            Protocol::Http1 => member.take_idle(self.admission.client()),
            Protocol::Http2 { max_streams } => self.lease(member, max_streams),
            Protocol::Auto { max_streams } => {
                self.lease(member, max_streams).or_else(|| member.take_idle(self.admission.client()))
            }
        }
    }

    fn lease(&self, member: &Member, max_streams: u32) -> Option<Box<Upstream>> {
        let lease = member.sharing().lease(max_streams, self.admission.policy.tls.as_ref())?;
        Some(Box::new(Upstream::Http2(lease)))
    }

    /// `connection`, if what the client wants to go on with can be asked for on it; one of HTTP/1.1 where the backend may be
    /// spoken to by that too.
    pub(super) async fn able(
        &self,
        connection: Box<Upstream>,
        facts: &Facts,
        payload: &Payload,
        member: &Member,
        tried: &[Rc<Member>],
    ) -> Result<Box<Upstream>, (OutcomeKind, Failed)> {
        let is_able = match &*connection {
            Upstream::Http1(_) => true,
            Upstream::Http2(lease) => {
                let has_body = !matches!(payload, Payload::Empty);
                lease.takes_connect() && !has_body && is_opening(&facts.method, &facts.headers)
            }
        };
        match self.admission.policy.protocol {
            _ if is_able => Ok(connection),
            Protocol::Auto { .. } => {
                drop(connection);
                match member.take_idle(self.admission.client()) {
                    Some(kept) => Ok(kept),
                    None => self.open(member, tried, true).await,
                }
            }
            _ => Err((OutcomeKind::Cancelled, Failed::Final(Error::NoUpgrade))),
        }
    }

    /// A fresh connection, or room on a shared one as soon as there is any; or how the attempt ended, and where that leaves the
    /// request. Where `only_http1`, nothing else is offered.
    pub(super) async fn open(
        &self,
        member: &Member,
        tried: &[Rc<Member>],
        only_http1: bool,
    ) -> Result<Box<Upstream>, (OutcomeKind, Failed)> {
        self.admission.line.enter(Phase::Busy);
        let timeout: Duration =
            self.admission.policy.connect_timeout.min(self.admission.left().unwrap_or(Duration::MAX));
        let backend = &member.backend;
        let connecting = async {
            let tls = self.admission.policy.tls.as_deref();
            match self.admission.policy.protocol.max_streams() {
                None => self.admission.connect(backend, timeout, tls).await.map(Opened::Socket),
                Some(_) if only_http1 => {
                    let tls = tls.map(Connector::without_http2);
                    self.admission.connect(backend, timeout, tls.as_ref()).await.map(Opened::Socket)
                }
                Some(max_streams) => Box::pin(self.share(member, max_streams, timeout)).await.map(Opened::from),
            }
        };
        let connected = match tried.len() < self.admission.policy.retry.retries as usize {
            true => self.admission.unless_left(tried, member, connecting).await,
            false => Some(connecting.await),
        };
        let error = match connected {
            Some(Ok(Opened::Socket((stream, connected)))) => match Exclusive::new(stream, Some(connected)).await {
                Ok(exclusive) => return Ok(Box::new(Upstream::Http1(exclusive))),
                Err(error) => Some(ConnectError::Io(io::Error::other(error))),
            },
            Some(Ok(Opened::Room(upstream))) => return Ok(upstream),
            Some(Err(error)) => Some(error),
            None => None,
        };
        Err(self.admission.unconnected(backend, error))
    }

    /// Room on a connection of HTTP/2 within `timeout`: on one that is there, on one that is being made for others, or on
    /// one of which this is the first request. A socket where ALPN has settled on HTTP/1.1.
    async fn share(&self, member: &Member, max_streams: u32, timeout: Duration) -> Result<Made, ConnectError> {
        let (sharing, until) = (member.sharing(), Instant::now() + timeout);
        let left = || until.saturating_duration_since(Instant::now());
        let mut has_relieved = false;
        loop {
            let tls = self.admission.policy.tls.as_ref();
            if let Some(lease) = sharing.lease(max_streams, tls) {
                return Ok(Made::Room(lease));
            }
            let made = if sharing.is_http1() {
                let counted = self.admission.count(&member.backend, left()).await?;
                self.making(member, left()).make(counted).await
            } else {
                let Some(opening) = sharing.open(max_streams) else {
                    if tokio::time::timeout(left(), sharing.room()).await.is_err() {
                        return Err(ConnectError::Timeout(timeout));
                    }
                    continue;
                };
                let Some(counted) = self.count_unless_room(member, left()).await else { continue };
                // Others have the whole time for it, whatever is left for this one.
                let making = self.making(member, self.admission.policy.connect_timeout).for_all(counted?, opening);
                match tokio::time::timeout(left(), making).await {
                    Ok(made) => made.unwrap_or_else(|error| Err(ConnectError::Io(io::Error::other(error)))),
                    Err(_) => return Err(ConnectError::Timeout(timeout)),
                }
            };
            match made {
                Err(ConnectError::Io(error)) if is_out_of_descriptors(&error) && !has_relieved => {
                    self.admission.proxy.relieve();
                    has_relieved = true;
                }
                made => return made,
            }
        }
    }

    fn making(&self, member: &Member, timeout: Duration) -> Making {
        let (policy, sharing) = (self.admission.policy, Rc::clone(member.sharing()));
        let (tls, tcp, protocol) = (policy.tls.clone(), policy.tcp, policy.protocol);
        Making { backend: Arc::clone(&member.backend), sharing, tls, tcp, protocol, timeout }
    }

    /// As [`count`](Admission::count). None: there may be room on a connection meanwhile. That no further connection may be
    /// made is no reason to wait where a request ends.
    async fn count_unless_room(&self, member: &Member, timeout: Duration) -> Option<Result<Counted, ConnectError>> {
        let (sharing, limits) = (member.sharing(), &self.admission.policy.limits);
        let counting = self.admission.count(&member.backend, timeout);
        let is_limited = limits.backend_connections.is_some() || limits.connections.is_some();
        if !is_limited || !sharing.has_any() {
            return Some(counting.await);
        }
        let (mut counting, mut room) = (pin!(counting), pin!(sharing.room()));
        poll_fn(|cx| match counting.as_mut().poll(cx) {
            Poll::Ready(counted) => Poll::Ready(Some(counted)),
            Poll::Pending => room.as_mut().poll(cx).map(|()| None),
        })
        .await
    }
}

/// What opening has come to.
enum Opened {
    /// A socket for HTTP/1.1.
    Socket((Stream, Counted)),
    /// Room on a shared connection.
    Room(Box<Upstream>),
}

impl From<Made> for Opened {
    fn from(made: Made) -> Self {
        match made {
            Made::Socket(stream, counted) => Self::Socket((stream, counted)),
            Made::Room(lease) => Self::Room(Box::new(Upstream::Http2(lease))),
        }
    }
}

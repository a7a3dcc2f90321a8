//! One flow: the datagrams of one client to one of our addresses, and what comes back.
//!
//! Each has a socket of its own to its backend, so that what comes back is known to be its, and so that it hears when nobody
//! is there. Then, and when its backend goes down, the next datagram goes to another. What arrives until it is
//! known where a flow goes waits for that, within bounds.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::timeout;

use super::batch::Datagrams;
use super::outlet::{Outlet, Sent, is_refused, is_unreachable, refused};
use super::waiting::Waiting;
use super::{Path, Server, TURNS, keep_waker};
use crate::config::ProxyVersion;
use crate::decide::{Facts, OutcomeKind};
use crate::pool::connect::{ConnectError, is_out_of_descriptors};
use crate::pool::connections::Counted;
use crate::pool::dial::dial;
use crate::pool::{Backend, Member};
use crate::proxy::admission::Admission;
use crate::proxy::connection::Open;
use crate::proxy::deadline::Watch;
use crate::proxy::destination::{Destination, Search};
use crate::proxy::error::Error;
use crate::proxy::introduced::introduce;
use crate::proxy::line::{Line, Phase};
use crate::proxy::passage::Passage;
use crate::proxy_protocol::datagram_header;
use crate::snapshot::View;
use crate::telemetry::carried::{Dropped, End};

/// A flow.
pub(super) struct Flow {
    server: Rc<Server>,
    path: Path,
    /// Whom it is from.
    client: SocketAddr,
    watch: Watch,
    idle_timeout: Option<Duration>,
    responses: Option<u32>,
    /// None while the task that looks for a backend has it.
    passage: RefCell<Option<Box<Passage>>>,
    /// None until one is found.
    backend: RefCell<Option<Reached>>,
    /// Nobody is there any more.
    is_gone: Cell<bool>,
    waiting: RefCell<Waiting>,
    waker: RefCell<Option<Waker>>,
    /// Datagrams that went, and that came back.
    there: Cell<u64>,
    back: Cell<u64>,
}

/// The backend's side.
struct Reached {
    socket: Rc<UdpSocket>,
    to: SocketAddr,
    member: Rc<Member>,
}

/// A way to a backend that was just made.
struct Way {
    socket: Rc<UdpSocket>,
    to: SocketAddr,
    _connected: Counted,
    /// What the first datagram begins with.
    introduction: Vec<u8>,
}

/// Why a backend is left.
enum Left {
    /// The flow is over.
    Over(End),
    /// Nobody is there.
    Gone,
    /// It is down, or cut off.
    Down,
}

impl Flow {
    /// One that ends after so much silence, or so many responses. Its [task](Self::run) is to be started.
    pub(super) fn new(
        server: &Rc<Server>,
        path: Path,
        client: SocketAddr,
        (idle_timeout, responses): (Option<Duration>, Option<u32>),
        view: &View,
    ) -> Self {
        let passage = Passage::begin(&server.proxy, view, server.door.number(), Some(client));
        let (backend, is_gone, waiting, waker, there, back) = Default::default();
        let (server, watch, passage) = (Rc::clone(server), server.proxy.deadlines.watch(), RefCell::new(Some(passage)));
        Self {
            server,
            path,
            client,
            watch,
            idle_timeout,
            responses,
            passage,
            backend,
            is_gone,
            waiting,
            waker,
            there,
            back,
        }
    }

    /// Sends datagrams of the client to the backend, or has them wait for one.
    pub(super) fn forward(&self, datagrams: Datagrams<'_>) {
        self.stir();
        let mut first = 0;
        if let Some(backend) = &*self.backend.borrow()
            && !self.is_gone.get()
            && !is_down(&backend.member)
        {
            let sent = self.send(&backend.socket, backend.to, datagrams);
            if sent.unreached == 0 {
                return;
            }
            first = datagrams.count() - sent.unreached;
            self.is_gone.set(true);
        }
        let dropped = self.waiting.borrow_mut().push(datagrams, first);
        if dropped > 0 {
            self.server.count(|carried| carried.dropped[Dropped::Waiting as usize].add(dropped));
        }
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    /// Finds backends, one after another if need be, and carries what they say, to the end of the flow.
    pub(super) async fn run(self: Rc<Self>, _open: Open) {
        let (mut tried, mut is_second_round) = (Vec::new(), false);
        loop {
            // Boxed, so that a flow that lasts for days keeps nothing of its beginning.
            let left = match Box::pin(self.find(&mut tried)).await {
                Ok(destination) => {
                    let left = self.carry(destination, &mut tried).await;
                    is_second_round &= self.back.get() == 0;
                    left
                }
                // Those who refused did so before this came: they may be there again.
                Err(Error::NoBackend | Error::Connect) if !tried.is_empty() && !is_second_round => {
                    is_second_round = true;
                    tried.clear();
                    continue;
                }
                Err(error) => {
                    tracing::debug!(client = %self.client, %error, "a flow goes nowhere");
                    Left::Over(error.into())
                }
            };
            self.backend.take();
            let end = match left {
                Left::Over(end) => Some(end),
                Left::Gone | Left::Down => self.rest().await,
            };
            if let Some(end) = end {
                if let Some(passage) = &mut *self.passage.borrow_mut() {
                    passage.fails(end);
                }
                break;
            }
        }
        let left_over = self.waiting.borrow().len() as u64;
        if left_over > 0
            && let Some(passage) = &*self.passage.borrow()
        {
            passage.count(|carried| carried.dropped[Dropped::Failed as usize].add(left_over));
        }
        self.server.forget(&self.path);
        self.passage.take();
    }

    /// A way to a backend, other than those that were `tried`.
    async fn find(&self, tried: &mut Vec<Rc<Member>>) -> Result<Destination<Way>, Error> {
        let Server { proxy, door, local, .. } = &*self.server;
        let (view, number) = (door.view(proxy), door.number());
        let Some(listener) = view.snapshot.listeners.get(number) else { return Err(Error::NoRoute) };
        let Some(mut passage) = self.passage.take() else { return Err(Error::NoRoute) };
        passage.sees(&view, number);
        let line = Line::new(proxy.deadlines.watch(), &listener.limits);
        line.enter(Phase::Busy);
        let facts = Facts::of_connection(listener.protocol.word(), &listener.name, self.client);
        let to = SocketAddr::new(self.path.to.unwrap_or(local.ip()), local.port());
        let introduction = || introduce(proxy, Default::default(), (Some(self.client), Some(to)), (&None, &None));
        let search = Search { proxy, line: &line, view: &view, number, speaks: true, introduction: &introduction };
        let reach = async |admission: &Admission<'_>, backend: &Arc<Backend>| self.reach(admission, backend).await;
        let found = {
            let mut finding = pin!(search.find(facts, &mut passage, tried, reach));
            poll_fn(|cx| {
                // In a queue, it is woken when its time is over.
                line.watch().wakes(cx.waker());
                self.attend(cx);
                finding.as_mut().poll(cx)
            })
            .await
        };
        self.passage.replace(Some(passage));
        found
    }

    /// A socket to this backend.
    async fn reach(&self, admission: &Admission<'_>, backend: &Arc<Backend>) -> Result<Way, ConnectError> {
        let policy = admission.policy;
        let _connected = admission.count(backend, policy.connect_timeout).await?;
        let told = admission.introduction.filter(|_| policy.proxy_protocol == Some(ProxyVersion::V2));
        let introduction = told.map(|told| datagram_header(told)).unwrap_or_default();
        let is_stateless = self.is_stateless() && !policy.transparent;
        if let Some(socket) = self.server.shared(backend).filter(|_| is_stateless)
            && let Ok(to) = socket.peer_addr()
        {
            return Ok(Way { socket, to, _connected, introduction });
        }
        let from = policy.transparent.then(|| self.client.ip());
        let dialing = async || {
            let dialing = dial(&backend.address, from);
            timeout(policy.connect_timeout, dialing).await.map_err(|_| ConnectError::Timeout(policy.connect_timeout))
        };
        let mut dialed = dialing().await?;
        if dialed.as_ref().is_err_and(is_out_of_descriptors) {
            self.server.proxy.relieve();
            dialed = dialing().await?;
        }
        let (socket, to) = dialed?;
        let socket = Rc::new(socket);
        if is_stateless {
            self.server.share(backend, &socket);
        }
        Ok(Way { socket, to, _connected, introduction })
    }

    /// Sends what waits, and carries what comes both ways until the backend is left.
    async fn carry(&self, destination: Destination<Way>, tried: &mut Vec<Rc<Member>>) -> Left {
        let Destination { reached: way, member, .. } = &destination;
        // What others were asked is theirs to answer.
        self.there.set(0);
        self.back.set(0);
        let left = match self.flush(way) {
            false => Left::Gone,
            true if self.is_stateless() && is_refused(&way.socket) => {
                if let Some(passage) = &mut *self.passage.borrow_mut() {
                    passage.leaves(Some(OutcomeKind::ConnectError));
                }
                Left::Over(End::Finished)
            }
            // Nothing comes back: it went well.
            true if self.is_stateless() => {
                if let Some(passage) = &mut *self.passage.borrow_mut() {
                    passage.heard();
                }
                Left::Over(End::Finished)
            }
            true => {
                let (socket, to) = (Rc::clone(&way.socket), way.to);
                self.backend.replace(Some(Reached { socket, to, member: Rc::clone(member) }));
                self.stir();
                let _open = self.server.proxy.tunnels.begin();
                let mut refused = pin!(refused(&way.socket));
                poll_fn(|cx| self.poll(cx, &way.socket, member, refused.as_mut())).await
            }
        };
        if let Some(passage) = &mut *self.passage.borrow_mut() {
            match left {
                // Who is known to answer, and did not, is late.
                Left::Over(End::Idle) if self.missing().is_some_and(|missing| missing > 0) => {
                    passage.leaves(Some(OutcomeKind::Timeout))
                }
                Left::Over(_) => {}
                Left::Gone => passage.leaves(Some(OutcomeKind::ConnectError)),
                Left::Down => passage.leaves(None),
            }
        }
        match left {
            Left::Over(_) => {}
            Left::Gone => {
                // Who has answered meanwhile shows that time has passed for those before, too.
                if self.back.get() > 0 {
                    tried.clear();
                }
                tried.push(Rc::clone(member));
                self.server.unshare(&way.socket);
            }
            Left::Down => tried.clear(),
        }
        self.is_gone.set(false);
        left
    }

    fn poll(
        &self,
        cx: &mut Context<'_>,
        socket: &UdpSocket,
        member: &Member,
        refused: Pin<&mut impl Future<Output = ()>>,
    ) -> Poll<Left> {
        self.attend(cx);
        if let Some(end) = self.end() {
            return Poll::Ready(Left::Over(end));
        }
        if self.is_gone.get() {
            return Poll::Ready(Left::Gone);
        }
        // It is still heard until something else is to be said, or it is cut off.
        if member.is_cut() || !self.waiting.borrow().is_empty() {
            return Poll::Ready(Left::Down);
        }
        for _ in 0..TURNS {
            if socket.poll_recv_ready(cx).is_pending() {
                return refused.poll(cx).map(|()| Left::Gone);
            }
            let mut batch = self.server.proxy.batch.borrow_mut();
            let batch = batch.get_or_insert_default();
            match batch.receive(socket, &self.server.state) {
                Ok(_) => batch.for_each(|_, datagrams| self.give_back(datagrams)),
                Err(error) if is_unreachable(&error) => return Poll::Ready(Left::Gone),
                Err(_) => {}
            }
            if self.missing() == Some(0) {
                return Poll::Ready(Left::Over(End::Finished));
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Waits for something to send, without a backend. Answers the end of the flow, if that comes first.
    async fn rest(&self) -> Option<End> {
        poll_fn(|cx| {
            self.attend(cx);
            match self.end() {
                _ if !self.waiting.borrow().is_empty() => Poll::Ready(None),
                Some(end) => Poll::Ready(Some(end)),
                None => Poll::Pending,
            }
        })
        .await
    }

    /// Why the flow ends now, if it does.
    fn end(&self) -> Option<End> {
        match self.watch.is_over() {
            _ if self.server.proxy.tunnels.are_over() => Some(End::Stopped),
            true => Some(End::Idle),
            false => None,
        }
    }

    /// Sends what waits. Whether somebody is there; if not, the rest goes on waiting.
    fn flush(&self, way: &Way) -> bool {
        let mut introduction = &way.introduction[..];
        loop {
            let Some(datagram) = self.waiting.borrow_mut().pop() else { return true };
            let joined;
            let bytes = match introduction {
                [] => &datagram,
                _ => {
                    joined = [introduction, &datagram].concat();
                    &joined
                }
            };
            let sent = self.send(&way.socket, way.to, Datagrams { bytes, segment: None });
            if sent.unreached > 0 {
                self.waiting.borrow_mut().put_back(datagram);
                return false;
            }
            // On a socket that all share, it is said of each.
            if sent.datagrams > 0 && !self.is_stateless() {
                introduction = &[];
            }
        }
    }

    fn send(&self, socket: &UdpSocket, to: SocketAddr, datagrams: Datagrams<'_>) -> Sent {
        let outlet = Outlet { socket, state: &self.server.state, to, from: None, is_connected: true };
        let sent = outlet.send(datagrams);
        self.there.set(self.there.get() + sent.datagrams);
        if let Some(passage) = &mut *self.passage.borrow_mut() {
            passage.carried(sent.bytes, 0);
            passage.count(|carried| {
                carried.datagrams_upstream.add(sent.datagrams);
                sent.count_dropped(carried);
            });
        }
        sent
    }

    fn give_back(&self, datagrams: Datagrams<'_>) {
        self.stir();
        let Server { socket, state, .. } = &*self.server;
        let Path { client: to, to: from } = self.path;
        let sent = Outlet { socket, state, to, from, is_connected: false }.send(datagrams);
        let is_first = self.back.replace(self.back.get() + datagrams.count() as u64) == 0;
        if let Some(passage) = &mut *self.passage.borrow_mut() {
            if is_first {
                passage.answered();
            }
            passage.heard();
            passage.carried(0, sent.bytes);
            passage.count(|carried| {
                carried.datagrams_downstream.add(sent.datagrams);
                sent.count_dropped(carried);
                carried.dropped[Dropped::Failed as usize].add(sent.unreached as u64);
            });
        }
    }

    /// Datagrams that should still come back, if that is known.
    fn missing(&self) -> Option<u64> {
        let expected = self.there.get() * u64::from(self.responses?);
        Some(expected.saturating_sub(self.back.get()))
    }

    /// Whether each datagram is decided, and nothing comes back.
    fn is_stateless(&self) -> bool {
        self.responses == Some(0)
    }

    fn stir(&self) {
        self.idle_timeout.map_or_else(|| self.watch.clear(), |timeout| self.watch.set(timeout));
    }

    /// Its task is woken by datagrams, and when time is over.
    fn attend(&self, cx: &Context<'_>) {
        self.watch.wakes(cx.waker());
        keep_waker(&self.waker, cx.waker());
    }
}

/// Whether nothing more is to be said to a backend.
fn is_down(member: &Member) -> bool {
    member.has_left() || member.is_cut()
}

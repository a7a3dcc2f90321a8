//! Datagrams (`protocol = "udp"`): those of one client belong to one flow, which is decided once and carried both ways.
//!
//! A listener's socket on a worker: whose datagrams come, and to which flow they belong. The kernel gives those of one
//! client to the same worker always. What becomes of a flow is in `flow`, how datagrams are read and sent in [`batch`] and
//! `outlet`. What they mean is nobody's business here.

pub mod batch;
mod flow;
mod outlet;
mod waiting;

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket as StdSocket};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};

use quinn_udp::{RecvMeta, UdpSocketState};
use socket2::{Domain, Socket, Type};
use tokio::net::UdpSocket;
use tokio::task::spawn_local;

use self::batch::Datagrams;
use self::flow::Flow;
use super::Proxy;
use super::connection::Open;
use super::door::Door;
use crate::config::ListenerProtocol;
use crate::pool::Backend;
use crate::telemetry::carried::{Carried, Dropped};

/// Batches that are read before others get their turn.
const TURNS: usize = 4;

/// A listener of datagrams on one worker.
pub struct Server {
    proxy: Rc<Proxy>,
    door: Rc<Door>,
    socket: UdpSocket,
    /// The sockets of all workers: while one of them has flows, none is closed, or the kernel would spread those anew.
    _group: Arc<[StdSocket]>,
    /// What the kernel can do, for this socket and those to backends.
    state: UdpSocketState,
    local: SocketAddr,
    flows: RefCell<HashMap<Path, Rc<Flow>>>,
    /// Where nothing is kept of flows: sockets that all of them use.
    shared: RefCell<Vec<(Arc<Backend>, Rc<UdpSocket>)>>,
    waker: RefCell<Option<Waker>>,
}

/// What tells one flow from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Path {
    client: SocketAddr,
    /// Which of our addresses it sends to, where there are several.
    to: Option<IpAddr>,
}

impl Server {
    /// On this socket, which does not block, and is one of the `group` that has its address.
    ///
    /// # Errors
    /// There is no descriptor left.
    pub fn new(proxy: Rc<Proxy>, door: Rc<Door>, socket: StdSocket, group: Arc<[StdSocket]>) -> io::Result<Rc<Self>> {
        let local = socket.local_addr()?;
        // What it finds out is true of all sockets, and what it sets is not wanted: datagrams may be fragmented on their way.
        let state = UdpSocketState::new((&Socket::new(Domain::for_address(local), Type::DGRAM, None)?).into())?;
        let socket = UdpSocket::from_std(socket)?;
        let (flows, shared, waker) = Default::default();
        Ok(Rc::new(Self { proxy, door, socket, _group: group, state, local, flows, shared, waker }))
    }

    /// Serves until it is closed and its last flow has ended.
    pub async fn serve(self: Rc<Self>) {
        let mut closed = pin!(self.door.closed());
        let mut is_closed = false;
        poll_fn(|cx| {
            keep_waker(&self.waker, cx.waker());
            is_closed = is_closed || closed.as_mut().poll(cx).is_ready();
            if is_closed && self.flows.borrow().is_empty() {
                return Poll::Ready(());
            }
            for _ in 0..TURNS {
                match self.socket.poll_recv_ready(cx) {
                    Poll::Ready(Ok(())) => self.receive(),
                    // The runtime ends.
                    Poll::Ready(Err(_)) => return Poll::Ready(()),
                    Poll::Pending => return Poll::Pending,
                }
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    fn receive(self: &Rc<Self>) {
        let mut batch = self.proxy.batch.borrow_mut();
        let batch = batch.get_or_insert_default();
        match batch.receive(&self.socket, &self.state) {
            Ok(_) => batch.for_each(|meta, datagrams| self.forward(meta, datagrams)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => tracing::debug!(local = %self.local, %error, "cannot receive"),
        }
    }

    fn forward(self: &Rc<Self>, meta: &RecvMeta, datagrams: Datagrams<'_>) {
        let to = meta.dst_ip.filter(|to| self.local.ip().is_unspecified() && is_of_one(to));
        let path = Path { client: meta.addr, to };
        let known = self.flows.borrow().get(&path).map(Rc::clone);
        match known {
            Some(flow) => flow.forward(datagrams),
            None => {
                if let Err(why) = self.begin(path, datagrams) {
                    self.count(|carried| carried.dropped[why as usize].add(datagrams.count() as u64));
                }
            }
        }
    }

    /// The first datagrams of a flow.
    fn begin(self: &Rc<Self>, path: Path, datagrams: Datagrams<'_>) -> Result<(), Dropped> {
        if self.door.is_closed() {
            return Err(Dropped::Closed);
        }
        let (view, number) = (self.door.view(&self.proxy), self.door.number());
        let Some(listener) = view.snapshot.listeners.get(number) else { return Err(Dropped::Closed) };
        let ListenerProtocol::Udp { carried, responses } = &listener.protocol else { return Err(Dropped::Closed) };
        // On a socket for both, clients of IPv4 have addresses of IPv6.
        let client = SocketAddr::new(path.client.ip().to_canonical(), path.client.port());
        if !listener.access.permits(Some(client.ip())) {
            return Err(Dropped::Denied);
        }
        let Some(open) = Open::begin(&self.proxy, listener) else {
            listener.shed.of(self.proxy.worker).connections.add(1);
            return Err(Dropped::Full);
        };
        let flow = Rc::new(Flow::new(self, path, client, (carried.idle_timeout, *responses), &view));
        flow.forward(datagrams);
        self.flows.borrow_mut().insert(path, Rc::clone(&flow));
        spawn_local(flow.run(open));
        Ok(())
    }

    /// A flow has ended.
    fn forget(&self, path: &Path) {
        self.flows.borrow_mut().remove(path);
        if self.door.is_closed()
            && let Some(waker) = self.waker.take()
        {
            waker.wake();
        }
    }

    /// The socket to a backend that all use, where nothing is kept of flows.
    fn shared(&self, backend: &Arc<Backend>) -> Option<Rc<UdpSocket>> {
        let shared = self.shared.borrow();
        shared.iter().find(|(known, _)| Arc::ptr_eq(known, backend)).map(|(_, socket)| Rc::clone(socket))
    }

    /// From now on all use this one.
    fn share(&self, backend: &Arc<Backend>, socket: &Rc<UdpSocket>) {
        let mut shared = self.shared.borrow_mut();
        // Of backends that are nowhere else, nothing is left.
        shared.retain(|(known, _)| Arc::strong_count(known) > 1 && !Arc::ptr_eq(known, backend));
        shared.push((Arc::clone(backend), Rc::clone(socket)));
    }

    /// Nobody uses this one any more: what stands in its way may be of the socket, such as an address of ours that is gone.
    fn unshare(&self, socket: &Rc<UdpSocket>) {
        self.shared.borrow_mut().retain(|(_, known)| !Rc::ptr_eq(known, socket));
    }

    /// Counts something that is of no pool.
    fn count(&self, count: impl FnOnce(&Carried)) {
        let (view, number) = (self.door.view(&self.proxy), self.door.number());
        if let Some(carried) = view.ledger.carried(number, view.ledger.no_pool(), self.proxy.worker) {
            count(carried);
        }
    }
}

/// Whether an address is of one machine, so that something can come from it.
fn is_of_one(address: &IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => !address.is_broadcast() && !address.is_multicast(),
        IpAddr::V6(address) => !address.is_multicast(),
    }
}

/// Keeps this waker in place of another.
fn keep_waker(kept: &RefCell<Option<Waker>>, waker: &Waker) {
    let mut kept = kept.borrow_mut();
    if !kept.as_ref().is_some_and(|kept| kept.will_wake(waker)) {
        *kept = Some(waker.clone());
    }
}

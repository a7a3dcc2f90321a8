//! A client's connection: whether it is let in, and which protocol is spoken on it.

use std::cell::{OnceCell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;

use super::bare::Bare;
use super::door::Door;
use super::error::Error;
use super::handshake::shake;
use super::headers::{Peer, certificate};
use super::refusal::{part, refuse, refuse_shortly};
use super::socket::Socket;
use super::tcp::Arrival;
use super::{Proxy, http1, http2, introduced};
use crate::decide::Facts;
use crate::proxy_protocol::Told;
use crate::snapshot::Listener;
use crate::tls::Security;

/// A client's connection, for all its requests.
pub(super) struct Client {
    pub(super) proxy: Rc<Proxy>,
    pub(super) door: Rc<Door>,
    pub(super) peer: Peer,
    /// What its peer has told of it.
    pub(super) told: Told,
    /// Where it was accepted.
    local: Option<SocketAddr>,
    /// What backends are told of it, once one is.
    introduction: OnceCell<Rc<Told>>,
    /// None without TLS.
    pub(super) security: Option<Security>,
    /// What backends are told of its certificate, where clients are asked for one.
    pub(super) certificate: Option<certificate::Fields>,
    /// Kept from request to request, so that facts are allocated once.
    pub(super) facts: RefCell<Option<Box<Facts>>>,
}

impl Client {
    /// What backends are told of it.
    pub(super) fn introduction(&self) -> Rc<Told> {
        let introduce = || {
            let security = self.security.as_ref();
            let name = security.and_then(|security| security.server_name.clone());
            let protocol = security.and_then(|security| security.protocol.clone());
            introduced::introduce(&self.proxy, self.told.clone(), (self.peer.address, self.local), (&name, &protocol))
        };
        Rc::clone(self.introduction.get_or_init(introduce))
    }
}

/// Serves one connection to its end. Over a Unix socket it has no address.
pub async fn serve(proxy: Rc<Proxy>, door: Rc<Door>, mut socket: Bare, mut address: Option<SocketAddr>) {
    let view = door.view(&proxy);
    let Some(settings) = view.snapshot.listeners.get(door.number()).cloned() else { return };
    drop(view);
    // On a socket for both, clients of IPv4 have addresses of IPv6.
    address = address.map(|address| SocketAddr::new(address.ip().to_canonical(), address.port()));
    let carried = settings.protocol.carried();
    let may_come = |address: Option<SocketAddr>| settings.access.permits(address.map(|address| address.ip()));
    // Whom a connection is from may be said by a header that is read first.
    if settings.proxy_protocol.is_none() && !may_come(address) {
        return Box::pin(deny(&proxy, &settings, socket)).await;
    }
    let Some(_open) = Open::begin(&proxy, &settings) else {
        settings.shed.of(proxy.worker).connections.add(1);
        match carried {
            Some(carried) => Box::pin(part(&proxy, Socket::Bare(socket), carried.refuse_with)).await,
            // With TLS, an answer would cost a handshake: who is not let in is closed without a word.
            None if settings.tls.is_some() => {}
            None => Box::pin(refuse_shortly(&proxy, Socket::Bare(socket), Error::TooManyConnections)).await,
        }
        return;
    };
    socket.tune(&settings.tcp);
    let mut told = Told::default();
    if let Some(settings_of_header) = &settings.proxy_protocol {
        let hearing = introduced::hear(&proxy, &door, settings_of_header, &mut socket, address);
        match Box::pin(hearing).await {
            Some(heard) => told = heard,
            None => return settings.shed.of(proxy.worker).introductions.add(1),
        }
        if let Some((client, _)) = told.addresses {
            address = Some(client);
        }
        if !may_come(address) {
            return Box::pin(deny(&proxy, &settings, socket)).await;
        }
    }
    let (socket, mut security) = match &settings.tls {
        None => (Socket::Bare(socket), None),
        Some(acceptor) => match Box::pin(shake(&proxy, &door, &settings, acceptor, socket)).await {
            Some((socket, security)) => (socket, Some(security)),
            None => return,
        },
    };
    if let Some(carried) = carried {
        let arrival = Arrival { proxy, door, socket, address, told, security };
        // Boxed, so that a connection that lasts for days keeps nothing of its beginning.
        let joined = Box::pin(arrival.join(&settings, carried)).await;
        drop(settings);
        if let Some(joined) = joined {
            joined.carry().await;
        }
        return;
    }
    let peer = Peer::new(address, &settings.trusted_proxies, security.is_some());
    let is_asked = settings.tls.as_ref().is_some_and(|tls| tls.asks_clients());
    let shown = security.as_mut().and_then(|security| security.client.take());
    let certificate = is_asked.then(|| certificate::Fields::new(shown));
    let local = socket.below().local();
    let (facts, introduction) = Default::default();
    let client = Client { peer, told, local, security, certificate, facts, introduction, proxy, door };
    let client = Rc::new(client);
    // Boxed, so that each has what it needs of memory, and a tunnel, which may last for days, has none of it.
    let upgraded = match &settings.http2 {
        Some(http2) if client.security.as_ref().is_some_and(Security::is_http2) => {
            Box::pin(http2::serve(client, socket, Bytes::new(), &settings, http2)).await;
            None
        }
        _ => Box::pin(http1::serve(client, socket, &settings)).await,
    };
    drop(settings);
    if let Some(upgraded) = upgraded {
        upgraded.carry().await;
    }
}

/// Turns away who may not come.
async fn deny(proxy: &Proxy, listener: &Listener, socket: Bare) {
    match listener.protocol.carried() {
        Some(carried) => part(proxy, Socket::Bare(socket), carried.refuse_with).await,
        None if listener.tls.is_some() => {}
        None => refuse(Socket::Bare(socket), Error::Denied).await,
    }
}

/// Counts an open connection, or flow.
pub(super) struct Open {
    proxy: Rc<Proxy>,
    listener: Arc<Listener>,
}

impl Open {
    /// None when as many are open as may.
    pub(super) fn begin(proxy: &Rc<Proxy>, listener: &Arc<Listener>) -> Option<Self> {
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

//! After `101 Switching Protocols`, or what HTTP/2 has for it: both sides of what is no HTTP any more, and how they are left.
//! The bytes are carried by [`carry`](super::carry).

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use hyper::upgrade::OnUpgrade;

use super::Proxy;
use super::carry::{Carry, Ending};
use super::exchange::Exchange;
use super::line::{Line, Phase};
use super::relay::{Carrier, Relay};
use super::socket::Socket;
use crate::pool::Member;
use crate::pool::connections::Counted;
use crate::pool::upstream::conduit::Conduit;
use crate::pool::upstream::duplex::{Duplex, Pump};

/// The backend's side of an upgraded connection.
pub struct Tunnel {
    /// The client's, where that is not all of its connection.
    pub stream: Option<OnUpgrade>,
    /// The backend's socket, or its stream.
    pub backend: Conduit,
    /// What the backend sent behind its head already.
    pub answered: Bytes,
    /// Lasts as long as the tunnel.
    pub exchange: Option<Box<Exchange>>,
    /// The connection counts as long.
    pub connected: Option<Counted>,
    /// Whose it is.
    pub member: Rc<Member>,
    /// Ends when nothing has moved for so long, either way.
    pub timeout: Option<Duration>,
}

/// A client's connection that is no HTTP any more.
pub(super) struct Upgraded {
    /// Of its worker.
    pub(super) proxy: Rc<Proxy>,
    /// The client's socket.
    pub(super) client: Socket,
    /// What the client sent behind its head already.
    pub(super) read: Bytes,
    /// The other side.
    pub(super) tunnel: Tunnel,
    /// The connection's.
    pub(super) line: Rc<Line>,
}

impl Upgraded {
    /// Carries bytes both ways, to the end of the connection.
    pub(super) async fn carry(mut self) {
        // A peer that vanished without a word is found by the kernel's probes.
        self.client.below().keep_alive();
        let Self { proxy, client, read, tunnel, line } = &mut self;
        let ending = join(proxy, client, std::mem::take(read), tunnel, line).await;
        if matches!(ending, Ending::Broken(_)) {
            // Reset, so that nobody takes what came for the whole.
            client.below().reset_when_dropped();
            tunnel.backend.reset_when_dropped();
        }
    }
}

/// The same of a client's stream of HTTP/2. `pump` is what hyper has started for it.
pub(super) async fn carry_stream(proxy: Rc<Proxy>, line: Rc<Line>, mut tunnel: Tunnel, pump: Option<Pump>) {
    let client = tunnel.stream.take().zip(pump).and_then(|(opened, pump)| Duplex::new(opened, pump));
    let is_broken = match client {
        Some(mut client) => {
            matches!(join(&proxy, &mut client, Bytes::new(), &mut tunnel, &line).await, Ending::Broken(_))
        }
        // The client has left while the response was on its way.
        None => true,
    };
    if is_broken {
        tunnel.backend.reset_when_dropped();
    }
}

/// Anything that carries bytes as a client's socket does may be the client.
async fn join<C>(proxy: &Rc<Proxy>, client: &mut C, read: Bytes, tunnel: &mut Tunnel, line: &Line) -> Ending
where
    C: Carrier,
{
    let Tunnel { backend, answered, exchange, member, timeout, .. } = tunnel;
    backend.keep_alive();
    if let Some(exchange) = exchange {
        exchange.becomes_tunnel();
    }
    line.enter(Phase::Busy);
    let mut relay = Relay::new(read, std::mem::take(answered));
    let carry = Carry { proxy, watch: line.watch(), member, timeout: *timeout };
    let ending = carry.run(client, backend, &mut relay, |_| {}).await;
    if let Some(exchange) = exchange {
        exchange.sends(usize::try_from(relay.to_client()).unwrap_or(usize::MAX));
    }
    ending
}

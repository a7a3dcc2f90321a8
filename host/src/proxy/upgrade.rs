//! After `101 Switching Protocols`, or what HTTP/2 has for it: bytes both ways, until both sides have ended, nothing moves for too long, or the
//! backend or this process is left. What the bytes mean is nobody's business here.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::upgrade::OnUpgrade;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Proxy;
use super::exchange::Exchange;
use super::line::{Line, Phase};
use super::relay::Relay;
use super::socket::Socket;
use crate::pool::Member;
use crate::pool::connections::Counted;
use crate::pool::upstream::conduit::Conduit;
use crate::pool::upstream::duplex::{Duplex, Pump};

/// How long both sides have to take their leave when we end a tunnel: time for a last `close_notify` and for what is on
/// its way, which unread would make a reset of the close.
pub const LEAVE: Duration = Duration::from_secs(1);

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

/// How a tunnel ended.
enum Ending {
    /// Both sides said all they had to say.
    Finished,
    /// One of them broke off.
    Broken,
    /// We end it, for this reason.
    Ours(&'static str),
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
        let _ = SockRef::from(self.client.tcp()).set_keepalive(true);
        let ending = join(&self.proxy, &mut self.client, self.read, &mut self.tunnel, &self.line).await;
        if matches!(ending, Ending::Broken) {
            // Reset, so that nobody takes what came for the whole.
            let _ = SockRef::from(self.client.tcp()).set_linger(Some(Duration::ZERO));
            self.tunnel.backend.reset_when_dropped();
        }
    }
}

/// The same of a client's stream of HTTP/2. `pump` is what hyper has started for it.
pub(super) async fn carry_stream(proxy: Rc<Proxy>, line: Rc<Line>, mut tunnel: Tunnel, pump: Option<Pump>) {
    let client = tunnel.stream.take().zip(pump).and_then(|(opened, pump)| Duplex::new(opened, pump));
    let ending = match client {
        Some(mut client) => join(&proxy, &mut client, Bytes::new(), &mut tunnel, &line).await,
        // The client has left while the response was on its way.
        None => Ending::Broken,
    };
    if matches!(ending, Ending::Broken) {
        tunnel.backend.reset_when_dropped();
    }
}

/// Anything that carries bytes as a client's socket does may be the client.
async fn join<C>(proxy: &Rc<Proxy>, client: &mut C, read: Bytes, tunnel: &mut Tunnel, line: &Line) -> Ending
where
    C: AsyncRead + AsyncWrite + Unpin,
{
    let Tunnel { backend, answered, exchange, member, timeout, .. } = tunnel;
    backend.keep_alive();
    if let Some(exchange) = exchange {
        exchange.becomes_tunnel();
    }
    let rest = || line.enter(Phase::Busy);
    let stir = || timeout.map_or_else(rest, |timeout| line.watch().set(timeout));
    rest();
    stir();
    let _open = proxy.tunnels.begin();
    let mut relay = Relay::new(read, std::mem::take(answered));
    let ending = poll_fn(|cx| {
        line.watch().wakes(cx.waker());
        let before = relay.moved();
        let carried = relay.poll(cx, client, backend, &mut proxy.scratch.borrow_mut());
        if relay.moved() != before {
            stir();
        }
        match carried {
            Poll::Ready(Ok(())) => Poll::Ready(Ending::Finished),
            Poll::Ready(Err(error)) => {
                tracing::debug!(%error, "an upgraded connection broke");
                Poll::Ready(Ending::Broken)
            }
            // A backend that drains is left at last.
            Poll::Pending if member.is_cut() => Poll::Ready(Ending::Ours("its backend is left")),
            Poll::Pending if proxy.tunnels.are_over() => Poll::Ready(Ending::Ours("we stop")),
            Poll::Pending if line.watch().is_over() => Poll::Ready(Ending::Ours("nothing moved")),
            Poll::Pending => Poll::Pending,
        }
    })
    .await;
    if let Some(exchange) = exchange {
        exchange.sends(usize::try_from(relay.to_client()).unwrap_or(usize::MAX));
    }
    drop(relay);
    if let Ending::Ours(reason) = ending {
        tracing::debug!(reason, "an upgraded connection is closed");
        line.watch().set(LEAVE);
        leave(proxy, client, backend, line).await;
    }
    ending
}

/// Says to both sides that nothing more comes, and waits until they say the same, but not for long.
async fn leave<C>(proxy: &Rc<Proxy>, client: &mut C, backend: &mut Conduit, line: &Line)
where
    C: AsyncRead + AsyncWrite + Unpin,
{
    let (mut client_left, mut backend_left) = (Leaving::default(), Leaving::default());
    poll_fn(|cx| {
        line.watch().wakes(cx.waker());
        let mut scratch = proxy.scratch.borrow_mut();
        let left = client_left.poll(cx, client, &mut scratch).is_ready()
            & backend_left.poll(cx, backend, &mut scratch).is_ready();
        if left || line.watch().is_over() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// One side, as we leave it.
#[derive(Default)]
struct Leaving {
    told: bool,
    ended: bool,
}

impl Leaving {
    /// Ready when it has ended too. An error is an end.
    fn poll<S>(&mut self, cx: &mut Context<'_>, side: &mut S, scratch: &mut [u8]) -> Poll<()>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        if !self.told {
            self.told = Pin::new(&mut *side).poll_shutdown(cx).is_ready();
        }
        while !self.ended {
            let mut unread = ReadBuf::new(scratch);
            match Pin::new(&mut *side).poll_read(cx, &mut unread) {
                Poll::Ready(Ok(())) if !unread.filled().is_empty() => {}
                Poll::Ready(_) => self.ended = true,
                Poll::Pending => return Poll::Pending,
            }
        }
        if self.told { Poll::Ready(()) } else { Poll::Pending }
    }
}

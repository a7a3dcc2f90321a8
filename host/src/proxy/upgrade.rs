//! After `101 Switching Protocols`: bytes both ways, until both sides have ended.

use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use bytes::Bytes;
use socket2::SockRef;
use tokio::io::{AsyncWriteExt, copy_bidirectional};

use super::exchange::Exchange;
use super::line::{Line, Phase};
use super::socket::Socket;
use crate::pool::Member;
use crate::pool::connect::Stream;
use crate::pool::connections::Counted;

/// The backend's side of an upgraded connection.
pub struct Tunnel {
    /// The backend's socket.
    pub backend: Stream,
    /// What the backend sent behind its head already.
    pub answered: Bytes,
    /// Lasts as long as the tunnel.
    pub exchange: Option<Box<Exchange>>,
    /// The connection counts as long.
    pub connected: Option<Counted>,
    /// Whose it is.
    pub member: Rc<Member>,
}

/// Carries bytes between a client and a backend. `read` is what the client sent behind its head already.
pub async fn carry(mut client: Socket, read: Bytes, mut tunnel: Tunnel, line: &Line) {
    line.enter(Phase::Busy);
    let backend = &mut tunnel.backend;
    // A peer that vanished without a word is found by the kernel's probes.
    let _ = SockRef::from(client.tcp()).set_keepalive(true);
    backend.keep_alive();
    let member = &tunnel.member;
    let mut carried = pin!(async {
        backend.write_all(&read).await?;
        client.write_all(&tunnel.answered).await?;
        copy_bidirectional(&mut client, backend).await
    });
    let carried = poll_fn(|cx| {
        line.watch().wakes(cx.waker());
        // A backend that drains is left at last.
        if member.is_cut() { Poll::Ready(None) } else { carried.as_mut().poll(cx).map(Some) }
    });
    let Some(carried) = carried.await else { return };
    match carried {
        Ok((_, sent)) => {
            if let Some(exchange) = &mut tunnel.exchange {
                exchange.sends(usize::try_from(sent).unwrap_or(usize::MAX));
            }
        }
        Err(error) => tracing::debug!(%error, "an upgraded connection broke"),
    }
}

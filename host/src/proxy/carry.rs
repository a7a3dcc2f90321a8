//! Bytes both ways between a client and a backend, until both sides have ended, nothing moves for too long, or the
//! backend or this process is left. What the bytes mean is nobody's business here.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Proxy;
use super::deadline::Watch;
use super::relay::{Broken, Carrier, Means, Relay};
use crate::pool::Member;

/// How long both sides have to take their leave when we end it: time for a last `close_notify` and for what is on
/// its way, which unread would make a reset of the close.
pub const LEAVE: Duration = Duration::from_secs(1);

/// How it ended.
#[derive(Debug)]
pub(super) enum Ending {
    /// Both sides said all they had to say.
    Finished,
    /// One of them broke off.
    Broken(Broken),
    /// We end it, for this reason.
    Ours(Reason),
}

/// Why we end what could go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// Its backend drains no longer.
    Left,
    /// This process stops.
    Stop,
    /// Nothing moved.
    Idle,
}

/// What is carried by.
pub(super) struct Carry<'a> {
    /// The worker's.
    pub(super) proxy: &'a Proxy,
    /// The connection's deadline.
    pub(super) watch: &'a Watch,
    /// Whose the backend's side is.
    pub(super) member: &'a Member,
    /// It ends when nothing has moved for so long, either way.
    pub(super) timeout: Option<Duration>,
}

impl Carry<'_> {
    /// Carries until the end; `moved` is called each time that something has. Both sides are told of an end that is ours;
    /// those of one that broke are for the caller to reset.
    pub(super) async fn run<C, B>(
        &self,
        client: &mut C,
        backend: &mut B,
        relay: &mut Relay,
        mut moved: impl FnMut(&Relay),
    ) -> Ending
    where
        C: Carrier,
        B: Carrier,
    {
        let Self { proxy, watch, member, timeout } = *self;
        let stir = || timeout.map_or_else(|| watch.clear(), |timeout| watch.set(timeout));
        stir();
        let _open = proxy.tunnels.begin();
        let ending = poll_fn(|cx| {
            watch.wakes(cx.waker());
            let before = relay.moved();
            let mut means = Means { scratch: &mut proxy.scratch.borrow_mut(), pipes: &proxy.pipes };
            let carried = relay.poll(cx, client, backend, &mut means);
            if relay.moved() != before {
                stir();
                moved(relay);
            }
            match carried {
                Poll::Ready(Ok(())) => Poll::Ready(Ending::Finished),
                Poll::Ready(Err(broken)) => Poll::Ready(Ending::Broken(broken)),
                // A backend that drains is left at last.
                Poll::Pending if member.is_cut() => Poll::Ready(Ending::Ours(Reason::Left)),
                Poll::Pending if proxy.tunnels.are_over() => Poll::Ready(Ending::Ours(Reason::Stop)),
                Poll::Pending if watch.is_over() => Poll::Ready(Ending::Ours(Reason::Idle)),
                Poll::Pending => Poll::Pending,
            }
        })
        .await;
        // An end in order would make what has come of it look like the whole.
        let ending = match (ending, relay.is_late()) {
            (Ending::Ours(reason), Some(side)) => {
                let error = io::Error::new(io::ErrorKind::TimedOut, format!("{reason:?} before all was taken"));
                Ending::Broken(Broken { side, error })
            }
            (ending, _) => ending,
        };
        relay.end(&proxy.pipes);
        match &ending {
            Ending::Finished => {}
            Ending::Broken(Broken { side, error }) => tracing::debug!(?side, %error, "a carried connection broke"),
            Ending::Ours(reason) => tracing::debug!(?reason, "a carried connection is closed"),
        }
        if matches!(ending, Ending::Ours(_)) || relay.is_one_sided() && matches!(ending, Ending::Finished) {
            watch.set(LEAVE);
            self.leave(client, backend).await;
        }
        ending
    }

    /// Says to both sides that nothing more comes, and waits until they say the same, but not for long.
    async fn leave<C, B>(&self, client: &mut C, backend: &mut B)
    where
        C: AsyncRead + AsyncWrite + Unpin,
        B: AsyncRead + AsyncWrite + Unpin,
    {
        let (mut client_left, mut backend_left) = (Leaving::default(), Leaving::default());
        poll_fn(|cx| {
            self.watch.wakes(cx.waker());
            let mut scratch = self.proxy.scratch.borrow_mut();
            let left = client_left.poll(cx, client, &mut scratch).is_ready()
                & backend_left.poll(cx, backend, &mut scratch).is_ready();
            if left || self.watch.is_over() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
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

//! The bytes of a stream of HTTP/2 that a CONNECT has opened (RFC 9113 §8.5), as a socket has them.
//!
//! hyper splits such a stream: what is read comes from h2 at once, and what is written goes by a channel to a future that
//! passes it on as the window allows, and that is meant for a task of its own. Here whoever has the stream drives that
//! future. By how it ends a reset is told from an end, which hyper takes for the same when they are read; and a stream
//! that is dropped before its end is reset, where hyper would end it in order.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use h2::Reason;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that are taken at a time: three times as many may wait for the other side's window.
const PIECE: usize = 16 << 10;

/// Hyper's future that passes on what is written.
pub type Pump = Pin<Box<dyn Future<Output = ()>>>;

/// Both directions of one stream.
pub struct Duplex {
    sending: Sending,
    bytes: TokioIo<Upgraded>,
}

/// Our direction of a stream.
enum Sending {
    /// More may be sent.
    Open(Pump),
    /// We have ended it.
    Ended,
    /// The other side wants no more of it, and has said all that it had to say.
    Unwanted,
    /// The stream was reset, or its connection is gone.
    Reset,
}

impl Duplex {
    /// Of a stream that was `opened`; none if it is not open any more.
    pub fn new(mut opened: OnUpgrade, pump: Pump) -> Option<Self> {
        // It was, before the response was there.
        match Pin::new(&mut opened).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(upgraded)) => Some(Self { sending: Sending::Open(pump), bytes: TokioIo::new(upgraded) }),
            _ => None,
        }
    }

    /// Passes on what was written as far as that may be.
    fn drive(&mut self, cx: &mut Context<'_>) {
        let Sending::Open(pump) = &mut self.sending else { return };
        if pump.as_mut().poll(cx).is_pending() {
            return;
        }
        // What it came to is told once, when it is gone.
        self.sending = Sending::Ended;
        self.sending = match Pin::new(&mut self.bytes).poll_flush(cx) {
            Poll::Ready(Err(error)) if is_in_order(&error) => Sending::Unwanted,
            Poll::Ready(Err(_)) => Sending::Reset,
            _ => Sending::Ended,
        };
    }

    /// Whether a stream can be read on.
    fn check(&self) -> io::Result<()> {
        match self.sending {
            Sending::Reset => Err(io::ErrorKind::ConnectionReset.into()),
            _ => Ok(()),
        }
    }
}

/// Whether a reset only says that the rest is not wanted (`NO_ERROR`, RFC 9113 §8.1).
fn is_in_order(error: &io::Error) -> bool {
    let error = error.get_ref().and_then(|error| error.source()).and_then(|error| error.downcast_ref::<h2::Error>());
    error.and_then(h2::Error::reason) == Some(Reason::NO_ERROR)
}

impl AsyncRead for Duplex {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.bytes).poll_read(cx, buf);
        if buf.filled().len() == before {
            // An end may be a reset.
            self.drive(cx);
            self.check()?;
        }
        read
    }
}

impl AsyncWrite for Duplex {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.bytes).poll_write(cx, &buf[..buf.len().min(PIECE)]);
        self.drive(cx);
        self.check()?;
        written
    }

    /// What is written goes on by itself whenever this is polled, so nobody waits for it.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.drive(cx);
        Poll::Ready(self.check())
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Sending::Open(_) = self.sending {
            let _ = Pin::new(&mut self.bytes).poll_shutdown(cx);
            self.drive(cx);
        }
        match self.sending {
            Sending::Open(_) => Poll::Pending,
            _ => Poll::Ready(self.check()),
        }
    }
}

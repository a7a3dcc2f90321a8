//! Copies bytes both ways between two sockets, and holds no buffer while nothing moves.
//!
//! What is read goes into memory that all of a worker's tunnels share, and out of it within the same turn. Only what the
//! other side does not take at once is kept, and nothing more is read from that side until it is gone: that is the flow
//! control. So an idle tunnel costs no more than its sockets and its task, where two buffers of 8 KiB each would be most of
//! it. The end of one direction is passed on and leaves the other open.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Size of the memory that a worker's tunnels share, in bytes: four times what a TLS record holds.
pub(super) const SCRATCH: usize = 64 << 10;

/// Reads of one side in one turn: after that the other side and other connections have theirs.
const TURN: usize = 16;

/// Both directions.
pub(super) struct Relay {
    /// From the client to the backend.
    up: Flow,
    /// From the backend to the client.
    down: Flow,
}

/// One of the two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// Downstream.
    Client,
    /// Upstream.
    Backend,
}

/// Who broke off.
#[derive(Debug)]
pub(super) struct Broken {
    /// That side.
    pub(super) side: Side,
    /// How.
    pub(super) error: io::Error,
}

/// One direction.
struct Flow {
    /// Read, and not written yet.
    kept: Bytes,
    /// Bytes written.
    moved: u64,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// More may come.
    Open,
    /// Nothing more comes, and the other side is to be told so.
    Ending,
    /// It was.
    Ended,
}

impl Relay {
    /// With what was read of the client and of the backend before.
    pub(super) fn new(client: Bytes, backend: Bytes) -> Self {
        Self { up: Flow::new(client), down: Flow::new(backend) }
    }

    /// Bytes that went to the backend.
    pub(super) fn to_backend(&self) -> u64 {
        self.up.moved
    }

    /// Bytes that went to the client.
    pub(super) fn to_client(&self) -> u64 {
        self.down.moved
    }

    /// Grows with each byte, either way.
    pub(super) fn moved(&self) -> u64 {
        self.up.moved + self.down.moved
    }

    /// Moves what can be moved. Ready when both directions have ended.
    ///
    /// # Errors
    /// Either side broke off; both are of no use from then on.
    pub(super) fn poll<C, B>(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut C,
        backend: &mut B,
        scratch: &mut [u8],
    ) -> Poll<Result<(), Broken>>
    where
        C: AsyncRead + AsyncWrite + Unpin,
        B: AsyncRead + AsyncWrite + Unpin,
    {
        let up = self.up.poll(cx, client, backend, scratch).map_err(|end| end.broken(Side::Client, Side::Backend))?;
        let down =
            self.down.poll(cx, backend, client, scratch).map_err(|end| end.broken(Side::Backend, Side::Client))?;
        if up.is_ready() && down.is_ready() { Poll::Ready(Ok(())) } else { Poll::Pending }
    }
}

/// The end of a direction that broke off.
enum End {
    /// Where it comes from.
    From(io::Error),
    /// Where it goes to.
    To(io::Error),
}

impl End {
    fn broken(self, from: Side, to: Side) -> Broken {
        match self {
            Self::From(error) => Broken { side: from, error },
            Self::To(error) => Broken { side: to, error },
        }
    }
}

impl Flow {
    fn new(kept: Bytes) -> Self {
        // Without a byte in it, it would still hold the buffer that it is a part of.
        let kept = if kept.is_empty() { Bytes::new() } else { kept };
        Self { kept, moved: 0, stage: Stage::Open }
    }

    /// Ready when this direction has ended.
    fn poll<F, T>(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut F,
        to: &mut T,
        scratch: &mut [u8],
    ) -> Poll<Result<(), End>>
    where
        F: AsyncRead + Unpin,
        T: AsyncWrite + Unpin,
    {
        let mut reads = 0;
        loop {
            ready!(self.write_kept(cx, to)).map_err(End::To)?;
            match self.stage {
                Stage::Open if reads == TURN => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Stage::Open => {
                    reads += 1;
                    let mut read = ReadBuf::new(scratch);
                    if Pin::new(&mut *from).poll_read(cx, &mut read).map_err(End::From)?.is_pending() {
                        // Free where nothing is buffered. A stream of HTTP/2 goes on with what was written.
                        let _ = Pin::new(&mut *to).poll_flush(cx).map_err(End::To)?;
                        return Poll::Pending;
                    }
                    match read.filled() {
                        [] => self.stage = Stage::Ending,
                        bytes => self.write(cx, to, bytes).map_err(End::To)?,
                    }
                }
                Stage::Ending => {
                    ready!(Pin::new(&mut *to).poll_shutdown(cx)).map_err(End::To)?;
                    self.stage = Stage::Ended;
                }
                Stage::Ended => return Poll::Ready(Ok(())),
            }
        }
    }

    /// Writes what it can of `bytes`, and keeps the rest.
    fn write<T: AsyncWrite + Unpin>(&mut self, cx: &mut Context<'_>, to: &mut T, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.write_some(cx, to, bytes)? {
                Poll::Ready(count) => bytes = &bytes[count..],
                Poll::Pending => {
                    self.kept = Bytes::copy_from_slice(bytes);
                    break;
                }
            }
        }
        Ok(())
    }

    /// Ready when nothing is kept any more.
    fn write_kept<T: AsyncWrite + Unpin>(&mut self, cx: &mut Context<'_>, to: &mut T) -> Poll<io::Result<()>> {
        while !self.kept.is_empty() {
            let kept = std::mem::take(&mut self.kept);
            let written = self.write_some(cx, to, &kept);
            self.kept = kept;
            self.kept.advance(ready!(written?));
            if self.kept.is_empty() {
                self.kept = Bytes::new();
            }
        }
        Poll::Ready(Ok(()))
    }

    fn write_some<T: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut T,
        bytes: &[u8],
    ) -> io::Result<Poll<usize>> {
        let written = Pin::new(to).poll_write(cx, bytes)?;
        match written {
            Poll::Ready(0) => return Err(io::ErrorKind::WriteZero.into()),
            Poll::Ready(count) => {
                self.moved += count as u64;
            }
            Poll::Pending => {}
        }
        Ok(written)
    }
}

#[cfg(test)]
mod tests;

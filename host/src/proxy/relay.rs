//! Copies bytes both ways between two sockets, and holds no buffer while nothing moves.
//!
//! What is read goes into memory that all of a worker's tunnels share, and out of it within the same turn. Only what the
//! other side does not take at once is kept, and nothing more is read from that side until it is gone: that is the flow
//! control. Where much moves between two bare sockets, it stays within the kernel (`splice`). So an idle tunnel costs no more than its sockets and its task, where two buffers of 8 KiB each would be most of
//! it. The end of one direction is passed on and leaves the other open.

pub(in crate::proxy) mod splice;

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use self::splice::{Pipe, Pipes};
use crate::pool::connect::Stream;
use crate::pool::upstream::conduit::Conduit;
use crate::pool::upstream::duplex::Duplex;

/// Size of the memory that a worker's tunnels share, in bytes: four times what a TLS record holds.
pub(super) const SCRATCH: usize = 64 << 10;

/// Reads of one side in one turn: after that the other side and other connections have theirs.
const TURN: usize = 16;

/// A read of so many bytes shows that much moves, in bytes: a quarter of the memory that it is read into.
const MUCH: usize = SCRATCH / 4;

/// Something that bytes are carried from and to.
pub(super) trait Carrier: AsyncRead + AsyncWrite + Unpin {
    /// The socket, where its bytes are all that there is to it.
    fn bare(&self) -> Option<&TcpStream>;
}

impl Carrier for Stream {
    fn bare(&self) -> Option<&TcpStream> {
        self.tcp()
    }
}

impl Carrier for Conduit {
    fn bare(&self) -> Option<&TcpStream> {
        match self {
            Self::Socket(stream) => stream.tcp(),
            Self::Stream(_) => None,
        }
    }
}

impl Carrier for Duplex {
    fn bare(&self) -> Option<&TcpStream> {
        None
    }
}

/// What all of a worker's connections share.
pub(super) struct Means<'a> {
    /// Nothing is in it between two turns.
    pub(super) scratch: &'a mut [u8],
    /// For who moves much.
    pub(super) pipes: &'a Pipes,
}

/// Both directions.
pub(super) struct Relay {
    /// From the client to the backend.
    up: Flow,
    /// From the backend to the client.
    down: Flow,
    /// The backend took no more of what the client had to say.
    is_one_sided: bool,
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
    /// Within the kernel: read, and not written yet.
    pipe: Option<Pipe>,
    /// Much moves: by a pipe, if there is one.
    is_bulk: bool,
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
        Self { up: Flow::new(client), down: Flow::new(backend), is_one_sided: false }
    }

    /// It is over: what it holds of the worker's is given back.
    pub(super) fn end(&mut self, pipes: &Pipes) {
        for flow in [&mut self.up, &mut self.down] {
            flow.pipe.take().into_iter().for_each(|pipe| pipes.give_back(pipe));
        }
    }

    /// Whether the backend ended before the client, which may still send.
    pub(super) fn is_one_sided(&self) -> bool {
        self.is_one_sided
    }

    /// The side that has not taken all that was read for it, if there is one.
    pub(super) fn is_late(&self) -> Option<Side> {
        let holds = |flow: &Flow| !flow.kept.is_empty() || flow.pipe.is_some();
        match (holds(&self.down), holds(&self.up)) {
            (true, _) => Some(Side::Client),
            (_, true) => Some(Side::Backend),
            _ => None,
        }
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
        means: &mut Means<'_>,
    ) -> Poll<Result<(), Broken>>
    where
        C: Carrier,
        B: Carrier,
    {
        let is_last = matches!(self.down.stage, Stage::Ended);
        let up = match self.is_one_sided {
            true => Poll::Ready(Ok(())),
            false => self.up.poll(cx, client, backend, means, is_last),
        };
        let up = match up {
            // The backend has ended, and listens no more. What it said before is on its way, whatever the client goes on with.
            Poll::Ready(Err(End::To(error))) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.is_one_sided = true;
                self.up.kept = Bytes::new();
                Poll::Ready(())
            }
            up => up.map_err(|end| end.broken(Side::Client, Side::Backend))?,
        };
        let is_last = matches!(self.up.stage, Stage::Ended);
        let down = self
            .down
            .poll(cx, backend, client, means, is_last)
            .map_err(|end| end.broken(Side::Backend, Side::Client))?;
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
        Self { kept, moved: 0, pipe: None, is_bulk: false, stage: Stage::Open }
    }

    /// Ready when this direction has ended. If it `is_last`, the other has, and both sides will be closed.
    fn poll<F, T>(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut F,
        to: &mut T,
        means: &mut Means<'_>,
        is_last: bool,
    ) -> Poll<Result<(), End>>
    where
        F: Carrier,
        T: Carrier,
    {
        let mut reads = 0;
        loop {
            ready!(self.write_kept(cx, to)).map_err(End::To)?;
            if let (Some(_), Some(to)) = (&self.pipe, to.bare()) {
                ready!(self.empty_pipe(cx, to, means.pipes)).map_err(End::To)?;
            }
            match self.stage {
                Stage::Open if reads == TURN => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Stage::Open => {
                    reads += 1;
                    if self.is_bulk
                        && let (Some(bare), Some(_)) = (from.bare(), to.bare())
                        && self.fill_pipe(bare, means.pipes).map_err(End::From)?
                    {
                        continue;
                    }
                    let mut read = ReadBuf::new(means.scratch);
                    if Pin::new(&mut *from).poll_read(cx, &mut read).map_err(End::From)?.is_pending() {
                        // Free where nothing is buffered. A stream of HTTP/2 goes on with what was written.
                        let _ = Pin::new(&mut *to).poll_flush(cx).map_err(End::To)?;
                        return Poll::Pending;
                    }
                    match read.filled() {
                        [] => self.stage = Stage::Ending,
                        bytes => {
                            self.is_bulk |= bytes.len() >= MUCH;
                            self.write(cx, to, bytes).map_err(End::To)?;
                        }
                    }
                }
                // What says the same, and more, comes at once.
                Stage::Ending if is_last && to.bare().is_some() => self.stage = Stage::Ended,
                Stage::Ending => {
                    ready!(Pin::new(&mut *to).poll_shutdown(cx)).map_err(End::To)?;
                    self.stage = Stage::Ended;
                }
                Stage::Ended => return Poll::Ready(Ok(())),
            }
        }
    }

    /// Reads into a pipe. Whether that has moved anything; if not, reading as ever tells what is the matter.
    fn fill_pipe(&mut self, from: &TcpStream, pipes: &Pipes) -> io::Result<bool> {
        let Some(mut pipe) = pipes.take() else { return Ok(false) };
        let filled = pipe.fill(from);
        if pipe.is_empty() {
            pipes.give_back(pipe);
        } else {
            self.pipe = Some(pipe);
        }
        match filled {
            Ok(count) => {
                // A trickle is cheaper to copy.
                self.is_bulk = count >= MUCH;
                Ok(count > 0)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) if is_of_splice(&error) => {
                self.is_bulk = false;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Ready when nothing is in the pipe any more, which then is for others.
    fn empty_pipe(&mut self, cx: &mut Context<'_>, to: &TcpStream, pipes: &Pipes) -> Poll<io::Result<()>> {
        while let Some(pipe) = &mut self.pipe {
            match pipe.empty(to) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(count) => self.moved += count as u64,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready!(to.poll_write_ready(cx))?,
                Err(error) => return Poll::Ready(Err(error)),
            }
            if pipe.is_empty() {
                self.pipe.take().into_iter().for_each(|pipe| pipes.give_back(pipe));
            }
        }
        Poll::Ready(Ok(()))
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

/// The system cannot do it between such sockets.
fn is_of_splice(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported)
}

#[cfg(test)]
mod tests;

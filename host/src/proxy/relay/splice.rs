//! Bytes from socket to socket within the kernel, by way of a pipe (`splice`, Linux).
//!
//! A pipe is two descriptors and up to 64 KiB of the kernel's memory, so a direction has one only while there is something
//! in it, and a worker has a few that all of its connections share. Where there is none, bytes are copied.

use std::cell::RefCell;
use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::AsFd;

use tokio::io::Interest;
use tokio::net::TcpStream;

/// Pipes that a worker keeps for the next who moves much.
const KEPT: usize = 16;

/// Pipes that it has at a time, those of slow readers included.
const MOST: usize = 256;

/// Bytes that are asked for at once: what a pipe holds.
const PORTION: usize = 64 << 10;

/// The pipes of one worker.
#[derive(Default)]
pub(in crate::proxy) struct Pipes {
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    free: Vec<Pipe>,
    used: usize,
}

/// A pipe, and how much is in it.
pub(super) struct Pipe {
    reader: PipeReader,
    writer: PipeWriter,
    held: usize,
}

impl Pipes {
    /// An empty one; none when all are used, or none can be had.
    pub(super) fn take(&self) -> Option<Pipe> {
        let mut state = self.state.borrow_mut();
        if state.used == MOST {
            return None;
        }
        let pipe = match state.free.pop() {
            Some(pipe) => pipe,
            None => {
                let (reader, writer) = io::pipe().ok()?;
                Pipe { reader, writer, held: 0 }
            }
        };
        state.used += 1;
        Some(pipe)
    }

    /// Takes one back. What is in it is lost.
    pub(super) fn give_back(&self, pipe: Pipe) {
        let mut state = self.state.borrow_mut();
        state.used -= 1;
        if pipe.is_empty() && state.free.len() < KEPT {
            state.free.push(pipe);
        }
    }
}

impl Pipe {
    /// Whether nothing is in it.
    pub(super) fn is_empty(&self) -> bool {
        self.held == 0
    }

    /// Takes what `from` has. Answers how much that was; 0 at its end.
    ///
    /// # Errors
    /// As the socket's; `WouldBlock` when there is nothing.
    pub(super) fn fill(&mut self, from: &TcpStream) -> io::Result<usize> {
        let count = from.try_io(Interest::READABLE, || splice(from, &self.writer, PORTION))?;
        self.held += count;
        Ok(count)
    }

    /// Gives `to` what is in it. Answers how much of it that was.
    ///
    /// # Errors
    /// As the socket's; `WouldBlock` when it takes nothing.
    pub(super) fn empty(&mut self, to: &TcpStream) -> io::Result<usize> {
        let count = to.try_io(Interest::WRITABLE, || splice(&self.reader, to, self.held))?;
        self.held -= count.min(self.held);
        Ok(count)
    }
}

#[cfg(target_os = "linux")]
fn splice(from: impl AsFd, to: impl AsFd, most: usize) -> io::Result<usize> {
    Ok(nix::fcntl::splice(from, None, to, None, most, nix::fcntl::SpliceFFlags::SPLICE_F_NONBLOCK)?)
}

#[cfg(not(target_os = "linux"))]
fn splice(_: impl AsFd, _: impl AsFd, _: usize) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

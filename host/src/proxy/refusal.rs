//! Answers to a client whose connection hyper has given up, or never got: said on the bare socket.

use std::mem::MaybeUninit;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::Proxy;
use super::bare::Bare;
use super::error::Error;
use super::line::Line;
use super::socket::Socket;
use crate::config::RefuseWith;

/// How many a worker refuses at a time with some patience.
const MOST_REFUSED: usize = 64;

/// How long a client is listened to after the last of what it gets.
const LINGER: Duration = Duration::from_secs(1);

/// Answers on a bare socket and closes it, so that the answer arrives before the reset that unread bytes cause.
pub(super) async fn refuse(mut socket: Socket, error: Error) {
    if let Ok(Ok(())) = tokio::time::timeout(LINGER, socket.write_all(&error.to_bytes())).await {
        linger(&mut socket).await;
    }
}

/// Says that nothing more comes, and reads on for a moment what is not wanted: what has been said would be lost in the
/// reset that unread bytes cause.
pub(super) async fn linger(socket: &mut Socket) {
    const MOST: usize = 16 << 20;
    let _ = tokio::time::timeout(LINGER, async {
        socket.shutdown().await?;
        let mut rest = [0; 4096];
        let mut read = 0;
        while read < MOST {
            match socket.read(&mut rest).await? {
                0 => break,
                bytes => read += bytes,
            }
        }
        std::io::Result::Ok(())
    })
    .await;
}

/// The same while few are refused at a time; the others are closed without a word. Descriptors and memory are for those
/// who are served.
pub(super) async fn refuse_shortly(proxy: &Proxy, socket: Socket, error: Error) {
    if proxy.refusing.get() < MOST_REFUSED {
        proxy.refusing.set(proxy.refusing.get() + 1);
        refuse(socket, error).await;
        proxy.refusing.set(proxy.refusing.get() - 1);
    }
}

/// Parts with a client to whom nothing can be said. Few at a time are given the time to hear of it in order: what they have
/// sent, unread, would make a reset of the end.
pub(super) async fn part(proxy: &Proxy, mut socket: Socket, with: RefuseWith) {
    if with == RefuseWith::Reset {
        socket.below().reset_when_dropped();
    } else if proxy.refusing.get() < MOST_REFUSED {
        proxy.refusing.set(proxy.refusing.get() + 1);
        linger(&mut socket).await;
        proxy.refusing.set(proxy.refusing.get() - 1);
    } else {
        socket.part();
    }
}

/// Says so to a connection for which there is no descriptor, if it takes that at once, and closes it.
pub fn turn_away(socket: &Bare) {
    // What the client has sent would make the kernel reset the connection, and the answer be lost.
    // Past tokio, which knows nothing of a socket that is new to it.
    let socket = SockRef::from(socket);
    let _ = socket.recv(&mut [MaybeUninit::uninit(); 4096]);
    let _ = socket.send(&Error::OutOfDescriptors.to_bytes());
}

/// What was wrong with a head that hyper could not parse.
pub(super) fn unparsable(line: &Line, read: &[u8], max_head_size: usize) -> Error {
    match line.held_back.get() {
        // Too large: it was the target if not even the first line was complete.
        Some(431) if read.len() >= max_head_size && !read[..max_head_size].contains(&b'\n') => Error::UriTooLong,
        Some(431) => Error::HeadTooLarge,
        Some(414) => Error::UriTooLong,
        _ => Error::BadRequest,
    }
}

//! A client that leaves while its connection waits in a queue: nobody else is to wait behind it.
//!
//! The end of its direction alone does not always say so: who has said all it had to say may still wait for the answer.
//! Nothing is read here, so what it said is there for a backend.

use tokio::io::Interest;

use crate::proxy::bare::Bare;

/// What shows that nothing more comes, and is not there while there is only something to read.
#[cfg(any(target_os = "linux", target_os = "android"))]
const ENDED: Interest = Interest::PRIORITY;
/// Elsewhere a reset alone is noticed.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const ENDED: Interest = Interest::ERROR;

/// Ready when the client has left: by a reset, or by an end before it has said anything. Where it speaks TLS an end is
/// enough: the last that is said in it is unread, and no handshake goes on from one side.
pub(super) async fn left(socket: &Bare, speaks_tls: bool) {
    let ended = socket.ready(ENDED).await.is_ok();
    if !ended || speaks_tls || !matches!(socket.take_error(), Ok(None)) {
        return;
    }
    if socket.peek(&mut [0]).await.is_ok_and(|said| said > 0) {
        let _ = socket.ready(Interest::ERROR).await;
    }
}

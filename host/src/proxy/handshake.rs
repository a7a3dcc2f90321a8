//! The handshake of TLS on a client's connection: inside the connection's own task, within the listener's time.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use super::Proxy;
use super::bare::Bare;
use super::door::Door;
use super::error::Error;
use super::http1::LAST_CALL;
use super::refusal::refuse_shortly;
use super::socket::Socket;
use crate::snapshot::Listener;
use crate::tls::{Acceptor, HandshakeEnd, Security};

/// First byte of a TLS record that holds a ClientHello (RFC 8446 §5.1).
const HANDSHAKE: u8 = 22;

/// Shakes hands; none when that failed, which is counted and logged, and the connection is over.
///
/// Nothing but the socket is kept of a client that has sent nothing yet.
pub(super) async fn shake(
    proxy: &Rc<Proxy>,
    door: &Rc<Door>,
    listener: &Arc<Listener>,
    acceptor: &Acceptor,
    socket: Bare,
) -> Option<(Socket, Security)> {
    let watch = proxy.deadlines.watch();
    watch.set(acceptor.timeout());
    let socket = &mut Some(socket);
    let shaken = {
        let mut shaking = pin!(accept(acceptor, socket));
        poll_fn(|cx| {
            watch.wakes(cx.waker());
            if door.is_closed() {
                // A client that says nothing keeps nobody from stopping.
                watch.shorten(LAST_CALL);
            }
            match shaking.as_mut().poll(cx) {
                Poll::Pending if watch.is_over() => Poll::Ready(Err(Failed::of(HandshakeEnd::Timeout))),
                polled => polled,
            }
        })
        .await
    };
    drop(watch);
    let count = |end: HandshakeEnd| listener.handshakes.of(proxy.worker).of(end).add(1);
    match shaken {
        Ok((socket, security)) => {
            count(if security.resumed { HandshakeEnd::Resumed } else { HandshakeEnd::Full });
            Some((socket, security))
        }
        Err(Failed { end, why }) => {
            count(end);
            let why = why.as_ref().map_or("", |why| why);
            tracing::debug!(listener = %listener.name, result = end.as_str(), why, "no handshake");
            if let (HandshakeEnd::Plaintext, None, Some(socket)) = (end, listener.protocol.carried(), socket.take()) {
                Box::pin(refuse_shortly(proxy, Socket::Bare(socket), Error::PlainHttp)).await;
            }
            None
        }
    }
}

/// Why there is no TLS.
struct Failed {
    end: HandshakeEnd,
    why: Option<String>,
}

impl Failed {
    fn of(end: HandshakeEnd) -> Self {
        Self { end, why: None }
    }
}

/// Looks at the first byte without taking it: who speaks HTTP is to be told so, and keeps the `socket`.
async fn accept(acceptor: &Acceptor, socket: &mut Option<Bare>) -> Result<(Socket, Security), Failed> {
    let mut first = [0];
    let peeked = match socket {
        Some(socket) => socket.peek(&mut first).await,
        None => Ok(0),
    };
    let end = match (peeked, first) {
        (Err(error), _) => return Err(Failed { end: HandshakeEnd::Left, why: Some(error.to_string()) }),
        (Ok(0), _) => HandshakeEnd::Left,
        (Ok(_), [HANDSHAKE]) => {
            let Some(socket) = socket.take() else { return Err(Failed::of(HandshakeEnd::Left)) };
            // Boxed: what a handshake needs would stay part of the connection's task.
            let shaking: Pin<Box<_>> = Box::pin(acceptor.accept(socket));
            return match shaking.await {
                Ok((secured, security)) => Ok((Socket::Tls(Box::new(secured)), security)),
                Err(error) => Err(Failed { end: HandshakeEnd::of(&error), why: Some(error.to_string()) }),
            };
        }
        // Methods begin with a letter.
        (Ok(_), [first]) if first.is_ascii_alphabetic() => HandshakeEnd::Plaintext,
        (Ok(_), _) => HandshakeEnd::Malformed,
    };
    Err(Failed::of(end))
}

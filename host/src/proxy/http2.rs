//! A client's HTTP/2 connection (RFC 9113): its streams are requests, each on a lane of its own.
//!
//! Frames, header compression and flow control are hyper's and h2's; here are the connection's timeouts, its drain, and
//! what every stream is started with. A peer that vanished without a word is found by the kernel's probes, not by PINGs.
//! `Upgrade: h2c` is not spoken (RFC 9113 §3.1).

pub mod meter;
mod stream;
mod transport;

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use hyper::server::conn::http2::Builder;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use socket2::{SockRef, TcpKeepalive};

use self::stream::{Spawner, Streams};
use self::transport::Transport;
use super::connection::Client;
use super::http::{HTTP_2, Lane, handle};
use super::line::Line;
use super::socket::Socket;
use super::whom::Whom;
use crate::config::{Http2, Limits};
use crate::snapshot::Listener;

/// How long a connection that is to close waits for what is on the way already.
const LAST_CALL: Duration = Duration::from_millis(500);

/// What a client that speaks HTTP/2 sends first (RFC 9113 §3.4).
pub(super) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// As much of a stream's response as is kept for a client that does not take it, in bytes.
const SEND_BUFFER: usize = 64 << 10;

/// Whether `read` can only be the beginning of HTTP/2 with prior knowledge: its first line as far as the version.
pub(super) fn is_begun(read: &[u8]) -> bool {
    may_begin(0, read) && is_told_by(read.len())
}

/// Whether `read` may go on with the preface where `before` bytes of it have come.
pub(super) fn may_begin(before: usize, read: &[u8]) -> bool {
    let rest = &PREFACE[before.min(PREFACE.len())..];
    let common = read.len().min(rest.len());
    read[..common] == rest[..common]
}

/// Whether so many bytes of the preface tell it from HTTP/1.1.
pub(super) fn is_told_by(bytes: usize) -> bool {
    bytes >= b"PRI * HTTP/2".len()
}

/// Serves one connection to its end. `read` is what came of it already.
pub(super) async fn serve(client: Rc<Client>, socket: Socket, read: Bytes, listener: &Listener, settings: &Http2) {
    let limits = &listener.limits;
    probe(&socket);
    let (deadlines, write_timeout) = (&client.proxy.deadlines, limits.write_timeout);
    let (of_headers, of_idle) = (limits.header_timeout, limits.idle_timeout);
    let streams = Streams::new(Rc::clone(&client.proxy), deadlines.watch(), of_headers, of_idle);
    let transport = Transport::new(socket, read, Rc::clone(&streams), Rc::clone(deadlines));
    // A stream that is done but for what the client does not take is not idle.
    let limits = Limits { idle_timeout: limits.write_timeout, ..limits.clone() };
    let (lanes, starting) = (Rc::clone(&client), Rc::clone(&streams));
    let service = service_fn(move |request| {
        let line = Line::new(lanes.proxy.deadlines.watch(), &limits);
        starting.start(Rc::clone(&line));
        // On its way into the stream's task it is moved some times, and it is large.
        Box::pin(handle(Rc::new(Lane { client: Rc::clone(&lanes), line, protocol: HTTP_2 }), request))
    });
    let mut connection = Builder::new(Spawner::new(Rc::clone(&streams)))
        .max_concurrent_streams(settings.max_streams)
        .initial_stream_window_size(settings.stream_window)
        .initial_connection_window_size(settings.connection_window)
        .max_header_list_size(u32::try_from(listener.limits.max_head_size).unwrap_or(u32::MAX))
        .max_send_buf_size(SEND_BUFFER)
        .enable_connect_protocol()
        .serve_connection(TokioIo::new(transport), service);
    let (door, mut is_leaving) = (&client.door, false);
    let ended = poll_fn(|cx| {
        streams.watch().wakes(cx.waker());
        let is_over = streams.watch().is_over();
        if is_over && is_leaving {
            return Poll::Ready(Ok(()));
        }
        if (is_over || door.is_closed()) && !is_leaving {
            // GOAWAY: streams that are open, or on the way, are finished.
            is_leaving = true;
            Pin::new(&mut connection).graceful_shutdown();
            // Whoever is there answers the PING that goes with it, and the connection ends by itself, when all that h2 still
            // holds of responses was taken.
            streams.leave(if streams.has_served() { write_timeout } else { LAST_CALL });
        }
        Pin::new(&mut connection).poll(cx)
    })
    .await;
    if streams.is_flooded() {
        listener.shed.of(client.proxy.worker).floods.add(1);
        tracing::debug!(client = %Whom(client.peer.address), "closed an HTTP/2 connection: too many frames that do nothing");
    } else if let Err(error) = ended {
        tracing::debug!(client = %Whom(client.peer.address), %error, "an HTTP/2 connection broke");
    }
}

/// Has the kernel find out when the client is gone, while its requests wait for a backend.
fn probe(socket: &Socket) {
    const PROBES: TcpKeepalive =
        TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(10)).with_retries(3);
    if let Some(socket) = socket.below().tcp() {
        let _ = SockRef::from(socket).set_tcp_keepalive(&PROBES);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http2_is_known_by_its_first_line() {
        assert!(is_begun(PREFACE));
        assert!(is_begun(&[&PREFACE[..], b"more"].concat()));
        assert!(is_begun(b"PRI * HTTP/2"), "the rest is on the way");
        assert!(!is_begun(b"PRI * HTTP/1.1\r\n"));
        assert!(!is_begun(b"PRI"));
        assert!(!is_begun(b"GET / HTTP/2.0\r\n\r\n"));
    }
}

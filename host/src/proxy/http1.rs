//! A client's HTTP/1.1 connection: requests one after the other, and what becomes of the socket at the end.

pub mod framing;
pub(super) mod strict;

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use tokio::io::AsyncWriteExt;

use super::connection::Client;
use super::door::Door;
use super::downstream::Downstream;
use super::error::Error;
use super::http::{Lane, handle};
use super::http2;
use super::line::{Line, Phase};
use super::refusal::{linger, refuse, unparsable};
use super::socket::Socket;
use super::upgrade::Upgraded;
use crate::snapshot::Listener;

/// How long a draining worker waits for one more request on a connection.
pub(super) const LAST_CALL: Duration = Duration::from_millis(500);

/// Smallest size that hyper takes for its buffer, in bytes.
const SMALLEST_BUFFER: usize = 8192;

/// How long a connection is idle before it gives back what reading and writing take. It costs the next request some
/// microseconds to get that again, and 16 KiB less of memory is held for each idle client.
const DOZE: Duration = Duration::from_secs(1);

/// Serves one connection to its end, or until it is no HTTP any more.
pub(super) async fn serve(client: Rc<Client>, socket: Socket, listener: &Listener) -> Option<Upgraded> {
    let limits = &listener.limits;
    let line = Line::new(client.proxy.deadlines.watch(), limits);
    line.may_doze(DOZE);
    let lane = Rc::new(Lane { client: Rc::clone(&client), line: Rc::clone(&line), protocol: "http/1.1" });
    let door = &client.door;
    let mut io = Downstream::new(socket, Rc::clone(&line));
    let (ended, parts) = loop {
        let lane = Rc::clone(&lane);
        let service = service_fn(move |request| handle(Rc::clone(&lane), request));
        let mut builder = Builder::new();
        builder.max_headers(limits.max_headers).max_buf_size(limits.max_head_size.max(SMALLEST_BUFFER));
        let mut connection = Box::new(builder.serve_connection(io, service));
        let mut dozes = false;
        let ended = poll_fn(|cx| {
            line.watch().wakes(cx.waker());
            if door.is_closed() && matches!(line.phase(), Phase::Idle | Phase::Head) {
                // A request may be on the way already; closed now, it would be lost. Its response says close.
                line.hurry(LAST_CALL);
            }
            if let Poll::Ready(ended) = Pin::new(&mut *connection).poll(cx) {
                return Poll::Ready(Some(ended));
            }
            if !door.is_closed() && line.falls_asleep() && !line.owed.get() {
                dozes = true;
                return Poll::Ready(None);
            }
            // Backends' and bodies' deadlines are seen by the request that waits; these have no request.
            let overdue = matches!(line.phase(), Phase::Idle | Phase::Head | Phase::Response) && line.watch().is_over();
            if overdue || line.is_due() { Poll::Ready(None) } else { Poll::Pending }
        })
        .await;
        let parts = connection.into_parts();
        if !dozes || !parts.read_buf.is_empty() || parts.io.is_within_body() {
            break (ended, parts);
        }
        // Buffers and parser are given back, and the last request's head, which is a part of such a buffer: an idle
        // connection is a socket, and little more.
        drop((parts.read_buf, parts.service, client.facts.take()));
        io = parts.io;
        sleep(&io, &line, door).await;
    };
    let is_within_body = parts.io.is_within_body();
    let (mut socket, read) = (parts.io.into_inner(), parts.read_buf);
    let tunnel = line.tunnel.take();
    if ended.is_some() && http2::is_begun(&read) {
        // Prior knowledge (RFC 9113 §3.3): found out by a parser that fails, it costs HTTP/1.1 nothing.
        match &listener.http2 {
            Some(settings) => Box::pin(http2::serve(client, socket, read, listener, settings)).await,
            None => Box::pin(refuse(socket, Error::BadRequest)).await,
        }
        return None;
    }
    match (ended, tunnel) {
        (Some(Ok(())), Some(tunnel)) => {
            let proxy = Rc::clone(&client.proxy);
            return Some(Upgraded { proxy, client: socket, read, tunnel, line });
        }
        (None, _) if let (Some(error), true) = (line.violation.get(), line.is_due()) => {
            Box::pin(refuse(socket, error)).await
        }
        (None, _) if line.phase() == Phase::Head && !door.is_closed() => {
            Box::pin(refuse(socket, Error::HeadTimeout)).await
        }
        (Some(_), _) if line.held_back.get().is_some() => {
            Box::pin(refuse(socket, unparsable(&line, &read, limits.max_head_size))).await
        }
        // The response is there, and the rest of the request's body is not wanted.
        (Some(Ok(())), _) if is_within_body => Box::pin(linger(&mut socket)).await,
        (Some(Ok(())), _) => drop(socket.shutdown().await),
        // Something broke off. Reset, so that nobody takes what came for the whole.
        (Some(Err(_)), _) => socket.below().reset_when_dropped(),
        (None, _) => socket.part(),
    }
    None
}

/// Until something moves, or the idle time is over.
async fn sleep(io: &Downstream, line: &Line, door: &Door) {
    poll_fn(|cx| {
        line.watch().wakes(cx.waker());
        if door.is_closed() {
            line.hurry(LAST_CALL);
        }
        if line.watch().is_over() { Poll::Ready(()) } else { io.poll_stirs(cx) }
    })
    .await;
}

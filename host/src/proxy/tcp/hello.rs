//! The beginning of a handshake that is passed on: read for what it tells, within its time, and kept as it came.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::io::{AsyncWriteExt, Interest};

use crate::proxy::Proxy;
use crate::proxy::bare::Bare;
use crate::proxy::deadline::Watch;
use crate::proxy::door::Door;
use crate::proxy::http1::LAST_CALL;
use crate::telemetry::carried::End;
use crate::tls::{Hello, HelloReader};

/// What a client said first, and all the bytes of it.
pub(super) type Heard = (Hello, Vec<u8>);

/// Reads a ClientHello, within `timeout`. What is none is answered by an alert.
///
/// Nothing but the socket is kept of a client that has said nothing yet.
pub(super) async fn hear(
    proxy: &Proxy,
    door: &Door,
    socket: &mut Bare,
    watch: &Watch,
    timeout: Duration,
) -> Result<Heard, End> {
    watch.set(timeout);
    let mut reading = pin!(read(proxy, socket));
    poll_fn(|cx| {
        watch.wakes(cx.waker());
        if door.is_closed() {
            // A client that says nothing keeps nobody from stopping.
            watch.shorten(LAST_CALL);
        }
        match reading.as_mut().poll(cx) {
            Poll::Pending if watch.is_over() => Poll::Ready(Err(End::HandshakeTimeout)),
            polled => polled,
        }
    })
    .await
}

async fn read(proxy: &Proxy, socket: &mut Bare) -> Result<Heard, End> {
    // Made when there is something to read.
    let mut reader = None;
    let mut kept = Vec::new();
    loop {
        socket.ready(Interest::READABLE).await.map_err(|_| End::ClientLeft)?;
        let before = kept.len();
        let read = {
            let scratch = &mut proxy.scratch.borrow_mut()[..];
            let read = socket.try_read(scratch);
            if let Ok(count) = read {
                kept.extend_from_slice(&scratch[..count]);
            }
            read
        };
        match read {
            Ok(0) => return Err(End::ClientLeft),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(_) => return Err(End::ClientLeft),
        }
        match reader.get_or_insert_with(|| Box::new(HelloReader::default())).read(&kept[before..]) {
            Ok(Some(hello)) => return Ok((hello, kept)),
            Ok(None) => {}
            Err(error) => {
                tracing::debug!(%error, "a handshake cannot be passed on");
                let _ = socket.write_all(&error.alert).await;
                return Err(End::Malformed);
            }
        }
    }
}

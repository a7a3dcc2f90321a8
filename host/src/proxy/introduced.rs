//! A client's PROXY header: read before anything else, within its time, from peers that are believed; and what backends are
//! told in their turn.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use tokio::io::AsyncReadExt;

use super::Proxy;
use super::bare::Bare;
use super::door::Door;
use super::http1::LAST_CALL;
use super::whom::Whom;
use crate::config::{Others, ProxyProtocol};
use crate::proxy_protocol::{Told, is_whole, parse, wanted};

/// Bytes that are looked at in advance.
const AHEAD: usize = 512;

/// What a peer tells of the connection; nothing where it need not. None: it is to be closed.
pub(super) async fn hear(
    proxy: &Proxy,
    door: &Door,
    settings: &ProxyProtocol,
    socket: &mut Bare,
    peer: Option<SocketAddr>,
) -> Option<Told> {
    if !settings.from.is_empty() && !settings.from.names(peer.map(|peer| peer.ip())) {
        return (settings.others == Others::Plain).then(Told::default);
    }
    let watch = proxy.deadlines.watch();
    watch.set(settings.timeout);
    let mut reading = pin!(read(socket));
    let told = poll_fn(|cx| {
        watch.wakes(cx.waker());
        if door.is_closed() {
            // A peer that says nothing keeps nobody from stopping.
            watch.shorten(LAST_CALL);
        }
        match reading.as_mut().poll(cx) {
            Poll::Pending if watch.is_over() => Poll::Ready(Err("it did not come in time".to_owned())),
            polled => polled,
        }
    })
    .await;
    told.inspect_err(|why| tracing::debug!(peer = %Whom(peer), why, "no PROXY header")).ok()
}

/// Takes the header and not a byte more: what follows is for TLS, HTTP or the backend.
async fn read(socket: &mut Bare) -> Result<Told, String> {
    let mut header = Vec::new();
    while !is_whole(&header) {
        let mut ahead = [0; AHEAD];
        let seen = socket.peek(&mut ahead).await.map_err(|error| error.to_string())?;
        if seen == 0 {
            return Err("the peer left".to_owned());
        }
        let count = wanted(&header, &ahead[..seen]).map_err(|error| error.to_string())?;
        // They are there already.
        socket.read_exact(&mut ahead[..count]).await.map_err(|error| error.to_string())?;
        header.extend_from_slice(&ahead[..count]);
    }
    parse(&header).map_err(|error| error.to_string())
}

/// What backends are told of a connection: what we know of it ourselves, or else what a balancer before us has `told`. Of one
/// over a Unix socket, of which nobody told, they are told no address.
pub(super) fn introduce(
    proxy: &Proxy,
    told: Told,
    (client, local): (Option<SocketAddr>, Option<SocketAddr>),
    (server_name, protocol): (&Option<Arc<str>>, &Option<Arc<str>>),
) -> Rc<Told> {
    let to = |client| told.addresses.map(|(_, to)| to).or(local).unwrap_or(client);
    let addresses = client.map(|client| (client, to(client)));
    let unique_id = told.unique_id.unwrap_or_else(|| {
        let id = u128::from(proxy.random()) << 64 | u128::from(proxy.random());
        format!("{id:032x}").into_bytes().into()
    });
    Rc::new(Told {
        addresses,
        server_name: server_name.clone().or(told.server_name),
        protocol: protocol.clone().or(told.protocol),
        unique_id: Some(unique_id),
    })
}

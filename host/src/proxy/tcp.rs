//! A client's connection that is carried as it is (`protocol = "tcp"` or `"tls-passthrough"`): one decision, one backend,
//! and then bytes both ways.
//!
//! While nothing has been sent, another backend is tried for one that cannot be connected to: in
//! [`destination`](super::destination). What goes on then is in [`carry`](super::carry), what is counted of it in
//! [`passage`](super::passage).

mod hello;
mod leaving;

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;

use super::Proxy;
use super::admission::Admission;
use super::carry::{Carry, Ending};
use super::deadline::Watch;
use super::destination::{Destination, Search};
use super::door::Door;
use super::introduced::introduce;
use super::line::{Line, Phase};
use super::passage::Passage;
use super::refusal::part;
use super::relay::Relay;
use super::socket::Socket;
use crate::config::{Carried, ListenerProtocol};
use crate::decide::Facts;
use crate::pool::Backend;
use crate::pool::connect::Stream;
use crate::pool::connections::Counted;
use crate::proxy_protocol::Told;
use crate::snapshot::Listener;
use crate::telemetry::carried::End;
use crate::tls::Security;

/// A connection that was let in.
pub(super) struct Arrival {
    pub(super) proxy: Rc<Proxy>,
    pub(super) door: Rc<Door>,
    pub(super) socket: Socket,
    /// None for a Unix socket.
    pub(super) address: Option<SocketAddr>,
    /// What the peer told of it.
    pub(super) told: Told,
    /// None where TLS does not end here.
    pub(super) security: Option<Security>,
}

/// A connection with both of its sides. It is all that is kept while it lasts.
pub(super) struct Joined {
    proxy: Rc<Proxy>,
    client: Socket,
    /// What the client has said already.
    said: Bytes,
    upstream: Destination<(Stream, Counted)>,
    passage: Box<Passage>,
    watch: Watch,
    timeout: Option<Duration>,
}

impl Arrival {
    /// Finds a backend. None when there is none: the client has been told, and the connection is over.
    pub(super) async fn join(self, listener: &Arc<Listener>, carried: &Carried) -> Option<Joined> {
        let Self { proxy, door, mut socket, address, told, security } = self;
        let (mut view, mut number) = (door.view(&proxy), door.number());
        let mut passage = Passage::begin(&proxy, &view, number, address);
        let line = Line::new(proxy.deadlines.watch(), &listener.limits);
        line.enter(Phase::Busy);
        let mut facts = Facts::of_connection(listener.protocol.word(), &listener.name, address);
        let mut said = Bytes::new();
        if let (ListenerProtocol::TlsPassthrough { handshake_timeout, .. }, Socket::Bare(bare)) =
            (&listener.protocol, &mut socket)
        {
            match hello::hear(&proxy, &door, bare, line.watch(), *handshake_timeout).await {
                Ok((hello, bytes)) => {
                    (facts.sni, facts.alpn) = (hello.server_name, hello.protocol);
                    said = bytes.into();
                }
                Err(end) => {
                    passage.fails(end);
                    return None;
                }
            }
            line.enter(Phase::Busy);
            // It is as new as when it was said.
            (view, number) = (door.view(&proxy), door.number());
            passage.sees(&view, number);
        } else if let Some(security) = security {
            (facts.sni, facts.alpn) = (security.server_name, security.protocol);
        }
        // What a balancer before us has ended, it has read.
        let [sni, alpn] = [facts.sni.take().or(told.server_name.clone()), facts.alpn.take().or(told.protocol.clone())];
        (facts.sni, facts.alpn) = (sni.clone(), alpn.clone());
        passage.names(sni.clone());
        let introduction = || introduce(&proxy, told.clone(), (address, socket.below().local()), (&sni, &alpn));
        let joined = {
            // What has been read is the beginning of a handshake, which who sends nothing more cannot end.
            let speaks_tls = !said.is_empty() || matches!(socket, Socket::Tls(_));
            let (line, speaks) = (&line, !said.is_empty());
            let search = Search { proxy: &proxy, line, view: &view, number, speaks, introduction: &introduction };
            let mut tried = Vec::new();
            let reach = async |admission: &Admission<'_>, backend: &Arc<Backend>| {
                let policy = admission.policy;
                admission.connect(backend, policy.connect_timeout, policy.tls.as_deref()).await
            };
            let mut joining = pin!(search.find(facts, &mut passage, &mut tried, reach));
            let mut leaving = pin!(leaving::left(socket.below(), speaks_tls));
            poll_fn(|cx| {
                line.watch().wakes(cx.waker());
                match joining.as_mut().poll(cx) {
                    Poll::Pending if line.phase() == Phase::Queue => leaving.as_mut().poll(cx).map(|()| None),
                    joined => joined.map(Some),
                }
            })
            .await
        };
        let Some(joined) = joined else {
            passage.fails(End::ClientLeft);
            return None;
        };
        match joined {
            Ok(upstream) => {
                passage.answered();
                let timeout = carried.idle_timeout;
                let watch = Rc::into_inner(line).map_or_else(|| proxy.deadlines.watch(), Line::into_watch);
                Some(Joined { proxy, client: socket, said, upstream, passage, watch, timeout })
            }
            Err(error) => {
                tracing::debug!(listener = %listener.name, %error, "a connection goes nowhere");
                passage.fails(error.into());
                // Whoever is refused takes no room.
                drop(passage);
                Box::pin(part(&proxy, socket, carried.refuse_with)).await;
                None
            }
        }
    }
}

impl Joined {
    /// Carries bytes both ways, to the end of the connection.
    pub(super) async fn carry(mut self) {
        // By reference: what is moved in a task takes its place twice.
        let Self { proxy, client, said, upstream, passage, watch, timeout } = &mut self;
        let Destination { reached: (stream, _connected), member, .. } = upstream;
        // A peer that vanished without a word is found by the kernel's probes.
        client.below().keep_alive();
        stream.keep_alive();
        let mut relay = Relay::new(std::mem::take(said), Bytes::new());
        let carry = Carry { proxy, watch, member, timeout: *timeout };
        let ending = carry.run(client, stream, &mut relay, |relay| passage.moved(relay)).await;
        passage.ends(&ending);
        if matches!(ending, Ending::Broken(_)) {
            // Reset, so that nobody takes what came for the whole.
            client.below().reset_when_dropped();
            stream.reset_when_dropped();
        }
    }
}

//! Accepting when there is no descriptor left: whoever is in the queue is told so and closed, instead of waiting.
//!
//! A worker keeps one descriptor in reserve. It gives it up to accept one connection, turns that away, and takes it back.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::listening::Accepting;
use crate::pool::connect::is_out_of_descriptors;
use crate::proxy::Proxy;
use crate::proxy::door::Door;
use crate::proxy::refusal::turn_away;

/// How often it is said.
const SAID: Duration = Duration::from_secs(1);

/// What one worker keeps for when there is nothing left.
#[derive(Default)]
pub(super) struct Reserve {
    descriptor: RefCell<Option<File>>,
    said: Cell<Option<Instant>>,
}

impl Reserve {
    /// Takes it, if it is not there.
    pub(super) fn fill(&self) {
        let mut descriptor = self.descriptor.borrow_mut();
        if descriptor.is_none() {
            *descriptor = File::open("/dev/null").ok();
        }
    }

    /// Turns one connection away, if it was for want of a descriptor that it could not be accepted. Whether it was done.
    pub(super) async fn shed(&self, proxy: &Proxy, door: &Door, socket: &Accepting, error: &io::Error) -> bool {
        if !is_out_of_descriptors(error) {
            return false;
        }
        let now = Instant::now();
        if self.said.get().is_none_or(|said| now.duration_since(said) >= SAID) {
            self.said.set(Some(now));
            tracing::error!(worker = proxy.worker, %error, "no descriptor is left: new connections are turned away");
        }
        // Others may need them more than those that are idle.
        proxy.bells.ring_for_descriptors();
        if self.descriptor.take().is_none() {
            self.fill();
            return false;
        }
        let accepted = tokio::select! {
            biased;
            accepted = socket.accept() => accepted.ok(),
            // It may have gone.
            () = std::future::ready(()) => None,
        };
        if let Some((client, _)) = &accepted {
            let view = Rc::clone(&proxy.view.borrow());
            if let Some(listener) = view.snapshot.listeners.get(door.number()) {
                // With TLS, an answer would cost a handshake; without HTTP, there is none.
                if listener.tls.is_none() && listener.protocol.carried().is_none() {
                    turn_away(client);
                }
                listener.shed.of(proxy.worker).descriptors.add(1);
            }
        }
        let turned_away = accepted.is_some();
        drop(accepted);
        self.fill();
        turned_away
    }
}

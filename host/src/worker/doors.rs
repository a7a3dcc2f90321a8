//! The listeners of one worker: sockets that accept, over changes of the snapshot.

use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, UnixListener};
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep, sleep_until};

use super::descriptors::Reserve;
use super::listening::{Accepting, Listening};
use crate::proxy::door::Door;
use crate::proxy::{Proxy, connection, udp};
use crate::snapshot::View;

/// The listeners of one worker, by name, and what they keep for when descriptors run out.
#[derive(Default)]
pub(super) struct Doors {
    doors: HashMap<Arc<str>, Rc<Door>>,
    reserve: Rc<Reserve>,
}

impl Doors {
    /// Accepts on these sockets. Doors of their names are closed before: see [`Doors::follow`].
    pub(super) fn open(&mut self, proxy: &Rc<Proxy>, sockets: Vec<(Arc<str>, Listening)>) {
        self.reserve.fill();
        for (name, socket) in sockets {
            let Some(number) = number(&proxy.view.borrow(), &name) else { continue };
            let door = Door::new(number);
            match self.serve(proxy, &door, socket) {
                Ok(()) => drop(self.doors.insert(name, door)),
                Err(error) => tracing::error!(worker = proxy.worker, %error, "a listener cannot be served"),
            }
        }
    }

    fn serve(&self, proxy: &Rc<Proxy>, door: &Rc<Door>, socket: Listening) -> io::Result<()> {
        let (proxy, door) = (Rc::clone(proxy), Rc::clone(door));
        let socket = match socket {
            Listening::Tcp(socket) => Accepting::Tcp(TcpListener::from_std(socket)?),
            Listening::Unix(socket) => Accepting::Unix(UnixListener::from_std(socket)?),
            Listening::Udp(socket, group) => {
                spawn_local(udp::Server::new(proxy, door, socket, group)?.serve());
                return Ok(());
            }
        };
        spawn_local(accept(proxy, door, Rc::clone(&self.reserve), socket));
        Ok(())
    }

    /// Follows them to where they are now, and closes those that are gone, or listen elsewhere from now on, on one of
    /// the sockets that are `opened`: `before` is the last view that has them.
    pub(super) fn follow(
        &mut self,
        proxy: &Rc<Proxy>,
        before: &Rc<View>,
        renamed: Vec<(Arc<str>, Arc<str>)>,
        opened: &[(Arc<str>, Listening)],
    ) {
        let now = Rc::clone(&proxy.view.borrow());
        // All are taken out before one is put in: two may have exchanged their names.
        let moved: Vec<_> =
            renamed.into_iter().filter_map(|(old, new)| Some((new, self.doors.remove(&old)?))).collect();
        let is_taken =
            |name: &str| moved.iter().any(|(new, _)| **new == *name) || opened.iter().any(|(new, _)| **new == *name);
        let known = self.doors.len();
        self.doors.retain(|name, door| match number(&now, name).filter(|_| !is_taken(name)) {
            Some(number) => {
                door.set_number(number);
                true
            }
            None => {
                door.close(Rc::clone(before));
                false
            }
        });
        if self.doors.len() < known {
            proxy.deadlines.wake_all();
        }
        for (name, door) in moved {
            if let Some(number) = number(&now, &name) {
                door.set_number(number);
            }
            self.doors.insert(name, door);
        }
    }

    /// Closes all.
    pub(super) fn close(self, proxy: &Rc<Proxy>) {
        let view = Rc::clone(&proxy.view.borrow());
        self.doors.into_values().for_each(|door| door.close(Rc::clone(&view)));
    }
}

fn number(view: &View, name: &str) -> Option<usize> {
    view.snapshot.listeners.iter().position(|listener| *listener.name == *name)
}

async fn accept(proxy: Rc<Proxy>, door: Rc<Door>, reserve: Rc<Reserve>, socket: Accepting) {
    const PAUSE: Duration = Duration::from_millis(50);
    loop {
        // Once it is closed, only what waits in the queue is taken: closing the socket would reset it.
        let last = if door.is_closed() { Some(Instant::now()) } else { None };
        let accepted = tokio::select! {
            biased;
            accepted = socket.accept() => accepted,
            () = door.closed(), if last.is_none() => continue,
            () = sleep_until(last.unwrap_or_else(Instant::now)), if last.is_some() => return,
        };
        match accepted {
            Ok((client, address)) => {
                spawn_local(connection::serve(Rc::clone(&proxy), Rc::clone(&door), client, address));
            }
            Err(error) if is_of_the_connection(&error) => {}
            Err(error) if reserve.shed(&proxy, &door, &socket, &error).await => {
                // Who is served goes before who is turned away.
                tokio::task::yield_now().await;
            }
            Err(error) => {
                // Out of memory, or another took the descriptor: what is in the queue can wait until some are free.
                tracing::debug!(worker = proxy.worker, %error, "cannot accept");
                sleep(PAUSE).await;
            }
        }
    }
}

/// The client went away before it was accepted.
fn is_of_the_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}

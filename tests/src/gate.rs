//! Requests that backends hold back until they are let go, so that a test knows what is in flight.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use crate::backend::Backend;
use crate::client::Client;
use crate::host::Host;
use crate::wait::{PATIENCE, eventually};

/// Requests to this path wait for the gate.
const HELD: &str = "/held";

/// Shut at first. Dropping it opens it.
#[derive(Default)]
pub struct Gate(Arc<Bar>);

#[derive(Default)]
struct Bar {
    open: Mutex<bool>,
    changed: Condvar,
}

impl Gate {
    /// A backend that answers as an echo does, and requests to `/held` not before the gate is open.
    #[must_use]
    pub fn backend(&self, name: &str) -> Backend {
        let bar = Arc::clone(&self.0);
        Backend::new(name, move |exchange| {
            if exchange.request.target == HELD {
                bar.wait();
            }
            exchange.echo()
        })
    }

    /// Sends so many requests to `/held`, with these header lines, each on a connection of its own and each after the
    /// one before has arrived. Their answers come when the gate opens.
    #[must_use]
    pub fn hold(&self, host: &Host, requests: usize, lines: &str) -> Vec<Client> {
        let in_flight = || host.metrics().sum("trimtab_backend_in_flight", &[]);
        let mut clients = Vec::new();
        let before = in_flight();
        for _ in 0..requests {
            let mut client = host.client();
            client.send(format!("GET {HELD} HTTP/1.1\r\nhost: test\r\n{lines}\r\n"));
            clients.push(client);
            eventually("it is in flight", || in_flight() >= before + clients.len() as f64);
        }
        clients
    }

    /// The same, all at this one of the pool's backends: the others are draining meanwhile.
    #[must_use]
    pub fn hold_at(&self, host: &Host, backend: &Backend, others: &[&Backend], requests: usize) -> Vec<Client> {
        others.iter().for_each(|other| host.set_backend("web", other.name(), r#"{"state":"draining"}"#));
        let here = host.backend("web", backend.name())["in_flight"].as_u64().unwrap_or_default();
        let clients = self.hold(host, requests, "");
        others.iter().for_each(|other| host.set_backend("web", other.name(), r#"{"state":"ready"}"#));
        let now = host.backend("web", backend.name())["in_flight"].as_u64().unwrap_or_default();
        assert_eq!(now, here + requests as u64, "all are held by {}", backend.name());
        clients
    }

    /// Lets all go, now and from now on.
    pub fn open(&self) {
        *self.0.open.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.changed.notify_all();
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.open();
    }
}

impl Bar {
    fn wait(&self) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.changed.wait_timeout_while(open, PATIENCE * 2, |open| !*open));
    }
}

//! Backends that let requests go one by one, and know how many they had at a time and in which order they came.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::backend::Backend;
use crate::client::Client;
use crate::host::Host;
use crate::wait::{PATIENCE, eventually};

/// Shut at first. Dropping it opens it.
#[derive(Default)]
pub struct Valve(Arc<Inner>);

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    open: bool,
    /// Requests that may go.
    passes: usize,
    inside: usize,
    most: usize,
    came: Vec<String>,
}

impl Valve {
    /// A backend of which each request waits for the valve, and is answered as an echo answers.
    #[must_use]
    pub fn backend(&self, name: &str) -> Backend {
        let inner = Arc::clone(&self.0);
        Backend::new(name, move |exchange| {
            inner.pass(&exchange.request.target);
            exchange.echo()
        })
    }

    /// Lets so many requests go.
    pub fn let_go(&self, requests: usize) {
        self.0.lock().passes += requests;
        self.0.changed.notify_all();
    }

    /// Lets all go, now and from now on.
    pub fn open(&self) {
        self.0.lock().open = true;
        self.0.changed.notify_all();
    }

    /// Requests that wait for it now.
    #[must_use]
    pub fn inside(&self) -> usize {
        self.0.lock().inside
    }

    /// The most that there were at a time.
    #[must_use]
    pub fn most(&self) -> usize {
        self.0.lock().most
    }

    /// The targets of the requests that came, in their order.
    #[must_use]
    pub fn came(&self) -> Vec<String> {
        self.0.lock().came.clone()
    }

    /// Sends a request that is to arrive at a backend.
    #[must_use]
    pub fn fill(&self, host: &Host, target: &str) -> Client {
        let before = self.came().len();
        let client = send(host, target);
        eventually("the request has come", || self.came().len() > before);
        client
    }
}

/// Sends a request that is to wait in the queue of the pool `web`.
#[must_use]
pub fn queue(host: &Host, target: &str) -> Client {
    let before = waiting(host);
    let client = send(host, target);
    eventually("the request waits", || waiting(host) > before);
    client
}

/// Requests that wait in the pool `web`.
#[must_use]
pub fn waiting(host: &Host) -> usize {
    host.metrics().sum("trimtab_queue_waiting", &[("pool", "web")]) as usize
}

fn send(host: &Host, target: &str) -> Client {
    let mut client = host.client();
    client.send(format!("GET {target} HTTP/1.1\r\nhost: test\r\n\r\n"));
    client
}

impl Drop for Valve {
    fn drop(&mut self) {
        self.open();
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pass(&self, target: &str) {
        let mut state = self.lock();
        state.came.push(target.to_owned());
        state.inside += 1;
        state.most = state.most.max(state.inside);
        let shut = |state: &mut State| !state.open && state.passes == 0;
        let waited = self.changed.wait_timeout_while(state, PATIENCE * 2, shut);
        state = waited.map_or_else(|poisoned| poisoned.into_inner().0, |(state, _)| state);
        state.passes = state.passes.saturating_sub(1);
        drop(state);
        // Others get the core, and come if they may.
        std::thread::yield_now();
        self.lock().inside -= 1;
    }
}

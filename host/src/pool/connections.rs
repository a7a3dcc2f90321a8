//! Connections to a backend, or to all of a pool, over all workers: how many there are, and who waits to make one.
//!
//! Kept connections count. As there are no more requests than there may be connections, whoever finds none left can
//! be sure that one is idle on some worker: he asks the workers to close it. Asking is done elsewhere.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use tokio::sync::Notify;

use crate::proxy_protocol::Told;
use crate::tls::Connector;

/// Those of one backend, or of one pool.
#[derive(Debug, Default)]
pub struct Connections {
    open: AtomicU32,
    wanted: AtomicU32,
    closed: Notify,
}

/// One open connection: it counts until this is dropped.
#[derive(Debug)]
pub struct Connected(Arc<Connections>);

/// One open connection, as its backend and its pool count it, if that does.
#[derive(Debug)]
pub struct Counted {
    /// At the backend.
    pub _backend: Connected,
    /// In the pool.
    pub _pool: Option<Connected>,
    /// What it is secured by.
    pub tls: Option<Arc<Connector>>,
    /// Whom the backend was told that it is from: it serves nobody else.
    pub introduced: Option<Rc<Told>>,
}

impl Counted {
    /// Whether the backend was told that it is from this client, or was told nothing, and that is to be so.
    pub fn is_introduced_as(&self, client: Option<&Rc<Told>>) -> bool {
        match (&self.introduced, client) {
            (Some(known), Some(client)) => Rc::ptr_eq(known, client),
            (known, client) => known.is_none() && client.is_none(),
        }
    }

    /// Whether the client that it is from has left.
    pub fn is_orphaned(&self) -> bool {
        self.introduced.as_ref().is_some_and(|client| Rc::strong_count(client) == 1)
    }

    /// Whether it is secured by this, and not by what was configured before.
    pub fn is_secured_by(&self, tls: Option<&Arc<Connector>>) -> bool {
        match (&self.tls, tls) {
            (Some(known), Some(tls)) => Arc::ptr_eq(known, tls),
            (known, tls) => known.is_none() && tls.is_none(),
        }
    }
}

/// Somebody waits to make a connection, until this is dropped.
struct Wanted<'a>(&'a Connections);

impl Connections {
    /// How many are open or being made.
    pub fn open(&self) -> u32 {
        self.open.load(SeqCst)
    }

    /// How many wait for one to be closed.
    pub fn wanted(&self) -> u32 {
        self.wanted.load(SeqCst)
    }

    /// Whether anybody does.
    pub fn is_wanted(&self) -> bool {
        self.wanted() > 0
    }
}

impl Connected {
    /// One more, whatever the limit.
    pub fn count(connections: &Arc<Connections>) -> Self {
        connections.open.fetch_add(1, SeqCst);
        Self(Arc::clone(connections))
    }

    /// One more as soon as there are fewer than `limit`. `ask` is called each time when there are not.
    pub async fn within(connections: &Arc<Connections>, limit: u32, ask: impl Fn()) -> Self {
        let take = || {
            let more = |open| (open < limit).then(|| open + 1);
            connections.open.fetch_update(SeqCst, SeqCst, more).is_ok().then(|| Self(Arc::clone(connections)))
        };
        if let Some(taken) = take() {
            return taken;
        }
        let _wanted = Wanted::new(connections);
        loop {
            let mut closed = std::pin::pin!(connections.closed.notified());
            // Who closes one from here on is heard.
            closed.as_mut().enable();
            if let Some(taken) = take() {
                return taken;
            }
            ask();
            closed.await;
        }
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, SeqCst);
        if self.0.is_wanted() {
            self.0.closed.notify_one();
        }
    }
}

impl<'a> Wanted<'a> {
    fn new(connections: &'a Connections) -> Self {
        connections.wanted.fetch_add(1, SeqCst);
        Self(connections)
    }
}

impl Drop for Wanted<'_> {
    fn drop(&mut self) {
        self.0.wanted.fetch_sub(1, SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn one_is_made_when_one_is_closed() {
        let connections = Arc::<Connections>::default();
        let first = Connected::within(&connections, 1, || panic!("there is room")).await;
        let asked = Cell::new(0);
        let mut second = std::pin::pin!(Connected::within(&connections, 1, || asked.set(asked.get() + 1)));
        let pending = futures_util::poll!(second.as_mut());
        assert!(pending.is_pending() && asked.get() == 1 && connections.is_wanted());
        drop(first);
        let second = second.await;
        assert!(connections.open() == 1 && !connections.is_wanted());
        drop(second);
        assert_eq!(connections.open(), 0);
    }
}

//! How much a pool and its backends take at a time, and who may wait for his turn.

use std::time::Duration;

/// `[pool.NAME] limits = { requests = 1000, backend_requests = 100, queue = 100, queue_timeout = "5s" }`
///
/// A request beyond a limit waits in the pool's queue. Limits hold over all workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// `requests` of the pool at a time, 1 to 1000000000 (default: no limit). A request counts until its response has
    /// been sent, an upgraded connection until it is closed.
    pub requests: Option<u32>,
    /// `backend_requests` at each backend at a time, 1 to 1000000000 (default: no limit). A backend's own `max_requests`
    /// goes before it.
    pub backend_requests: Option<u32>,
    /// `backend_connections` to each backend, in use or kept, 1 to 1000000000 (default: no limit). A backend never has more
    /// requests either than they can carry.
    pub backend_connections: Option<u32>,
    /// `connections` to all backends of the pool, in use or kept, 1 to 1000000000 (default: no limit). The pool never has more
    /// requests either than they can carry.
    pub connections: Option<u32>,
    /// `queue`: requests that may wait, 0 to 1000000 (default 100). Beyond it: 503.
    pub queue: u32,
    /// `queue_timeout`: the longest that a request waits (default 5 s). After it: 503.
    pub queue_timeout: Duration,
    /// `bound_timeout`: the longest of it that a bound client waits for its own backend before it may be given another
    /// (default: half of `queue_timeout`, and never more than it).
    pub bound_timeout: Duration,
    /// Requests that a connection carries at a time: `max_streams` with `protocol = "h2"`, else 1. (With `"auto"` as well, as
    /// a backend may choose HTTP/1.1.)
    pub streams: u32,
}

impl Default for Capacity {
    fn default() -> Self {
        let queue_timeout = Duration::from_secs(5);
        Self {
            requests: None,
            backend_requests: None,
            backend_connections: None,
            connections: None,
            queue: 100,
            queue_timeout,
            bound_timeout: queue_timeout / 2,
            streams: 1,
        }
    }
}

impl Capacity {
    /// Requests that the pool takes at a time.
    pub fn at_pool(&self) -> Option<u32> {
        self.requests.into_iter().chain(self.carried(self.connections)).min()
    }

    /// Requests that a backend takes at a time; `own` is what the backend itself says.
    pub fn at_backend(&self, own: Option<u32>) -> Option<u32> {
        own.or(self.backend_requests).into_iter().chain(self.carried(self.backend_connections)).min()
    }

    /// By so many connections. Any number is no limit.
    fn carried(&self, connections: Option<u32>) -> Option<u32> {
        connections?.checked_mul(self.streams)
    }
}

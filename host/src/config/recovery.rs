//! How a pool's backends come and go: `panic`, `slow_start`, `drain_timeout`.

use std::time::Duration;

/// What a pool does while backends are missing, and when they come back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Recovery {
    /// `panic`; none (default): never.
    pub panic: Option<Panic>,
    /// `slow_start`: time in which the weight of a backend that has become ready grows from a tenth to the whole
    /// (100 ms to 1 h; none, the default or `false`: at once). Not when the process starts.
    pub slow_start: Option<Duration>,
    /// `drain_timeout`: how long upgraded connections and responses may go on at a backend that drains or was removed;
    /// then they are cut (default 5 min, up to 30 days; `false`, none: for ever).
    pub drain_timeout: Option<Duration>,
}

impl Default for Recovery {
    fn default() -> Self {
        Self { panic: None, slow_start: None, drain_timeout: Some(Duration::from_secs(300)) }
    }
}

/// `panic = { below = 50, serve = "all" }`: what to do when too few backends are ready to bear the load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Panic {
    /// `below`: percent of the backends that are meant to be ready, 1 to 100 (default 50, as Envoy's).
    pub below: u8,
    /// `serve`
    pub serve: Serve,
}

/// Whom a pool in panic serves by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Serve {
    /// `"all"` (default): every backend is shown as ready, well or not.
    All,
    /// `"none"`: nobody; requests get 503, and the few that are left are not overrun.
    Nobody,
}

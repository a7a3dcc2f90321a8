//! How many requests a client, or whatever a key stands for, may make in a time.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::decide::Key;

/// `rate_limit = { rate = "100/s", burst = 200, key = "client-address" }` of a listener or route. Beyond it: 429.
///
/// Limits hold over all workers, and go on over reloads that leave them as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateLimit {
    /// `rate`: requests, 1 to 1000000…
    pub requests: NonZeroU32,
    /// …in this time, 1 ms to 1 day: `"100/s"`, `"5/m"`, `"1000/h"`, `"20/10s"`.
    pub per: Duration,
    /// `burst`: requests that may come at once after a rest, 1 to 1000000 (default: those of `rate`).
    pub burst: NonZeroU32,
    /// `key`: one or a list of key sources, of which the first that has a value counts. None (default), or a request
    /// for which none has a value: everybody together.
    pub keys: Vec<Key>,
    /// `max_keys` that are told apart at a time, 8 to 16777216 (default 32768). Each takes 16 bytes of memory. Beyond
    /// that, keys share a limit with others.
    pub max_keys: usize,
}

//! What plugins share over workers: a small memory that expires.
//!
//! [`Table`] is the boundary, [`LocalTable`] the memory of this process. Time is handed in. Who may use which table,
//! and how large it is, is decided elsewhere.

mod local;
mod overlay;

use std::fmt;
use std::sync::Arc;

pub use local::{ENTRY_OVERHEAD, LARGEST_ENTRY, LONGEST_KEY, LocalTable};
pub use overlay::OverlayTable;

/// What plugins share over workers. A boundary: the local one keeps it in memory; one that keeps a copy elsewhere (in
/// Redis, say) can take its place, answering from what it holds and never waiting.
///
/// Keys and values are any bytes. `now_us` is Unix time in microseconds; `ttl_ms` is how long an entry lives from then
/// on, in milliseconds, and 0 ends it at once. All functions may be called by any number of threads.
pub trait Table: Send + Sync + fmt::Debug {
    /// The value, unless absent or expired.
    fn get(&self, key: &[u8], now_us: u64) -> Option<Arc<[u8]>>;

    /// Sets the value. False when there is no room for it.
    fn put(&self, key: &[u8], value: &[u8], ttl_ms: u64, now_us: u64) -> bool;

    /// Sets the value only where there is none, and answers what holds now: for all who ask at once, the same. Where
    /// there is no room it answers `value`, and keeps nothing.
    fn put_new(&self, key: &[u8], value: &[u8], ttl_ms: u64, now_us: u64) -> Arc<[u8]>;

    /// Adds to a number of 8 bytes, little-endian, renews its expiry and answers the sum; at the ends of the type it
    /// stays there. What is absent, or no such number, counts as 0. Where there is no room it answers `delta`, and keeps
    /// nothing.
    fn add(&self, key: &[u8], delta: i64, ttl_ms: u64, now_us: u64) -> i64;

    /// Removes the entry, if there.
    fn remove(&self, key: &[u8]);

    /// Entries, those among them that have expired and were not met since.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What they take of the quota, in bytes.
    fn bytes(&self) -> usize;
}

//! A small shared memory: one namespace and quota for each configured plugin and pool, seen by all
//! workers at once, and kept over reloads and swaps.
//!
//! Entries expire, and the host may drop the oldest when the quota is used up: what must never be
//! lost does not belong here. Never blocks. Keys and values are bytes of the plugin's own choice.

#[cfg(not(target_arch = "wasm32"))]
use crate::testing::facts::table as source;

#[cfg(target_arch = "wasm32")]
use crate::bindings::trimtab::plugin::table as source;

/// The value, unless absent or expired.
#[inline]
pub fn get(key: &[u8]) -> Option<Vec<u8>> {
    source::get(key)
}

/// Sets the value, to expire after `ttl_ms` milliseconds. False when it is too large to be kept.
pub fn put(key: &[u8], value: &[u8], ttl_ms: u64) -> bool {
    source::put(key, value, ttl_ms)
}

/// Sets the value only where there is none, and answers what holds now. An entry that was there keeps its expiry.
pub fn put_new(key: &[u8], value: &[u8], ttl_ms: u64) -> Vec<u8> {
    source::put_new(key, value, ttl_ms)
}

/// Adds to a number (absent counts as 0), renews its expiry, and answers the sum.
pub fn add(key: &[u8], delta: i64, ttl_ms: u64) -> i64 {
    source::add(key, delta, ttl_ms)
}

/// Removes the entry, if there.
pub fn remove(key: &[u8]) {
    source::remove(key);
}

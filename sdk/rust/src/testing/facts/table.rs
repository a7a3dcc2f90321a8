//! The shared memory, and the functions of [`table`](crate::table).
//!
//! One namespace, as one plugin of one pool has; it lives by the kit's clock. It has no quota: a test that
//! wants an entry dropped removes it.

#![allow(missing_docs)] // named and documented as the items of the contract

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::testing::clock::now_us;

/// Longest key and value together, in bytes. The host's own limit is not smaller.
const LARGEST: usize = 4096;

thread_local! {
    static ENTRIES: RefCell<BTreeMap<Vec<u8>, Entry>> = const { RefCell::new(BTreeMap::new()) };
}

struct Entry {
    value: Vec<u8>,
    /// Unix time in microseconds from which it is no longer there.
    until_us: u64,
}

/// Number of entries that have not expired.
pub fn entries() -> usize {
    ENTRIES.with_borrow(|entries| entries.values().filter(|entry| entry.until_us > now_us()).count())
}

/// Drops all entries, as a host may that is short of memory.
pub fn clear() {
    ENTRIES.with_borrow_mut(BTreeMap::clear);
}

pub fn get(key: &[u8]) -> Option<Vec<u8>> {
    ENTRIES.with_borrow(|entries| {
        let entry = entries.get(key).filter(|entry| entry.until_us > now_us());
        entry.map(|entry| entry.value.clone())
    })
}

pub fn put(key: &[u8], value: &[u8], ttl_ms: u64) -> bool {
    if key.len() + value.len() > LARGEST {
        return false;
    }
    let until_us = now_us().saturating_add(ttl_ms.saturating_mul(1_000));
    ENTRIES.with_borrow_mut(|entries| entries.insert(key.to_vec(), Entry { value: value.to_vec(), until_us }));
    true
}

pub fn put_new(key: &[u8], value: &[u8], ttl_ms: u64) -> Vec<u8> {
    get(key).unwrap_or_else(|| {
        put(key, value, ttl_ms);
        value.to_vec()
    })
}

pub fn add(key: &[u8], delta: i64, ttl_ms: u64) -> i64 {
    let before = get(key).and_then(|value| value.try_into().ok()).map_or(0, i64::from_le_bytes);
    let sum = before.wrapping_add(delta);
    put(key, &sum.to_le_bytes(), ttl_ms);
    sum
}

pub fn remove(key: &[u8]) {
    ENTRIES.with_borrow_mut(|entries| entries.remove(key));
}

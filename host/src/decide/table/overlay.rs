//! A table over another one: it reads what is below, and keeps what is written to itself.
//!
//! For plugins that are only compared. Two that write the same entry at once may lose one of them, which a
//! comparison can bear.

use std::sync::Arc;

use super::{LocalTable, Table};

/// Stands for an entry that was removed, and begins one that was written.
const REMOVED: u8 = 0;
const WRITTEN: u8 = 1;

/// A table over another one, which it never changes.
#[derive(Debug)]
pub struct OverlayTable {
    below: Arc<dyn Table>,
    own: LocalTable,
}

impl OverlayTable {
    /// Over `below`, with room for `quota` bytes of its own.
    pub fn new(below: Arc<dyn Table>, quota: usize) -> Self {
        Self { below, own: LocalTable::new(quota) }
    }
}

impl Table for OverlayTable {
    fn get(&self, key: &[u8], now_us: u64) -> Option<Arc<[u8]>> {
        match self.own.get(key, now_us).as_deref() {
            Some([WRITTEN, value @ ..]) => Some(value.into()),
            Some(_) => None,
            None => self.below.get(key, now_us),
        }
    }

    fn put(&self, key: &[u8], value: &[u8], ttl_ms: u64, now_us: u64) -> bool {
        self.own.put(key, &[&[WRITTEN], value].concat(), ttl_ms, now_us)
    }

    fn put_new(&self, key: &[u8], value: &[u8], ttl_ms: u64, now_us: u64) -> Arc<[u8]> {
        self.get(key, now_us).unwrap_or_else(|| {
            self.put(key, value, ttl_ms, now_us);
            value.into()
        })
    }

    fn add(&self, key: &[u8], delta: i64, ttl_ms: u64, now_us: u64) -> i64 {
        let held = self.get(key, now_us);
        let number = held.and_then(|held| <[u8; 8]>::try_from(&*held).ok()).map_or(0, i64::from_le_bytes);
        let sum = number.saturating_add(delta);
        if self.put(key, &sum.to_le_bytes(), ttl_ms, now_us) { sum } else { delta }
    }

    fn remove(&self, key: &[u8]) {
        // Nobody looks at what is below for as long as this is there.
        self.own.put(key, &[REMOVED], u64::MAX, 0);
    }

    fn len(&self) -> usize {
        self.own.len()
    }

    fn bytes(&self) -> usize {
        self.own.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_below_is_read_and_never_written() {
        let below: Arc<dyn Table> = Arc::new(LocalTable::new(1 << 20));
        for key in [b"a", b"b", b"n"] {
            assert!(below.put(key, &5i64.to_le_bytes(), 1000, 1));
        }
        let over = OverlayTable::new(Arc::clone(&below), 1 << 20);
        assert_eq!(over.get(b"a", 1).as_deref(), Some(&5i64.to_le_bytes()[..]));
        assert!(over.put(b"a", b"other", 1000, 1));
        assert_eq!(over.get(b"a", 1).as_deref(), Some(&b"other"[..]));
        over.remove(b"b");
        assert_eq!(over.get(b"b", 1), None);
        assert_eq!(&*over.put_new(b"b", b"new", 1000, 1), b"new");
        assert_eq!(&*over.put_new(b"b", b"newer", 1000, 1), b"new");
        assert_eq!(over.add(b"n", 2, 1000, 1), 7);
        assert_eq!(over.add(b"n", 2, 1000, 1), 9);
        for key in [b"a", b"b", b"n"] {
            assert_eq!(below.get(key, 1).as_deref(), Some(&5i64.to_le_bytes()[..]));
        }
    }
}

//! The table in the memory of this process: how its buckets and its order of age work together, and who pays.
//!
//! Each entry pays for two things: its place in the order of age, from when it is made until the place is given up, and
//! its value, until that is replaced or removed. An entry that is removed leaves its place, as it cannot be found in
//! the order; writes give up such places when they meet them.

mod age;
mod buckets;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering};

use crossbeam_utils::CachePadded;

use self::age::{Age, Slot};
use self::buckets::{Buckets, Change, Changed, Entry};
use super::Table;

/// A longer key is refused.
pub const LONGEST_KEY: usize = 1 << 10;
/// A larger key and value together are refused, as is what is above a sixteenth of the quota.
pub const LARGEST_ENTRY: usize = 64 << 10;
/// What an entry takes beside its key and value, in bytes. Of a table that is full of small ones, 210 were measured.
pub const ENTRY_OVERHEAD: usize = SLOT_OVERHEAD + VALUE_OVERHEAD;
const SLOT_OVERHEAD: usize = 128;
const VALUE_OVERHEAD: usize = 128;

/// How many entries in a row may be spared for having been used, when one must go.
const CHANCES: usize = 8;
/// How many entries a write looks at, at most, to find expired ones.
const LOOKS: usize = 2;
/// How many places in the order of age a write passes while too many of them are vacant.
const SWEEPS: usize = 4;
/// So many vacant places, or a quarter of the entries, are not too many.
const TOLERATED: isize = 64;

/// A table in the memory of this process. No thread ever waits for another, and reading takes no lock.
///
/// It is bounded by bytes: keys, values and [`ENTRY_OVERHEAD`] for each entry never exceed the quota. When that is used
/// up the oldest entries go, except those that were read or renewed since they were last considered (second chance, as
/// in the CLOCK algorithm; Corbató 1968). What has expired goes when it is met: by reading it, by a write when it is
/// among the oldest, or as above. Nothing runs by itself. Beside the quota it takes a 32nd of it at
/// most for its buckets.
pub struct LocalTable {
    quota: usize,
    bytes: CachePadded<AtomicUsize>,
    /// Below 0 for moments: when an entry goes before it was counted.
    entries: CachePadded<AtomicIsize>,
    /// Places in `age` of which the entry was removed. Below 0 for moments, likewise.
    vacant: AtomicIsize,
    buckets: Buckets,
    age: Age,
}

impl LocalTable {
    /// A table that holds up to `quota` bytes.
    pub fn new(quota: usize) -> Self {
        Self {
            quota,
            bytes: CachePadded::default(),
            entries: CachePadded::default(),
            vacant: AtomicIsize::new(0),
            buckets: Buckets::for_quota(quota),
            age: Age::new(),
        }
    }

    fn fits(&self, key: &[u8], value_length: usize) -> bool {
        key.len() <= LONGEST_KEY && key.len() + value_length <= LARGEST_ENTRY.min(self.quota / 16)
    }

    /// Sets what `value` makes of the live value, or leaves it where that answers none. False when there is no room for
    /// a value of `length` bytes.
    fn write(
        &self,
        key: &[u8],
        length: usize,
        (ttl_ms, now_us): (u64, u64),
        mut value: impl FnMut(Option<&Arc<[u8]>>) -> Option<Arc<[u8]>>,
    ) -> bool {
        let cost = slot_cost(key) + value_cost(length);
        if !self.fits(key, length) || !self.reserve(cost, now_us) {
            return false;
        }
        let expires_us = now_us.saturating_add(ttl_ms.saturating_mul(1000));
        let hash = self.buckets.hash(key);
        let changed = self.buckets.change(hash, key, |entry| {
            match value(entry.filter(|entry| entry.is_live(now_us)).map(|entry| &entry.value)) {
                Some(value) => Change::Set(value, expires_us),
                None => Change::Keep,
            }
        });
        match changed {
            Changed::Inserted(slot) => {
                self.entries.fetch_add(1, Ordering::Relaxed);
                self.age.push(slot);
            }
            Changed::Replaced(old) => {
                old.slot.renew(expires_us);
                self.release(slot_cost(key) + value_cost(old.value.len()));
            }
            Changed::Removed(_) | Changed::Kept => self.release(cost),
        }
        self.tidy(now_us);
        true
    }

    /// Makes room for `cost` bytes, and takes it. False where other threads are about to use all there is.
    fn reserve(&self, cost: usize, now_us: u64) -> bool {
        let take = |bytes: usize| bytes.checked_add(cost).filter(|bytes| *bytes <= self.quota);
        while self.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_err() {
            if !self.evict(now_us) {
                return false;
            }
        }
        true
    }

    fn release(&self, cost: usize) {
        self.bytes.fetch_sub(cost, Ordering::Relaxed);
    }

    /// Drops the oldest entry that was not used lately. False when there is none.
    fn evict(&self, now_us: u64) -> bool {
        for chance in 1..=CHANCES {
            let Some(slot) = self.age.take() else { return false };
            let spared = slot.take_mark() && chance < CHANCES && slot.is_hopeful(now_us);
            if spared {
                self.age.push(slot);
            } else {
                self.vacate(&slot, |_| true);
                return true;
            }
        }
        false
    }

    /// Drops what has expired among the oldest, and vacant places where they are too many.
    fn tidy(&self, now_us: u64) {
        for _ in 0..LOOKS {
            if !self.age.may_have_expired(now_us) {
                break;
            }
            let Some(slot) = self.age.take() else { break };
            if slot.is_hopeful(now_us) && slot.take_mark() {
                // Renewed, most likely. Put back, one that is used for ever would hide all that expires behind it.
                self.age.push(slot);
            } else if slot.is_hopeful(now_us) || !self.vacate(&slot, |entry| !entry.is_live(now_us)) {
                self.age.put_back(slot);
                break;
            }
        }
        for _ in 0..SWEEPS {
            let vacant = self.vacant.load(Ordering::Relaxed);
            if vacant <= TOLERATED || vacant < self.entries.load(Ordering::Relaxed) / 4 {
                break;
            }
            let Some(slot) = self.age.take() else { break };
            if slot.is_hopeful(now_us) || !self.vacate(&slot, |entry| !entry.is_live(now_us)) {
                self.age.push(slot);
            }
        }
    }

    /// Gives up a place that was taken out of `age`, with its entry where `goes` says so. False: the entry stays.
    fn vacate(&self, slot: &Arc<Slot>, goes: impl Fn(&Entry) -> bool) -> bool {
        let mut stays = false;
        let changed = self.buckets.change(slot.hash, &slot.key, |entry| {
            let own = entry.filter(|entry| Arc::ptr_eq(&entry.slot, slot));
            stays = own.is_some_and(|entry| !goes(entry));
            if own.is_some() && !stays { Change::Remove } else { Change::Keep }
        });
        if stays {
            return false;
        }
        match changed {
            Changed::Removed(entry) => {
                self.entries.fetch_sub(1, Ordering::Relaxed);
                self.release(value_cost(entry.value.len()));
            }
            // Someone removed it, and counted that.
            _ => drop(self.vacant.fetch_sub(1, Ordering::Relaxed)),
        }
        self.release(slot_cost(&slot.key));
        true
    }

    /// Removes an entry of which the place in `age` stays, for now.
    fn forget(&self, key: &[u8], goes: impl Fn(&Entry) -> bool) {
        let changed = self.buckets.change(self.buckets.hash(key), key, |entry| match entry {
            Some(entry) if goes(entry) => Change::Remove,
            _ => Change::Keep,
        });
        if let Changed::Removed(entry) = changed {
            self.vacant.fetch_add(1, Ordering::Relaxed);
            entry.slot.close();
            self.entries.fetch_sub(1, Ordering::Relaxed);
            self.release(value_cost(entry.value.len()));
        }
    }
}

impl Table for LocalTable {
    fn get(&self, key: &[u8], now_us: u64) -> Option<Arc<[u8]>> {
        if key.len() > LONGEST_KEY {
            return None;
        }
        let hash = self.buckets.hash(key);
        let found = self.buckets.read(hash, key, |entry| {
            entry.is_live(now_us).then(|| {
                entry.slot.mark();
                Arc::clone(&entry.value)
            })
        })?;
        if found.is_none() {
            self.forget(key, |entry| !entry.is_live(now_us));
        }
        found
    }

    fn put(&self, key: &[u8], value: &[u8], ttl_ms: u64, now_us: u64) -> bool {
        self.fits(key, value.len()) && {
            let value: Arc<[u8]> = value.into();
            self.write(key, value.len(), (ttl_ms, now_us), |_| Some(Arc::clone(&value)))
        }
    }

    fn put_new(&self, key: &[u8], value: &[u8], ttl_ms: u64, now_us: u64) -> Arc<[u8]> {
        if let Some(held) = self.get(key, now_us) {
            return held;
        }
        let value: Arc<[u8]> = value.into();
        let mut holds = Arc::clone(&value);
        self.write(key, value.len(), (ttl_ms, now_us), |held| {
            holds = Arc::clone(held.unwrap_or(&value));
            held.is_none().then(|| Arc::clone(&value))
        });
        holds
    }

    fn add(&self, key: &[u8], delta: i64, ttl_ms: u64, now_us: u64) -> i64 {
        let mut sum = delta;
        self.write(key, size_of::<i64>(), (ttl_ms, now_us), |held| {
            let number = held.and_then(|held| <[u8; 8]>::try_from(&**held).ok()).map_or(0, i64::from_le_bytes);
            sum = number.saturating_add(delta);
            Some(sum.to_le_bytes().as_slice().into())
        });
        sum
    }

    fn remove(&self, key: &[u8]) {
        if key.len() <= LONGEST_KEY {
            self.forget(key, |_| true);
        }
    }

    fn len(&self) -> usize {
        self.entries.load(Ordering::Relaxed).max(0).unsigned_abs()
    }

    fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for LocalTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (entries, bytes) = (self.len(), self.bytes());
        let mut table = f.debug_struct("LocalTable");
        table.field("quota", &self.quota).field("bytes", &bytes).field("entries", &entries).finish_non_exhaustive()
    }
}

/// What the place of an entry takes, until it is given up.
fn slot_cost(key: &[u8]) -> usize {
    SLOT_OVERHEAD + key.len()
}

/// What a value takes, until it is replaced or removed.
fn value_cost(length: usize) -> usize {
    VALUE_OVERHEAD + length
}

#[cfg(test)]
mod tests;

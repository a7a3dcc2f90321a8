//! A map of a fixed number of buckets, each an immutable list that is swapped whole.
//!
//! Readers take the list as it is; writers build the next one and try again where another was faster. So nobody waits,
//! nothing is ever moved to a larger map, and what was replaced is freed as soon as its last reader is done. How many
//! entries there may be is not known here: where they are many, lists are long.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use smallvec::SmallVec;

use super::age::Slot;

/// Bytes of quota for each bucket: with entries as small as can be, two in a bucket.
const QUOTA_PER_BUCKET: usize = 512;

/// What a key holds.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// Of the key, whose bytes are the slot's.
    hash: u64,
    expires_us: u64,
    pub(super) value: Arc<[u8]>,
    pub(super) slot: Arc<Slot>,
}

impl Entry {
    pub(super) fn is_live(&self, now_us: u64) -> bool {
        now_us < self.expires_us
    }

    fn is_of(&self, hash: u64, key: &[u8]) -> bool {
        self.hash == hash && *self.slot.key == *key
    }
}

/// What to do with a key.
pub(super) enum Change {
    /// Leave it.
    Keep,
    /// Give it this value, to expire at this time.
    Set(Arc<[u8]>, u64),
    /// Remove it, if there.
    Remove,
}

/// What was done with a key.
pub(super) enum Changed {
    Kept,
    /// There was none; this is its place.
    Inserted(Arc<Slot>),
    /// This was there; its place is the new entry's.
    Replaced(Entry),
    /// This was there.
    Removed(Entry),
}

type List = SmallVec<[Entry; 2]>;

/// All entries, by key.
pub(super) struct Buckets {
    /// Keys come from clients: the hash must not be theirs to choose.
    hasher: RandomState,
    buckets: Box<[ArcSwapOption<List>]>,
}

impl Buckets {
    pub(super) fn for_quota(quota: usize) -> Self {
        let number = (quota / QUOTA_PER_BUCKET).max(1).next_power_of_two();
        let buckets = (0..number).map(|_| ArcSwapOption::empty()).collect();
        Self { hasher: RandomState::new(), buckets }
    }

    pub(super) fn hash(&self, key: &[u8]) -> u64 {
        self.hasher.hash_one(key)
    }

    /// Reads an entry where it is.
    pub(super) fn read<T>(&self, hash: u64, key: &[u8], read: impl FnOnce(&Entry) -> T) -> Option<T> {
        let list = self.bucket(hash).load();
        list.as_ref()?.iter().find(|entry| entry.is_of(hash, key)).map(read)
    }

    /// Does what `decide` says, which is asked again where another thread was faster. The last answer is what was done.
    pub(super) fn change(&self, hash: u64, key: &[u8], mut decide: impl FnMut(Option<&Entry>) -> Change) -> Changed {
        let bucket = self.bucket(hash);
        let mut current = bucket.load();
        loop {
            let list: &[Entry] = current.as_ref().map_or(&[], |list| list);
            let found = list.iter().find(|entry| entry.is_of(hash, key));
            let others = list.iter().filter(|entry| !entry.is_of(hash, key)).cloned();
            let (next, changed) = match (decide(found), found) {
                (Change::Keep, _) | (Change::Remove, None) => return Changed::Kept,
                (Change::Remove, Some(old)) => (others.collect::<List>(), Changed::Removed(old.clone())),
                (Change::Set(value, expires_us), Some(old)) => {
                    let entry = Entry { value, expires_us, ..old.clone() };
                    (others.chain([entry]).collect(), Changed::Replaced(old.clone()))
                }
                (Change::Set(value, expires_us), None) => {
                    let slot = Slot::new(hash, key, expires_us);
                    let entry = Entry { hash, expires_us, value, slot: Arc::clone(&slot) };
                    (others.chain([entry]).collect(), Changed::Inserted(slot))
                }
            };
            let next = (!next.is_empty()).then(|| Arc::new(next));
            let before = bucket.compare_and_swap(&current, next);
            if same(&before, &current) {
                return changed;
            }
            current = before;
        }
    }

    fn bucket(&self, hash: u64) -> &ArcSwapOption<List> {
        // The number is a power of two.
        &self.buckets[hash as usize & (self.buckets.len() - 1)]
    }
}

fn same(a: &Option<Arc<List>>, b: &Option<Arc<List>>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => Arc::ptr_eq(a, b),
        (None, None) => true,
        _ => false,
    }
}

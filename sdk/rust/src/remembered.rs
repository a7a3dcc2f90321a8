//! Keys of clients bound to backends, remembered in [`table`]: what an affinity without a
//! cookie of its own is made of.
//!
//! An entry is a hash of the backend's id and the time it was written. It lives for `ttl` after the last
//! use, give or take an eighth: a use renews it only when an eighth has passed, so that most requests read
//! the table and do not write. Ids rather than indexes, so that entries outlive changes of the backends,
//! reloads and swaps; hashes of 64 bits rather than texts, so that to find one is to compare numbers.
//!
//! It does not say what the key is, and nothing is sure: the host may drop an entry, and then the
//! client is a new one.

use std::borrow::Cow;
use std::time::Duration;

use xxhash_rust::xxh64::xxh64;

use crate::rendezvous::Rendezvous;
use crate::{Backend, Moment, Readiness, request, table};

/// Keys up to this many bytes are keys of the table as they are, longer ones by two hashes.
const LONGEST_KEY: usize = 128;

/// The bindings of a pool. One value per instance; all share the entries.
#[derive(Debug)]
pub struct Remembered {
    ttl: Duration,
    /// In table order.
    rows: Vec<Row>,
    /// Tags and indexes, sorted.
    by_tag: Vec<(u64, u32)>,
    scores: Rendezvous,
}

#[derive(Debug)]
struct Row {
    /// XXH64 of its id.
    tag: u64,
    readiness: Readiness,
    /// Whether it may take a new client.
    candidate: bool,
}

impl Remembered {
    /// No backends yet. Entries live for `ttl` after their last use.
    ///
    /// # Errors
    ///
    /// A sentence for `configure` when `ttl` is below a second.
    pub fn new(ttl: Duration) -> Result<Self, String> {
        if ttl < Duration::from_secs(1) {
            return Err("`ttl` must be at least a second".to_owned());
        }
        Ok(Self { ttl, rows: Vec::new(), by_tag: Vec::new(), scores: Rendezvous::default() })
    }

    /// A new table of backends.
    pub fn update(&mut self, backends: &[Backend]) {
        let row = |backend: &Backend| Row {
            tag: xxh64(backend.id.as_bytes(), 0),
            readiness: backend.readiness,
            candidate: backend.is_candidate(),
        };
        self.rows = backends.iter().map(row).collect();
        self.by_tag = self.rows.iter().map(|row| row.tag).zip(0..).collect();
        self.by_tag.sort_unstable();
        self.scores.update(backends);
    }

    /// Weights or readiness changed.
    pub fn adjust(&mut self, backends: &[Backend]) {
        for (row, backend) in self.rows.iter_mut().zip(backends) {
            (row.readiness, row.candidate) = (backend.readiness, backend.is_candidate());
        }
        self.scores.adjust(backends);
    }

    /// The backend that the key is bound to: one that is not down and was not tried.
    pub fn find(&self, key: &[u8], moment: Moment) -> Option<u32> {
        let key = table_key(key);
        let entry = table::get(&key)?;
        self.usable(&key, &entry, moment)
    }

    /// The backend that the key is bound to. One that is not, or whose backend is gone, is bound to
    /// a candidate by weighted rendezvous; on a retry without remembering it, as that is for
    /// [`bind`](Self::bind). None where there is no candidate.
    ///
    /// It is bound here and not when the response comes, so that a change of the backends in between does
    /// not send the next request elsewhere. Two workers that do this at once agree on the first entry.
    pub fn find_or_bind(&self, key: &[u8], moment: Moment) -> Option<u32> {
        let table_key = table_key(key);
        let before = table::get(&table_key);
        if let Some(index) = before.as_ref().and_then(|entry| self.usable(&table_key, entry, moment)) {
            return Some(index);
        }
        let takes = |index: u32| self.rows[index as usize].candidate && !is_tried(index, moment);
        let choice = self.scores.best(xxh64(key, 0), takes)?;
        if moment.attempt > 0 {
            return Some(choice);
        }
        if before.is_some() {
            self.put(&table_key, choice, moment);
            return Some(choice);
        }
        let holds = table::put_new(&table_key, &self.entry(choice, moment), self.ttl_ms());
        self.usable(&table_key, &holds, moment).or(Some(choice))
    }

    /// Binds the key to a backend, whatever it was bound to.
    pub fn bind(&self, key: &[u8], moment: Moment, backend: u32) {
        if (backend as usize) < self.rows.len() {
            self.put(&table_key(key), backend, moment);
        }
    }

    /// The backend of an entry, if it may be answered; renews the entry where that is due.
    fn usable(&self, key: &[u8], entry: &[u8], moment: Moment) -> Option<u32> {
        let (written, tag) = entry.split_first_chunk()?;
        let tag = u64::from_le_bytes(tag.try_into().ok()?);
        let at = self.by_tag.binary_search_by_key(&tag, |(tag, _)| *tag).ok()?;
        let index = self.by_tag[at].1;
        if self.rows[index as usize].readiness == Readiness::Down || is_tried(index, moment) {
            return None;
        }
        let age = Duration::from_micros(moment.now_us.saturating_sub(u64::from_le_bytes(*written)));
        if age >= self.ttl / 8 {
            self.put(key, index, moment);
        }
        Some(index)
    }

    fn put(&self, key: &[u8], index: u32, moment: Moment) {
        table::put(key, &self.entry(index, moment), self.ttl_ms());
    }

    fn entry(&self, index: u32, moment: Moment) -> [u8; 16] {
        let mut entry = [0; 16];
        entry[..8].copy_from_slice(&moment.now_us.to_le_bytes());
        entry[8..].copy_from_slice(&self.rows[index as usize].tag.to_le_bytes());
        entry
    }

    fn ttl_ms(&self) -> u64 {
        u64::try_from(self.ttl.as_millis()).unwrap_or(u64::MAX)
    }
}

/// A first try asks the host nothing.
fn is_tried(index: u32, moment: Moment) -> bool {
    moment.attempt > 0 && request::tried(index)
}

fn table_key(key: &[u8]) -> Cow<'_, [u8]> {
    if key.len() <= LONGEST_KEY {
        return Cow::Borrowed(key);
    }
    Cow::Owned([xxh64(key, 1).to_le_bytes(), xxh64(key, 2).to_le_bytes()].concat())
}

//! What the host knows of one sandbox while its guest runs: the data of its store.
//!
//! The host functions of `v0_1` and `wasi` read it; [`Instance`](super::Instance) fills it. It calls nothing.

use std::sync::Arc;

use wasmtime::ResourceLimiter;

use super::budget::Budget;
use super::voice::Voice;
use super::wasi::Wasi;
use crate::decide::table::Table;
use crate::decide::{BackendLoad, Facts, Head, Key, PoolLoad};

/// Data of a store.
pub(super) struct Sandbox {
    /// The facts of the decision that runs; none outside decisions.
    pub(super) facts: Option<Box<Facts>>,
    /// The head of the response, within `bind`.
    pub(super) head: Option<Box<Head>>,
    /// Where the key of a decision comes from.
    pub(super) keys: Vec<Key>,
    /// Numbers of the backends, in the order of the table last given.
    pub(super) loads: Vec<Arc<BackendLoad>>,
    /// Numbers of the pool.
    pub(super) pool: Arc<PoolLoad>,
    /// For a router: numbers of the pools that it chooses between.
    pub(super) pools: Box<[Arc<PoolLoad>]>,
    /// What the instances of this plugin and pool share.
    pub(super) table: Arc<dyn Table>,
    /// Unix time of the call that runs, in microseconds.
    pub(super) now_us: u64,
    /// Processor time of the call that runs.
    pub(super) budget: Budget,
    /// Memory of the instance.
    pub(super) memory: MemoryLimit,
    /// Its way into the log.
    pub(super) voice: Voice,
    /// What WASI remembers of it.
    pub(super) wasi: Wasi,
}

/// A limit on the sum of an instance's memories.
#[derive(Debug)]
pub(super) struct MemoryLimit {
    limit: usize,
    used: usize,
    denied: bool,
}

impl MemoryLimit {
    /// At most `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, used: 0, denied: false }
    }

    /// A call begins: what was denied before is no reason of what happens now.
    pub(super) fn begin(&mut self) {
        self.denied = false;
    }

    /// Whether this call was denied memory.
    pub(super) fn denied(&self) -> bool {
        self.denied
    }

    /// What its memories have come to, in bytes.
    pub(super) fn used(&self) -> usize {
        self.used
    }

    /// The limit in bytes.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let used = self.used.saturating_add(desired.saturating_sub(current));
        if used > self.limit {
            self.denied = true;
            return Ok(false);
        }
        self.used = used;
        Ok(true)
    }

    /// The growth was allowed here and failed all the same; the guest sees no difference, so nor does the count.
    fn memory_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.denied = true;
        Ok(())
    }

    /// The engine bounds tables; nothing more is asked of them.
    fn table_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_over_all_memories() {
        let mut memory = MemoryLimit::new(100);
        assert!(memory.memory_growing(0, 60, None).unwrap());
        assert!(memory.memory_growing(0, 40, None).unwrap(), "a second memory");
        assert!(!memory.denied());
        assert!(!memory.memory_growing(60, 61, None).unwrap());
        assert!(memory.denied());
        memory.begin();
        assert!(!memory.denied());
    }
}

//! The one wasmtime engine of the process: what guests may use and how much of it.
//!
//! Limits that differ between plugins (memory, deadlines) are not here but in each sandbox.

use std::num::NonZeroUsize;

use wasmtime::{Cache, Config, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, Strategy};

/// Stack of a guest, in bytes. A worker's thread must have this much to spare.
const WASM_STACK: usize = 512 << 10;
/// Frames of a guest that a backtrace keeps.
const BACKTRACE_FRAMES: usize = 16;
/// Core modules in one component. Python's tool chain links some thirty.
const CORE_INSTANCES: u32 = 100;
/// Memories in one component. JavaScript's tool chain uses three.
const MEMORIES: u32 = 8;
/// Tables in one component.
const TABLES: u32 = 20;
/// Memories and tables that the pool holds for each instance. Most components have one of each.
const SHARE: u32 = 4;
/// Elements of one table: function pointers of large language runtimes.
const TABLE_ELEMENTS: usize = 100_000;
/// Address space of one memory. 4 GiB, with the guard pages behind it, is what a 32-bit index can
/// reach: the compiled code needs no bounds checks. It is reserved, not used.
const MEMORY_RESERVATION: u64 = 4 << 30;

/// An engine with room for `max_instances` instances at a time, which looks for compiled code in `cache` first.
///
/// # Errors
/// When the system refuses the address space.
pub(super) fn engine(max_instances: u32, cache: Option<Cache>) -> wasmtime::Result<Engine> {
    let mut config = Config::new();
    config.strategy(Strategy::Cranelift).cranelift_opt_level(OptLevel::Speed);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pooling(max_instances)));
    config.memory_reservation(MEMORY_RESERVATION);
    // Deadlines: the ticker moves the epoch, compiled code looks at it in every loop and function.
    config.epoch_interruption(true);
    config.max_wasm_stack(WASM_STACK);
    config.wasm_backtrace_max_frames(NonZeroUsize::new(BACKTRACE_FRAMES));
    // Decisions are plain calls: no tasks, no fibers, and none of what they cost per call.
    config.wasm_component_model(true).concurrency_support(false);
    // What no supported language needs is attack surface only.
    config.wasm_memory64(false).shared_memory(false);
    config.wasm_relaxed_simd(false).wasm_custom_page_sizes(false).wasm_wide_arithmetic(false);
    config.cache(cache);
    Engine::new(&config)
}

fn pooling(max_instances: u32) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(max_instances)
        .total_core_instances(max_instances.saturating_mul(CORE_INSTANCES))
        .total_memories(max_instances.saturating_mul(SHARE))
        .total_tables(max_instances.saturating_mul(SHARE))
        .max_core_instances_per_component(CORE_INSTANCES)
        .max_memories_per_component(MEMORIES)
        .max_tables_per_component(TABLES)
        .max_memories_per_module(MEMORIES)
        .max_tables_per_module(SHARE)
        .table_elements(TABLE_ELEMENTS)
        // Memory that an instance touched goes back to the system with it: replacing a faulty
        // instance is rare, and a quiet process should be small.
        .max_unused_warm_slots(0)
        .linear_memory_keep_resident(0)
        .table_keep_resident(0);
    pool
}

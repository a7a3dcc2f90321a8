//! Plugins: components that decide, behind the traits of [`crate::decide`].
//!
//! The only place that knows wasmtime. A [`Registry`] turns bytes into a [`Definition`] and a
//! [`Definition`] into instances, both on builder threads; a worker owns its instances and calls
//! them directly. This module does not know pools, snapshots or HTTP, nor when a plugin is replaced.

mod budget;
mod builder;
mod built_in;
mod code_cache;
mod component;
mod definition;
mod engine;
mod fault;
#[cfg(test)]
mod fixtures;
mod guarded;
mod inspect;
mod instance;
mod registry;
mod sandbox;
mod ticker;
mod v0_1;
mod voice;
mod wasi;

pub use budget::thread_time;
pub use built_in::NAMES as BUILT_IN;
pub use code_cache::folder as code_cache_folder;
pub use component::{LoadError, LoadReason};
pub use definition::{Definition, Source};
pub use inspect::{Answer, Inspection, Shape, Trial};
pub use instance::{
    AffinityInstance, BalancerInstance, BuildError, BuildReason, Built, Cost, RouterInstance, Seat, ShaperInstance,
};
pub use registry::{Registry, RegistryOptions};
pub use ticker::Activity;
pub use voice::silently;

//! Trimtab: a load balancer whose every decision is made by a sandboxed WebAssembly component.
//!
//! `ARCHITECTURE.md` is the map.

pub mod config;
pub mod decide;
pub mod plugin;

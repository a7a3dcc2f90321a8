//! Trimtab: a load balancer whose every decision is made by a sandboxed WebAssembly component.
//!
//! `ARCHITECTURE.md` is the map.

#![forbid(unsafe_code)]

pub mod admin;
pub mod cli;
pub mod config;
pub mod decide;
pub mod health;
pub mod lab;
pub mod plugin;
pub mod pool;
pub mod proxy;
pub mod proxy_protocol;
pub mod rate;
pub mod route;
pub mod server;
pub mod snapshot;
pub mod telemetry;
pub mod tls;
pub mod worker;

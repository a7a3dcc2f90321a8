//! The harness of the end-to-end tests: starts the real `trimtab` from a configuration text, stands
//! named backends behind it, and speaks to it byte by byte.
//!
//! It is blocking and has its own small HTTP/1.1 on purpose: what both sides of the host see is checked
//! by code that shares nothing with the host. It panics with a clear message where a test cannot go on,
//! and it never waits without an end.

pub mod backend;
pub mod caller;
pub mod certificates;
pub mod client;
pub mod datagrams;
pub mod dns;
pub mod folder;
pub mod frames;
pub mod gate;
pub mod greeter;
pub mod host;
pub mod load;
pub mod message;
pub mod metrics;
pub mod plugin;
pub mod process;
pub mod program;
pub mod rebuilt;
pub mod script;
pub mod service;
pub mod setup;
pub mod spawned;
pub mod streams;
pub mod tally;
pub mod unreachable;
pub mod valve;
pub mod wait;
pub mod websocket;
pub mod wire;

pub use backend::{Backend, Exchange, Next};
pub use caller::Caller;
pub use certificates::{Authority, Issued};
pub use client::Client;
pub use datagrams::{Asker, Reflector};
pub use dns::NameServer;
pub use folder::Folder;
pub use gate::Gate;
pub use greeter::Greeter;
pub use host::{Host, trimtab};
pub use load::{under_load, under_load_by, under_load_with};
pub use message::{Fields, Request, Response};
pub use program::Program;
pub use service::Service;
pub use setup::Setup;
pub use spawned::Spawned;
pub use streams::Streams;
pub use tally::Tally;
pub use wait::eventually;

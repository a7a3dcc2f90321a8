//! Pools on the data path: their backends, and the connections to them.
//!
//! What a pool *is* at a moment stands in the snapshot; here is what outlives snapshots. How a
//! backend is chosen is not decided here.

pub mod backend;
pub mod budget;
pub mod connect;
pub mod health;
pub mod member;
pub mod outbox;
pub mod outlier;
pub mod report;
pub mod upstream;
mod wake;

pub use backend::Backend;
pub use member::{InFlight, Member, Site};
pub use outbox::Note;
pub use upstream::Upstream;

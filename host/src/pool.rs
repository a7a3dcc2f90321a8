//! Pools on the data path: their backends, and the connections to them.
//!
//! What a pool *is* at a moment stands in the snapshot; here is what outlives snapshots. How a
//! backend is chosen is not decided here.

pub mod backend;
pub mod budget;
pub mod capacity;
pub mod connect;
pub mod connections;
pub mod dial;
pub mod discovery;
pub mod feedback;
pub mod health;
pub mod making;
pub mod member;
pub mod outbox;
pub mod outlier;
pub mod queue;
pub mod report;
pub mod sharing;
pub mod slot;
pub mod upstream;
mod wake;

pub use backend::Backend;
pub use capacity::Capacity;
pub use member::{InFlight, Member, Site};
pub use outbox::Note;
pub use slot::{Claim, Place, Slot};
pub use upstream::Upstream;

//! Where backends come from at run time: what DNS answers, and when to ask again.
//!
//! What becomes of an answer is not known here, nor who runs this. Lists in files are read by `config::listed`.

mod dns;
pub mod schedule;

use std::time::Duration;

use crate::config::Backend;

pub use dns::Asker;

/// What a source answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// All that there are, one at least.
    pub backends: Vec<Backend>,
    /// How long the answer holds by its own account.
    pub ttl: Duration,
    /// What could not be found out; what was known of it before is in its place.
    pub missing: Option<String>,
}

//! The types of the contract, with what is convenient in Rust. Their meaning is documented in `wit/types.wit`.

pub use crate::bindings::trimtab::plugin::types::{
    Backend, Instance, Moment, Outcome, OutcomeKind, Plan, Readiness, Verdict,
};

impl Backend {
    /// Whether it may be picked for a new client: ready, and of a weight above 0.
    #[inline]
    pub fn is_candidate(&self) -> bool {
        self.readiness == Readiness::Ready && self.weight > 0
    }

    /// The value of this label.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.labels.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }
}

/// Wants nothing of the host.
#[allow(clippy::derivable_impls)] // the type is generated, and its enums have no default to derive from
impl Default for Plan {
    fn default() -> Self {
        Self { keys: Vec::new(), observe: false, tick_ms: 0, options: Vec::new() }
    }
}

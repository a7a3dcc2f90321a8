//! Decisions as plain traits and data: what is asked, what may be answered, and what holds when the
//! answer is missing.
//!
//! No I/O, no clock, no Wasm: time, randomness and loads are handed in. `plugin/` implements the
//! traits with components; `pool/` owns the numbers that [`load`] reads.

pub mod facts;
pub mod fallback;
pub mod key;
pub mod load;
pub mod outcome;

use std::fmt;
use std::sync::Arc;

pub use facts::Facts;
pub use key::Key;
pub use load::{BackendLoad, PoolLoad};
pub use outcome::{Outcome, OutcomeKind};

/// What every decision gets: the WIT's `moment`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Hash of the key, see [`key::hash`].
    pub key: Option<u64>,
    /// 64 uniform random bits.
    pub random: u64,
    /// Unix time in microseconds, never going back.
    pub now_us: u64,
    /// 0 for the first try.
    pub attempt: u32,
}

/// The answer to `pick`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Position in the table last given.
    Backend(u32),
    /// No opinion.
    Pass,
    /// Answer the client with this status.
    Refuse(u16),
}

/// What a backend is to a pick.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Readiness {
    /// May be picked.
    Ready,
    /// Keeps its bound clients, gets no new one.
    Draining,
    /// Gets nothing.
    Down,
}

impl Readiness {
    /// The word of configuration, admin API and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Draining => "draining",
            Self::Down => "down",
        }
    }
}

/// One row of the table that a plugin is given: the WIT's `backend`, and the numbers behind `load`.
#[derive(Debug, Clone)]
pub struct Row {
    /// Unique in the pool.
    pub id: Arc<str>,
    /// As configured.
    pub address: Arc<str>,
    /// 0 to 65535.
    pub weight: u32,
    /// As the plugin shall see it.
    pub readiness: Readiness,
    /// Sorted by key.
    pub labels: Arc<[(String, String)]>,
    /// Shared by all workers.
    pub load: Arc<BackendLoad>,
}

/// Picks a backend. One instance per worker and pool.
///
/// After any error the implementation must not be used again; its owner replaces it.
pub trait Balancer {
    /// Replaces the table. Answers from now on are positions in `rows`.
    ///
    /// # Errors
    /// The fault of the plugin.
    fn update(&mut self, rows: &[Row]) -> Result<(), Fault>;

    /// Changes weights and readiness of the rows last given, in their order.
    ///
    /// # Errors
    /// The fault of the plugin.
    fn adjust(&mut self, weights: &[u32], readiness: &[Readiness]) -> Result<(), Fault>;

    /// Picks for `facts`, which are lent for the call and always come back.
    fn pick(&mut self, moment: Moment, facts: Box<Facts>) -> (Box<Facts>, Result<Verdict, Fault>);

    /// Where the key of a decision comes from, in order.
    fn keys(&self) -> &[Key];
}

/// Why a decision could not be had from its plugin.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{kind}: {message}")]
pub struct Fault {
    /// For counting.
    pub kind: FaultKind,
    /// For the log: the reason, and the guest's backtrace where there is one.
    pub message: String,
}

/// The kinds of fault, as counted in metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// The guest trapped (`unreachable`, out of bounds, stack overflow, exit).
    Trap,
    /// It used more processor time than its deadline.
    Deadline,
    /// It asked for more memory than its limit.
    Memory,
    /// Its answer is not allowed: out of range, not ready, tried, a refusal outside 400 to 599.
    Invalid,
    /// The host panicked on its behalf.
    Panic,
}

impl FaultKind {
    /// All kinds, in the order of their discriminants.
    pub const ALL: [Self; 5] = [Self::Trap, Self::Deadline, Self::Memory, Self::Invalid, Self::Panic];

    /// The label's value in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trap => "trap",
            Self::Deadline => "deadline",
            Self::Memory => "memory",
            Self::Invalid => "invalid",
            Self::Panic => "panic",
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether `verdict` may be acted on, for a table of these readinesses.
///
/// # Errors
/// A fault of kind [`FaultKind::Invalid`] that says what is wrong.
pub fn check(verdict: Verdict, readiness: &[Readiness], tried: &[u32]) -> Result<(), Fault> {
    let invalid = |message: String| Err(Fault { kind: FaultKind::Invalid, message });
    match verdict {
        Verdict::Pass => Ok(()),
        Verdict::Refuse(400..=599) => Ok(()),
        Verdict::Refuse(status) => invalid(format!("refuses with {status}, which is not within 400 to 599")),
        Verdict::Backend(index) => match readiness.get(index as usize) {
            None => invalid(format!("answered backend {index} of a table of {}", readiness.len())),
            Some(Readiness::Ready) if tried.contains(&index) => {
                invalid(format!("answered backend {index}, which was tried already"))
            }
            Some(Readiness::Ready) => Ok(()),
            Some(other) => invalid(format!("answered backend {index}, which is {}", other.as_str())),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_checked() {
        let table = [Readiness::Ready, Readiness::Down, Readiness::Draining];
        assert!(check(Verdict::Backend(0), &table, &[]).is_ok());
        assert!(check(Verdict::Pass, &table, &[0]).is_ok());
        assert!(check(Verdict::Refuse(429), &table, &[]).is_ok());
        for (verdict, tried) in [
            (Verdict::Backend(0), &[0][..]),
            (Verdict::Backend(1), &[]),
            (Verdict::Backend(2), &[]),
            (Verdict::Backend(3), &[]),
            (Verdict::Backend(u32::MAX), &[]),
            (Verdict::Refuse(200), &[]),
            (Verdict::Refuse(399), &[]),
            (Verdict::Refuse(600), &[]),
        ] {
            let fault = check(verdict, &table, tried).expect_err("must be refused");
            assert_eq!(fault.kind, FaultKind::Invalid, "{verdict:?}");
        }
    }
}

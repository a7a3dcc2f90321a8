//! Decisions as plain traits and data: what is asked, what may be answered, and what holds when the
//! answer is missing.
//!
//! No I/O, no clock, no Wasm: time, randomness and loads are handed in. `plugin/` implements the
//! traits with components; `pool/` owns the numbers that [`load`] reads.

pub mod facts;
pub mod fallback;
pub mod key;
pub mod load;
pub mod metrics;
pub mod outcome;
pub mod table;

use std::fmt;
use std::sync::Arc;

pub use facts::{Facts, Head};
pub use key::Key;
pub use load::{BackendLoad, PoolLoad};
pub use outcome::{Outcome, OutcomeKind};
pub use table::{LocalTable, OverlayTable, Table};

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
    /// 0 to [`MAX_WEIGHT`].
    pub weight: u32,
    /// As the plugin shall see it.
    pub readiness: Readiness,
    /// Sorted by key.
    pub labels: Arc<[(String, String)]>,
    /// Shared by all workers.
    pub load: Arc<BackendLoad>,
}

/// The largest weight of a row.
pub const MAX_WEIGHT: u32 = 65_535;

/// `rows` with other weights, each of the row at its position; what is above the largest is the largest.
pub fn weighed(rows: &[Row], weights: &[u32]) -> Arc<[Row]> {
    let weigh = |(row, weight): (&Row, &u32)| Row { weight: (*weight).min(MAX_WEIGHT), ..row.clone() };
    rows.iter().zip(weights).map(weigh).collect()
}

/// Where a router sends a request: the WIT's `destination`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination {
    /// Position in the list of pools that it was given.
    Pool(u32),
    /// No opinion.
    Pass,
    /// Answer the client with this status.
    Refuse(u16),
}

/// A plugin that decides by a key. Whatever it answers: after any error it must not be used again, and its
/// owner replaces it. Facts are lent for the call, and always come back.
pub trait Keyed {
    /// Where the key of a decision comes from, in order.
    fn keys(&self) -> &[Key];
}

/// A plugin that decides by a table of backends. One instance per worker and pool.
pub trait Tabled: Keyed {
    /// Replaces the table. Answers from now on are positions in `rows`.
    ///
    /// # Errors
    /// The fault of the plugin.
    fn update(&mut self, rows: &[Row]) -> Result<(), Fault>;

    /// Tells weights and readiness of `rows`, which are those last given otherwise.
    ///
    /// # Errors
    /// The fault of the plugin.
    fn adjust(&mut self, rows: &[Row]) -> Result<(), Fault>;
}

/// Picks a backend.
pub trait Balancer: Tabled {
    /// Picks for `facts`.
    fn pick(&mut self, moment: Moment, facts: Box<Facts>) -> (Box<Facts>, Result<Verdict, Fault>);
}

/// Names and values of headers.
pub type Headers = Vec<(String, String)>;

/// Finds the backend that a client is bound to, and binds it.
pub trait Affinity: Tabled {
    /// Finds for `facts`; a pass: not bound.
    fn find(&mut self, moment: Moment, facts: Box<Facts>) -> (Box<Facts>, Result<Verdict, Fault>);

    /// Binds the client to `backend`, which answered with this head; `found` is what `find` answered. Answers
    /// headers to add to the response.
    fn bind(
        &mut self,
        moment: Moment,
        facts: Box<Facts>,
        head: Box<Head>,
        backend: u32,
        found: Option<u32>,
    ) -> (Box<Facts>, Box<Head>, Result<Headers, Fault>);
}

/// Picks a pool. One instance per worker and route.
pub trait Router: Keyed {
    /// Picks for `facts`.
    fn route(&mut self, moment: Moment, facts: Box<Facts>) -> (Box<Facts>, Result<Destination, Fault>);
}

/// Weighs backends for the balancers behind it in a chain. One instance per pool.
pub trait Shaper {
    /// One weight for each row.
    ///
    /// # Errors
    /// The fault of the plugin.
    fn shape(&mut self, rows: &[Row]) -> Result<Vec<u32>, Fault>;
}

/// Learns from what happened.
pub trait Observer {
    /// Whether it wants outcomes.
    fn observes(&self) -> bool;

    /// Tells of attempts that ended, oldest first, at most [`BATCH`](outcome::BATCH) of them.
    ///
    /// # Errors
    /// The fault of the plugin.
    fn observe(&mut self, outcomes: &[Outcome], now_us: u64) -> Result<(), Fault>;

    /// Lets time pass, if it wants ticks and one is due.
    ///
    /// # Errors
    /// The fault of the plugin.
    fn tick(&mut self, now_us: u64) -> Result<(), Fault>;
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

impl Fault {
    /// An answer that is not allowed.
    pub fn invalid(message: String) -> Self {
        Self { kind: FaultKind::Invalid, message }
    }
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
    /// Its answer is not allowed: out of range, not ready, tried, a refusal outside 400 to 599, a header that
    /// would break the response.
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

/// Whether the answer to a `pick` may be acted on, for a table of these readinesses.
///
/// # Errors
/// A fault of kind [`FaultKind::Invalid`] that says what is wrong.
pub fn check(verdict: Verdict, readiness: &[Readiness], tried: &[u32]) -> Result<(), Fault> {
    check_with(verdict, readiness, tried, false)
}

/// As [`check`], for the answer to a `find`: a client that is bound to a draining backend stays there.
///
/// # Errors
/// As there.
pub fn check_found(verdict: Verdict, readiness: &[Readiness], tried: &[u32]) -> Result<(), Fault> {
    check_with(verdict, readiness, tried, true)
}

/// Whether a refusal is one, for an answer of any kind.
///
/// # Errors
/// As of [`check`].
pub fn check_refusal(status: u16) -> Result<(), Fault> {
    match status {
        400..=599 => Ok(()),
        _ => Err(Fault::invalid(format!("refuses with {status}, which is not within 400 to 599"))),
    }
}

fn check_with(verdict: Verdict, readiness: &[Readiness], tried: &[u32], bound: bool) -> Result<(), Fault> {
    let invalid = |message: String| Err(Fault::invalid(message));
    match verdict {
        Verdict::Pass => Ok(()),
        Verdict::Refuse(status) => check_refusal(status),
        Verdict::Backend(index) => match readiness.get(index as usize) {
            None => invalid(format!("answered backend {index} of a table of {}", readiness.len())),
            Some(Readiness::Down) => invalid(format!("answered backend {index}, which is down")),
            Some(Readiness::Draining) if !bound => invalid(format!("answered backend {index}, which is draining")),
            Some(_) if tried.contains(&index) => invalid(format!("answered backend {index}, which was tried already")),
            Some(_) => Ok(()),
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
        assert!(check_found(Verdict::Backend(2), &table, &[]).is_ok(), "who is bound stays while it drains");
        for (verdict, tried) in
            [(Verdict::Backend(1), &[][..]), (Verdict::Backend(2), &[2]), (Verdict::Refuse(99), &[])]
        {
            check_found(verdict, &table, tried).expect_err("must be refused");
        }
    }
}

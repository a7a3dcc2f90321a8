//! The types of `trimtab:plugin/types@0.1`, as this host sends and receives them.

use wasmtime::component::{ComponentType, Lift, Lower};

use crate::decide;
use crate::plugin::instance::Seat;

#[derive(ComponentType, Lower, Clone, Copy)]
#[component(enum)]
#[repr(u8)]
pub(super) enum Readiness {
    #[component(name = "ready")]
    Ready,
    #[component(name = "draining")]
    Draining,
    #[component(name = "down")]
    Down,
}

#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct Backend<'a> {
    id: &'a str,
    address: &'a str,
    weight: u32,
    readiness: Readiness,
    labels: &'a [(String, String)],
}

#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct InstanceId<'a> {
    pool: &'a str,
    worker: u32,
    workers: u32,
    generation: u64,
}

/// What a plugin wants from the host.
#[derive(ComponentType, Lift)]
#[component(record)]
pub(in super::super) struct Plan {
    pub(in super::super) keys: Vec<String>,
    pub(in super::super) observe: bool,
    #[component(name = "tick-ms")]
    pub(in super::super) tick_ms: u32,
    pub(in super::super) options: Vec<(String, String)>,
}

/// What a decision gets for free.
#[derive(ComponentType, Lower, Clone, Copy)]
#[component(record)]
pub(in super::super) struct Moment {
    key: Option<u64>,
    random: u64,
    #[component(name = "now-us")]
    now_us: u64,
    attempt: u32,
}

/// The answer to `pick`.
#[derive(ComponentType, Lift, Clone, Copy)]
#[component(variant)]
pub(in super::super) enum Verdict {
    #[component(name = "backend")]
    Backend(u32),
    #[component(name = "pass")]
    Pass,
    #[component(name = "refuse")]
    Refuse(u16),
}

/// The answer to `route`.
#[derive(ComponentType, Lift, Clone, Copy)]
#[component(variant)]
pub(in super::super) enum Destination {
    #[component(name = "pool")]
    Pool(u32),
    #[component(name = "pass")]
    Pass,
    #[component(name = "refuse")]
    Refuse(u16),
}

#[derive(ComponentType, Lower, Clone, Copy)]
#[component(enum)]
#[repr(u8)]
pub(super) enum OutcomeKind {
    #[component(name = "success")]
    Success,
    #[component(name = "client-error")]
    ClientError,
    #[component(name = "server-error")]
    ServerError,
    #[component(name = "connect-error")]
    ConnectError,
    #[component(name = "reset")]
    Reset,
    #[component(name = "timeout")]
    Timeout,
    #[component(name = "cancelled")]
    Cancelled,
}

#[derive(ComponentType, Lower, Clone, Copy)]
#[component(record)]
pub(super) struct Outcome {
    backend: u32,
    kind: OutcomeKind,
    status: u16,
    #[component(name = "latency-us")]
    latency_us: u32,
    attempt: u32,
    key: Option<u64>,
    #[component(name = "at-us")]
    at_us: u64,
}

impl<'a> From<&'a Seat> for InstanceId<'a> {
    fn from(seat: &'a Seat) -> Self {
        let generation = seat.definition.generation();
        Self { pool: &seat.pool, worker: seat.worker, workers: seat.workers, generation }
    }
}

impl From<&decide::Outcome> for Outcome {
    fn from(outcome: &decide::Outcome) -> Self {
        let decide::Outcome { backend, kind, status, latency_us, attempt, key, at_us } = *outcome;
        let kind = match kind {
            decide::OutcomeKind::Success => OutcomeKind::Success,
            decide::OutcomeKind::ClientError => OutcomeKind::ClientError,
            decide::OutcomeKind::ServerError => OutcomeKind::ServerError,
            decide::OutcomeKind::ConnectError => OutcomeKind::ConnectError,
            decide::OutcomeKind::Reset => OutcomeKind::Reset,
            decide::OutcomeKind::Timeout => OutcomeKind::Timeout,
            decide::OutcomeKind::Cancelled => OutcomeKind::Cancelled,
        };
        Self { backend, kind, status, latency_us, attempt, key, at_us }
    }
}

impl From<Destination> for decide::Destination {
    fn from(destination: Destination) -> Self {
        match destination {
            Destination::Pool(pool) => Self::Pool(pool),
            Destination::Pass => Self::Pass,
            Destination::Refuse(status) => Self::Refuse(status),
        }
    }
}

impl From<decide::Readiness> for Readiness {
    fn from(readiness: decide::Readiness) -> Self {
        match readiness {
            decide::Readiness::Ready => Self::Ready,
            decide::Readiness::Draining => Self::Draining,
            decide::Readiness::Down => Self::Down,
        }
    }
}

impl<'a> From<&'a decide::Row> for Backend<'a> {
    fn from(row: &'a decide::Row) -> Self {
        let decide::Row { id, address, weight, readiness, labels, load: _ } = row;
        Self { id, address, weight: *weight, readiness: (*readiness).into(), labels }
    }
}

impl From<decide::Moment> for Moment {
    fn from(moment: decide::Moment) -> Self {
        let decide::Moment { key, random, now_us, attempt } = moment;
        Self { key, random, now_us, attempt }
    }
}

impl From<Verdict> for decide::Verdict {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Backend(index) => Self::Backend(index),
            Verdict::Pass => Self::Pass,
            Verdict::Refuse(status) => Self::Refuse(status),
        }
    }
}

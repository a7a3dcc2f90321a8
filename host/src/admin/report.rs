//! What `/listeners`, `/pools` and `/plugins` answer, as `trimtab status` reads it again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::decide::{FaultKind, OutcomeKind};
use crate::plugin::Source;
use crate::snapshot::{Pool, Snapshot};

/// One of `/listeners`.
#[derive(Debug, Serialize, Deserialize)]
pub struct ListenerReport {
    /// Its name.
    pub name: String,
    /// The address that was bound.
    pub address: String,
    /// Open client connections.
    pub connections: u64,
    /// Requests that were answered.
    pub requests: u64,
}

/// One of `/pools`.
#[derive(Debug, Serialize, Deserialize)]
pub struct PoolReport {
    /// Its name.
    pub name: String,
    /// The plugin that picks.
    pub balancer: String,
    /// In the order of the table.
    pub backends: Vec<BackendReport>,
}

/// A backend of a pool.
#[derive(Debug, Serialize, Deserialize)]
pub struct BackendReport {
    /// Its id.
    pub id: String,
    /// Its address.
    pub address: String,
    /// Its weight now.
    pub weight: u32,
    /// `ready`, `draining` or `down`.
    pub state: String,
    /// Only while no other is ready.
    pub backup: bool,
    /// Requests in flight.
    pub in_flight: u32,
    /// Attempts that ended.
    pub requests: u64,
    /// Of these, ended in server-error, connect-error, reset or timeout.
    pub failures: u64,
    /// Average latency to the response head, if measured.
    pub latency_us: Option<u32>,
}

/// One of `/plugins`.
#[derive(Debug, Serialize, Deserialize)]
pub struct PluginReport {
    /// Its name.
    pub name: String,
    /// Grows with each swap.
    pub generation: u64,
    /// `built-in`, or the file.
    pub source: String,
    /// Size of the component in bytes.
    pub size: usize,
    /// Pools that it decides for.
    pub pools: Vec<String>,
    /// Decisions made.
    pub decisions: u64,
    /// Mean time of a decision in nanoseconds.
    pub decision_ns: Option<u64>,
    /// Faults by kind.
    pub faults: BTreeMap<String, u64>,
}

pub(super) fn pool(pool: &Pool) -> PoolReport {
    let backends = pool.members.iter().zip(&pool.rows).map(|(member, row)| {
        let backend = &member.backend;
        let failed = [OutcomeKind::ServerError, OutcomeKind::ConnectError, OutcomeKind::Reset, OutcomeKind::Timeout];
        BackendReport {
            id: backend.id.to_string(),
            address: backend.address_text.to_string(),
            weight: row.weight,
            state: member.state.as_str().to_owned(),
            backup: member.backup,
            in_flight: backend.load.in_flight(),
            requests: backend.attempts(),
            failures: failed.into_iter().map(|kind| backend.outcomes(kind)).sum(),
            latency_us: backend.load.latency_us(),
        }
    });
    PoolReport { name: pool.name.to_string(), balancer: pool.balancer.name().to_string(), backends: backends.collect() }
}

/// Every plugin in use, with the sums over its pools.
pub(super) fn plugins(snapshot: &Snapshot) -> Vec<PluginReport> {
    let mut reports: BTreeMap<&str, (PluginReport, u64)> = BTreeMap::new();
    for pool in &snapshot.pools {
        let definition = &pool.balancer;
        let (report, total_ns) = reports.entry(definition.name()).or_insert_with(|| (empty(definition), 0));
        report.pools.push(pool.name.to_string());
        report.decisions += decisions(pool);
        *total_ns += pool.decisions.sum(|cell| cell.times.sum_ns());
        for kind in FaultKind::ALL {
            *report.faults.entry(kind.as_str().to_owned()).or_default() +=
                pool.decisions.sum(|cell| cell.faults[kind as usize].get());
        }
    }
    let finish = |(mut report, total_ns): (PluginReport, u64)| {
        report.decision_ns = total_ns.checked_div(report.decisions);
        report
    };
    reports.into_values().map(finish).collect()
}

/// Decisions of a pool, faults included.
pub(super) fn decisions(pool: &Pool) -> u64 {
    let buckets = 0..=crate::telemetry::counters::DECISION_BOUNDS.len();
    buckets.map(|bucket| pool.decisions.sum(|cell| cell.times.bucket(bucket))).sum()
}

fn empty(definition: &crate::plugin::Definition) -> PluginReport {
    let source = match definition.source() {
        Source::BuiltIn => "built-in".to_owned(),
        Source::File(path) => path.display().to_string(),
        Source::Bytes(_) => "uploaded".to_owned(),
    };
    PluginReport {
        name: definition.name().to_string(),
        generation: definition.generation(),
        source,
        size: definition.size(),
        pools: Vec::new(),
        decisions: 0,
        decision_ns: None,
        faults: BTreeMap::new(),
    }
}

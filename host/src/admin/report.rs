//! What `/listeners`, `/pools` and `/plugins` answer, as `trimtab status` reads it again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::{PluginStatus, SourceStatus, Stage};
use crate::decide::{FaultKind, OutcomeKind};
use crate::plugin::Source;
use crate::pool::health::Checkup;
use crate::snapshot::{BreakerState, Comparison, Condition, Ejection, Element, Pool, Slot, Snapshot};
use crate::telemetry::counters::{DECISION_BOUNDS, Decisions, PerWorker};

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
    /// The plugins that pick, in the order of their chain, separated by commas.
    pub balancer: String,
    /// The plugin that binds clients.
    pub affinity: Option<String>,
    /// Where backends come from at run time; none: nowhere.
    pub discovery: Option<DiscoveryReport>,
    /// Requests that wait for room.
    pub waiting: u32,
    /// In the order of the table.
    pub backends: Vec<BackendReport>,
}

/// A pool's source of backends.
#[derive(Debug, Serialize, Deserialize)]
pub struct DiscoveryReport {
    /// Which it is: `dns app.internal:8080`.
    pub source: String,
    /// Seconds since it answered last; none: not yet.
    pub answered_s: Option<f64>,
    /// What is wrong with it at present.
    pub error: Option<String>,
    /// Backends that it named and that are in the pool.
    pub backends: usize,
}

/// A backend of a pool.
#[derive(Debug, Serialize, Deserialize)]
pub struct BackendReport {
    /// Its id.
    pub id: String,
    /// Its address.
    pub address: String,
    /// Its whole weight now: configured, set, or said by itself.
    pub weight: u32,
    /// `ready`, `draining` or `down`: what it is on its own.
    pub state: String,
    /// Why it is not what it was set to, or has not its whole weight: some of `unhealthy`, `ejected`, `trial`, `leaving`,
    /// `slow start: 40 %`.
    pub because: Vec<String>,
    /// Only while no other is ready.
    pub backup: bool,
    /// `configured`, `added` (by the admin API) or `discovered`.
    pub origin: String,
    /// Requests in flight.
    pub in_flight: u32,
    /// Attempts that ended.
    pub requests: u64,
    /// Of these, ended in server-error, connect-error, reset or timeout.
    pub failures: u64,
    /// Average latency to the response head, if measured.
    pub latency_us: Option<u32>,
    /// What active checks say; none where there are none.
    pub health: Option<HealthReport>,
}

/// What active checks say of a backend.
#[derive(Debug, Serialize, Deserialize)]
pub struct HealthReport {
    /// `healthy`, `unhealthy`, or `unknown` before the first result.
    pub state: String,
    /// Why the last check failed; none if it did not.
    pub last: Option<String>,
    /// Time since it is in this state.
    pub since_seconds: f64,
    /// Checks that succeeded.
    pub passed: u64,
    /// Checks that failed.
    pub failed: u64,
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
    /// What it can be used as: some of `balancer`, `affinity`, `router`, `shaper`.
    pub roles: Vec<String>,
    /// Pools that it decides for.
    pub pools: Vec<String>,
    /// Routes that it decides for.
    pub routes: Vec<String>,
    /// Decisions made.
    pub decisions: u64,
    /// Mean time of a decision in nanoseconds.
    pub decision_ns: Option<u64>,
    /// Faults by kind.
    pub faults: BTreeMap<String, u64>,
    /// `steady`, `loading`, `shadow` or `probation`.
    pub stage: String,
    /// Seconds that the shadow or the probation has left.
    pub left_s: Option<f64>,
    /// It fails in some place, where it is not asked at present.
    pub degraded: bool,
    /// The places where it is not asked by all workers: `pool web: open`.
    pub breakers: Vec<String>,
    /// The generation that a rollback goes to.
    pub previous: Option<u64>,
    /// It was sent by `PUT`, and holds until its file changes or the process ends.
    pub uploaded: bool,
    /// How the last attempt to replace it went.
    pub last: Option<String>,
    /// How the generation that is compared does, place by place.
    pub shadow: Vec<ShadowReport>,
}

/// The next generation of a plugin beside the one that decides, in one place.
#[derive(Debug, Serialize, Deserialize)]
pub struct ShadowReport {
    /// Its number.
    pub generation: u64,
    /// `pool web`, `route api`.
    pub place: String,
    /// Decisions that both made.
    pub decisions: u64,
    /// Of these, with the same answer.
    pub agreed: u64,
    /// Mean time of a decision in nanoseconds: of the one that decides.
    pub deciding_ns: Option<u64>,
    /// The same, of the next generation.
    pub shadow_ns: Option<u64>,
    /// How far apart both spread their answers: the total variation distance, 0 (alike) to 1.
    pub distance: f64,
    /// By backend or pool: how often the one that decides answered it, and how often the next.
    pub answered: BTreeMap<String, [u64; 2]>,
}

pub(super) fn pool(pool: &Pool, source: Option<&SourceStatus>) -> PoolReport {
    let backends = pool.members.iter().map(|member| {
        let backend = &member.backend;
        let failed = [OutcomeKind::ServerError, OutcomeKind::ConnectError, OutcomeKind::Reset, OutcomeKind::Timeout];
        BackendReport {
            id: backend.id.to_string(),
            address: backend.address_text.to_string(),
            weight: member.full_weight(),
            state: member.readiness().as_str().to_owned(),
            because: because(&member.condition),
            backup: member.backup,
            origin: member.origin.as_str().to_owned(),
            in_flight: backend.load.in_flight(),
            requests: backend.attempts(),
            failures: failed.into_iter().map(|kind| backend.outcomes(kind)).sum(),
            latency_us: backend.load.latency_us(),
            health: backend.checkup.load().as_deref().map(health),
        }
    });
    let name = |element: &Arc<Element>| element.definition.name().to_string();
    PoolReport {
        name: pool.name.to_string(),
        balancer: pool.chain.written().map(name).collect::<Vec<_>>().join(", "),
        affinity: pool.chain.affinity.as_ref().map(name),
        discovery: source.map(|source| discovery(pool, source)),
        waiting: pool.capacity.waiting(),
        backends: backends.collect(),
    }
}

fn because(condition: &Condition) -> Vec<String> {
    let ejection = match condition.ejection {
        Ejection::None => None,
        Ejection::Ejected => Some("ejected"),
        Ejection::Trial => Some("trial"),
    };
    let words = [condition.unhealthy.then_some("unhealthy"), ejection, condition.leaving.then_some("leaving")];
    let slow = condition.ramp.map(|percent| format!("slow start: {percent} %"));
    words.into_iter().flatten().map(str::to_owned).chain(slow).collect()
}

fn discovery(pool: &Pool, status: &SourceStatus) -> DiscoveryReport {
    DiscoveryReport {
        source: status.source.clone(),
        answered_s: status.answered.map(|answered| answered.elapsed().as_secs_f64()),
        error: status.error.clone(),
        backends: pool.members.iter().filter(|member| member.origin.is_discovered()).count(),
    }
}

fn health(checkup: &Checkup) -> HealthReport {
    let state = match checkup.healthy {
        Some(true) => "healthy",
        Some(false) => "unhealthy",
        None => "unknown",
    };
    HealthReport {
        state: state.to_owned(),
        last: checkup.failure.as_deref().map(str::to_owned),
        since_seconds: checkup.since.elapsed().as_secs_f64(),
        passed: checkup.passed,
        failed: checkup.failed,
    }
}

/// Places where a plugin is not asked by all workers, in words.
pub(super) fn degraded(snapshot: &Snapshot) -> Vec<String> {
    let open = snapshot.slots().filter(|(_, element)| element.health.state() != BreakerState::Closed);
    open.map(|(slot, element)| {
        format!("plugin `{}` in {slot}: breaker {}", element.definition.name(), element.health.state().as_str())
    })
    .collect()
}

/// Every plugin in use, with the sums over its pools and routes.
pub(super) fn plugins(snapshot: &Snapshot, statuses: &BTreeMap<Arc<str>, PluginStatus>) -> Vec<PluginReport> {
    let mut reports: BTreeMap<&str, (PluginReport, u64)> = BTreeMap::new();
    for used in snapshot.uses() {
        let (definition, counts) = (&used.element.definition, &used.element.decisions);
        let (report, total_ns) = reports.entry(definition.name()).or_insert_with(|| (empty(definition), 0));
        for (places, place) in [(&mut report.pools, used.pool), (&mut report.routes, used.route)] {
            if !place.is_empty() && places.last().is_none_or(|last| last != place) {
                places.push(place.to_owned());
            }
        }
        report.decisions += decisions(counts);
        *total_ns += counts.sum(|cell| cell.times.sum_ns());
        for kind in FaultKind::ALL {
            *report.faults.entry(kind.as_str().to_owned()).or_default() +=
                counts.sum(|cell| cell.faults[kind as usize].get());
        }
    }
    let finish = |(mut report, total_ns): (PluginReport, u64)| {
        report.decision_ns = total_ns.checked_div(report.decisions);
        let open = snapshot
            .slots()
            .filter(|(_, element)| element.is_of(&report.name) && element.health.state() != BreakerState::Closed);
        let open = open.map(|(slot, element)| format!("{slot}: {}", element.health.state().as_str()));
        report.breakers = open.collect();
        report.degraded = !report.breakers.is_empty();
        if let Some(status) = statuses.get(&*report.name) {
            describe(&mut report, status);
        }
        report
    };
    reports.into_values().map(finish).collect()
}

fn describe(report: &mut PluginReport, status: &PluginStatus) {
    let (stage, left) = match status.stage {
        Stage::Steady => ("steady", None),
        Stage::Loading => ("loading", None),
        Stage::Shadow { until, .. } => ("shadow", Some(until)),
        Stage::Probation { until } => ("probation", Some(until)),
    };
    report.stage = stage.to_owned();
    report.left_s = left.map(|until| until.saturating_duration_since(Instant::now()).as_secs_f64());
    report.previous = status.previous;
    report.uploaded = status.uploaded;
    report.last.clone_from(&status.last);
    if let Stage::Shadow { generation, .. } = status.stage {
        report.shadow =
            status.comparisons.iter().map(|(slot, comparison)| shadow(generation, slot, comparison)).collect();
    }
}

fn shadow(generation: u64, slot: &Slot, comparison: &Comparison) -> ShadowReport {
    let agreed = comparison.sum(|cell| cell.agreed.get());
    let decisions = agreed + comparison.sum(|cell| cell.differed.get());
    let mean = |sum: u64| sum.checked_div(decisions);
    ShadowReport {
        generation,
        place: slot.to_string(),
        decisions,
        agreed,
        deciding_ns: mean(comparison.sum(|cell| cell.deciding.sum_ns())),
        shadow_ns: mean(comparison.sum(|cell| cell.shadow.sum_ns())),
        distance: comparison.distance(),
        answered: comparison.answered().map(|(name, counts)| (name.to_string(), counts)).collect(),
    }
}

/// Decisions, faults included.
fn decisions(counts: &PerWorker<Decisions>) -> u64 {
    let buckets = 0..=DECISION_BOUNDS.len();
    buckets.map(|bucket| counts.sum(|cell| cell.times.bucket(bucket))).sum()
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
        roles: definition.roles().iter().map(|role| (*role).to_owned()).collect(),
        pools: Vec::new(),
        routes: Vec::new(),
        decisions: 0,
        decision_ns: None,
        faults: BTreeMap::new(),
        stage: "steady".to_owned(),
        left_s: None,
        degraded: false,
        breakers: Vec::new(),
        previous: None,
        uploaded: false,
        last: None,
        shadow: Vec::new(),
    }
}

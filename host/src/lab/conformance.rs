//! Whether a plugin keeps the contract: properties that hold for any plugin, whatever it decides, over random tables, requests and
//! changes. All of them come from a seed, so that a failure is found again.
//!
//! What a worker would count as a fault is a failure here. How good a plugin is, is not judged: see [`spread`](super::spread).

mod affinity;
mod asked;
mod chance;
mod handoff;
mod router;
mod shaper;
mod tabled;

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Uri};

use super::subject::Subject;
use crate::decide::Facts;
use crate::plugin::{AffinityInstance, BalancerInstance, BuildReason, thread_time};

/// How much is tried, and from what.
#[derive(Debug, Clone)]
pub struct Options {
    /// What all chance comes from.
    pub seed: u64,
    /// Random tables of each group.
    pub tables: u32,
    /// Pools that a router chooses between.
    pub pools: Vec<String>,
    /// Headers besides `set-cookie` that an affinity may add to responses; none: any.
    pub headers: Option<Arc<[HeaderName]>>,
    /// What chance alone does not ask for: every other request has these headers…
    pub asked_headers: Vec<(HeaderName, HeaderValue)>,
    /// …and this path; none: whichever it has.
    pub asked_path: Option<Uri>,
    /// Backends of the largest table.
    pub large: usize,
    /// Processor time after which it has failed, and whether the first failure ends it.
    pub budget: Option<Duration>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 1,
            tables: 3000,
            pools: Vec::new(),
            headers: None,
            asked_headers: Vec::new(),
            asked_path: None,
            large: 10_000,
            budget: None,
        }
    }
}

impl Options {
    /// Little enough to be tried whenever a plugin is to decide: some hundred milliseconds of processor time for most.
    pub fn quick() -> Self {
        Self { tables: 200, budget: Some(Duration::from_secs(10)), ..Self::default() }
    }

    /// Every other request asks for what is to be asked for, too.
    fn ask_for(&self, facts: &mut Facts, random: &mut fastrand::Rng) {
        if (self.asked_headers.is_empty() && self.asked_path.is_none()) || random.bool() {
            return;
        }
        for (name, value) in &self.asked_headers {
            facts.headers.insert(name, value.clone());
        }
        if let Some(path) = &self.asked_path {
            facts.uri.clone_from(path);
        }
    }
}

/// What became of a property.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It holds, as far as was tried.
    Holds,
    /// It holds, but not by much, or nothing could be seen of it.
    Doubtful,
    /// It does not.
    Fails,
    /// It has no meaning for this plugin.
    Skipped,
}

impl Status {
    /// For people and for JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Doubtful => "doubtful",
            Self::Fails => "fails",
            Self::Skipped => "skipped",
        }
    }
}

/// A property, and what was seen of it.
#[derive(Debug, Clone)]
pub struct Finding {
    /// Its name, one word.
    pub property: &'static str,
    /// What became of it.
    pub status: Status,
    /// What was tried, or what went wrong and where.
    pub evidence: String,
}

/// The worst that a plugin took, and what it may take.
#[derive(Debug, Clone, Copy, Default)]
pub struct Worst {
    /// Processor time of a decision, and its deadline.
    pub decision: (Duration, Duration),
    /// The same of an `update`, of 10 000 backends.
    pub update: (Duration, Duration),
    /// Bytes of memory, and its limit.
    pub memory: (usize, usize),
}

/// All that was found of a plugin in one role.
#[derive(Debug, Clone)]
pub struct Report {
    /// `balancer`, `affinity`, `router` or `shaper`.
    pub role: &'static str,
    /// One for each property.
    pub findings: Vec<Finding>,
    /// Of those that did not fault.
    pub worst: Worst,
}

impl Report {
    /// Whether nothing failed; if `strict`, nothing is doubtful either.
    pub fn passes(&self, strict: bool) -> bool {
        self.objections(strict).next().is_none()
    }

    /// What stands against it; if `strict`, what is doubtful does, too.
    pub fn objections(&self, strict: bool) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(move |finding| match finding.status {
            Status::Holds | Status::Skipped => false,
            Status::Doubtful => strict,
            Status::Fails => true,
        })
    }
}

/// What was tried, in words, or what went wrong.
type Seen = Result<(Status, String), Failed>;

/// A property does not hold.
enum Failed {
    /// In these words.
    Broken(String),
    /// There is no instance to try it on.
    NoInstance(BuildReason),
}

impl From<BuildReason> for Failed {
    fn from(reason: BuildReason) -> Self {
        Self::NoInstance(reason)
    }
}

/// What a group has at hand.
struct Bench<'a> {
    subject: &'a Subject,
    options: &'a Options,
    worst: Worst,
    began: Duration,
}

impl Bench<'_> {
    /// Whether there is time for more.
    fn go_on(&self) -> Result<(), Failed> {
        match self.options.budget {
            Some(budget) if thread_time().saturating_sub(self.began) > budget => {
                Err(Failed::Broken(format!("all of it takes more than {} s of processor time", budget.as_secs())))
            }
            _ => Ok(()),
        }
    }

    fn failed(&self, place: &str, error: impl std::fmt::Display) -> Failed {
        Failed::Broken(format!("{place}, seed {}: {error}", self.options.seed))
    }
}

/// A group: the property's name, and how it is tried.
type Group = (&'static str, fn(&mut Bench<'_>) -> Seen);

/// Tries all properties of `role` that `subject` has, on the calling thread; see [`Subject::seat`]. `begun` is told the name of
/// each.
///
/// # Errors
/// It does not accept its settings, so nothing can be tried.
pub fn examine(
    subject: &Subject,
    role: &'static str,
    options: &Options,
    mut begun: impl FnMut(&'static str),
) -> Result<Report, BuildReason> {
    let limits = subject.definition.limits();
    let worst = Worst {
        decision: (Duration::ZERO, limits.deadline),
        update: (Duration::ZERO, limits.update_deadline),
        memory: (0, limits.memory),
    };
    let mut bench = Bench { subject, options, worst, began: thread_time() };
    let groups: Vec<Group> = match role {
        "balancer" => tabled::groups::<BalancerInstance>().into(),
        "affinity" => {
            let mut groups = tabled::groups::<AffinityInstance>().to_vec();
            groups.push(("binding", affinity::binding));
            groups
        }
        "router" => router::GROUPS.to_vec(),
        _ => shaper::GROUPS.into(),
    };
    let mut findings = Vec::new();
    for (property, group) in groups {
        begun(property);
        let (status, evidence) = match group(&mut bench) {
            Ok(seen) => seen,
            Err(Failed::Broken(why)) => (Status::Fails, why),
            // Its settings, or its first table: nothing else would go better.
            Err(Failed::NoInstance(reason @ (BuildReason::Configure(_) | BuildReason::Full(_)))) => return Err(reason),
            Err(Failed::NoInstance(reason)) => (Status::Fails, reason.to_string()),
        };
        findings.push(Finding { property, status, evidence });
        if status == Status::Fails && options.budget.is_some() {
            return Ok(Report { role, findings, worst: bench.worst });
        }
    }
    begun("headroom");
    findings.push(headroom(&bench.worst));
    Ok(Report { role, findings, worst: bench.worst })
}

/// How near it came to its limits. Beyond half of one, a busier or slower machine may be too much.
fn headroom(worst: &Worst) -> Finding {
    let share = |(took, most): (Duration, Duration)| took.as_secs_f64() / most.as_secs_f64().max(f64::MIN_POSITIVE);
    let memory = worst.memory.0 as f64 / (worst.memory.1 as f64).max(1.0);
    let most = share(worst.decision).max(share(worst.update)).max(memory);
    let status = if most > 0.5 { Status::Doubtful } else { Status::Holds };
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    let mebi = |bytes: usize| bytes as f64 / f64::from(1 << 20);
    let mut evidence = format!("at worst {:.1} of {:.0} MiB", mebi(worst.memory.0), mebi(worst.memory.1));
    if !worst.decision.0.is_zero() {
        evidence += &format!(", {:.0} of {:.0} µs for a decision", micros(worst.decision.0), micros(worst.decision.1));
    }
    if !worst.update.0.is_zero() {
        evidence +=
            &format!(", {:.1} of {:.0} ms for a table", micros(worst.update.0) / 1e3, micros(worst.update.1) / 1e3);
    }
    Finding { property: "headroom", status, evidence }
}

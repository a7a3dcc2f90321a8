//! What a plugin costs, beside others of its role in the same run: decisions, changes of the table, the start, memory.
//!
//! How figures are shown is not known here.

pub mod decisions;
pub mod timing;

use std::sync::Arc;
use std::time::{Duration, Instant};

use self::decisions::Question;
use self::timing::{Case, Cost, Telling, Work, median, telling};
use super::subject::{Place, Subject};
use super::world::rows;
use crate::decide::{Fault, PoolLoad};
use crate::plugin::{AffinityInstance, BalancerInstance, BuildReason, Built, RouterInstance, ShaperInstance};

/// Backends of the largest table.
pub const LARGE: usize = 10_000;
/// Numbers of backends over which decisions are timed.
pub const SIZES: [usize; 4] = [3, 100, 1_000, LARGE];
/// Starts that are timed.
const STARTS: usize = 51;

/// A plugin that is measured.
pub struct Entry {
    /// What it is called.
    pub name: String,
    /// The plugin.
    pub subject: Subject,
    /// For a router: the pools that it chooses between.
    pub pools: Arc<[Arc<str>]>,
    /// How long it took to be compiled and linked, where that was seen.
    pub compiled: Duration,
}

/// What one plugin costs.
#[derive(Debug, Clone)]
pub struct Figures {
    /// What it is called.
    pub name: String,
    /// Size of its component in bytes.
    pub size: usize,
    /// From the bytes to what can be instantiated.
    pub compiled: Duration,
    /// An instance is made, configured, and told an empty table; the median.
    pub start: Duration,
    /// Memory of an instance that was told an empty table, in bytes.
    pub memory_at_first: usize,
    /// The same with the largest table.
    pub memory: usize,
    /// What was asked over how many backends (0: there are none in it), and nanoseconds of it.
    pub decisions: Vec<(&'static str, usize, Cost)>,
    /// Changes of the largest table; none: it is told none.
    pub telling: Option<Telling>,
}

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// There is no instance of it.
    #[error("{0}: {1}")]
    Build(String, BuildReason),
    /// It failed when it was asked.
    #[error("{0} failed: {1}")]
    Fault(String, Fault),
}

/// Measures plugins in a role: `balancer`, `affinity`, `router` or `shaper`. Calls them on this thread, which holds an
/// [`Activity`](crate::plugin::Activity); there is an instance for each of [`SIZES`] and each question at a time. All take so
/// many turns (see [`timing`]); `begin` is told the number of each round.
///
/// # Errors
/// The plugin, and why it cannot be measured.
pub fn measure(
    entries: &[Entry],
    role: &str,
    rounds: usize,
    begin: impl FnMut(usize),
) -> Result<Vec<Figures>, BenchError> {
    let (mut cases, mut titles) = (Vec::new(), Vec::new());
    let mut all = Vec::new();
    for (number, entry) in entries.iter().enumerate() {
        let (figures, works) = begun(entry, role)?;
        all.push(figures);
        for (title, size, work) in works {
            let case = Case::new(work).map_err(|fault| BenchError::Fault(entry.name.clone(), fault))?;
            cases.push(case);
            titles.push((number, title, size));
        }
    }
    timing::run(&mut cases, rounds, begin)
        .map_err(|(case, fault)| BenchError::Fault(entries[titles[case].0].name.clone(), fault))?;
    for ((number, title, size), case) in titles.into_iter().zip(&cases) {
        all[number].decisions.push((title, size, case.best));
    }
    Ok(all)
}

/// Something to be timed: what it is, over how many backends, and the work.
type Asked = (&'static str, usize, Work<'static>);

/// All figures of a plugin but for its decisions, and what is to be timed.
fn begun(entry: &Entry, role: &str) -> Result<(Figures, Vec<Asked>), BenchError> {
    let seated = |reason| BenchError::Build(entry.name.clone(), reason);
    let failed = |fault| BenchError::Fault(entry.name.clone(), fault);
    let subject = &entry.subject;
    let (mut works, mut told): (Vec<Asked>, Option<Telling>) = (Vec::new(), None);
    let (start, memory_at_first, memory);
    match role {
        "router" => {
            (start, memory_at_first) = starts::<RouterInstance>(entry).map_err(seated)?;
            memory = memory_at_first;
            works.push(("route", 0, decisions::route(subject, &entry.pools).map_err(seated)?));
        }
        "shaper" => {
            (start, memory_at_first) = starts::<ShaperInstance>(entry).map_err(seated)?;
            let mut instance: ShaperInstance = instance(entry, 0).map_err(seated)?;
            crate::decide::Shaper::shape(&mut instance, &rows(LARGE)).map_err(failed)?;
            memory = instance.memory();
            for size in SIZES {
                let load = Arc::new(PoolLoad::new(1));
                works.push(("shape", size, decisions::shape(subject, &rows(size), &load).map_err(seated)?));
            }
        }
        "affinity" => {
            (start, memory_at_first) = starts::<AffinityInstance>(entry).map_err(seated)?;
            let mut instance: AffinityInstance = instance(entry, LARGE).map_err(seated)?;
            memory = instance.memory();
            told = Some(telling(&mut instance, &rows(LARGE), AffinityInstance::cost).map_err(failed)?);
            for question in Question::ALL {
                for size in SIZES {
                    let load = Arc::new(PoolLoad::new(1));
                    let work = decisions::affinity(subject, rows(size), &load, question).map_err(seated)?;
                    works.push((question.as_str(), size, work));
                }
            }
        }
        _ => {
            (start, memory_at_first) = starts::<BalancerInstance>(entry).map_err(seated)?;
            let mut instance: BalancerInstance = instance(entry, LARGE).map_err(seated)?;
            memory = instance.memory();
            told = Some(telling(&mut instance, &rows(LARGE), BalancerInstance::cost).map_err(failed)?);
            for size in SIZES {
                let (rows, load) = (rows(size), Arc::new(PoolLoad::new(1)));
                decisions::occupy(&rows, &load);
                works.push(("pick", size, decisions::pick(subject, &rows, &load).map_err(seated)?));
            }
        }
    }
    let (name, size) = (entry.name.clone(), subject.definition.size());
    let figures = Figures {
        name,
        size,
        compiled: entry.compiled,
        start,
        memory_at_first,
        memory,
        decisions: Vec::new(),
        telling: told,
    };
    Ok((figures, works))
}

fn instance<I: Built>(entry: &Entry, backends: usize) -> Result<I, BuildReason> {
    entry.subject.seat(place(entry, backends))
}

fn place(entry: &Entry, backends: usize) -> Place {
    let pools = entry.pools.iter().map(|name| (Arc::clone(name), Arc::new(PoolLoad::new(1)))).collect();
    Place { pools, ..Place::of(&rows(backends), &Arc::new(PoolLoad::new(1))) }
}

/// How long a start takes, and the memory after it.
fn starts<I: Built>(entry: &Entry) -> Result<(Duration, usize), BuildReason> {
    let (mut times, mut memory) = (Vec::new(), 0);
    for _ in 0..STARTS {
        // What workers share is there before them.
        let place = Place { table: Some(entry.subject.table()), ..place(entry, 0) };
        let start = Instant::now();
        let instance: I = entry.subject.seat(place)?;
        times.push(start.elapsed());
        memory = instance.memory();
    }
    Ok((median(times), memory))
}

/// The settings and the key with which a built-in can be looked at: where it needs some, the simplest.
pub fn usual(built_in: &str) -> (&'static str, Option<&'static str>) {
    let key = matches!(built_in, "ring-hash" | "maglev" | "rendezvous").then_some("header:x-user");
    let settings = match built_in {
        "header" => r#"{"name": "x-user"}"#,
        "app-cookie" => r#"{"name": "JSESSIONID"}"#,
        "route" => r#"{"cookie": "JSESSIONID"}"#,
        "split" => r#"{"percent": 5}"#,
        "header-router" => r#"{"header": "x-user", "values": {"user-1.example": "a"}, "prefix": {"user-": "b"}}"#,
        "zone" => r#"{"zone": "a"}"#,
        "subset" => r#"{"size": 20, "balancer": "one"}"#,
        _ => "{}",
    };
    (settings, key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::PluginLimits;
    use crate::plugin::{BUILT_IN, Registry, RegistryOptions};

    #[test]
    fn each_built_in_can_be_measured() {
        let registry = Registry::new(RegistryOptions::default()).unwrap();
        let _activity = registry.activity();
        for name in BUILT_IN {
            let subject = Subject::load(&registry, name, PluginLimits::default()).unwrap();
            let (settings, key) = usual(name);
            let keys = key.iter().map(|key| key.parse().unwrap()).collect();
            let subject = Subject { settings: settings.into(), keys, ..subject };
            let role = subject.definition.roles()[0];
            let pools = ["a", "b"].map(Arc::from).into();
            let entry = Entry { name: (*name).to_owned(), subject, pools, compiled: Duration::ZERO };
            let (figures, works) = begun(&entry, role).unwrap();
            assert!(figures.start > Duration::ZERO && figures.memory >= 64 << 10, "{name}: {figures:?}");
            assert_eq!(figures.telling.is_some(), matches!(role, "balancer" | "affinity"), "{name}");
            for (question, size, mut work) in works {
                assert!(work(65).unwrap() > Duration::ZERO, "{name}: {question} over {size}");
            }
        }
    }
}

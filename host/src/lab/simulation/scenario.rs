//! A world, described: who comes when, how long backends take, and what happens to them. As TOML.

mod entrant;

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use crate::decide::MAX_WEIGHT;

pub use self::entrant::{Entrant, Settings, Used};

/// Seconds that no time is above.
const YEAR: f64 = 366.0 * 86_400.0;
/// Requests a second, at the least and at the most.
const SELDOM: f64 = 1e-6;
const OFTEN: f64 = 1e6;

/// The description. Every key that is not known is an error.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Simulated time.
    #[serde(deserialize_with = "duration")]
    pub duration: Duration,
    /// Workers, each with instances of its own.
    #[serde(default = "two")]
    pub workers: u32,
    /// Tries after the first, each at another backend, where no connection was made.
    #[serde(default = "two")]
    pub retries: u32,
    /// Who comes when.
    pub arrivals: Arrivals,
    /// Whose requests they are.
    #[serde(default)]
    pub keys: Keys,
    /// When it becomes known that a backend is down, or back.
    #[serde(default = "three_seconds", deserialize_with = "duration")]
    pub detection: Duration,
    /// The pool.
    #[serde(rename = "backend")]
    pub backends: Vec<Backends>,
    /// What happens, in any order.
    #[serde(default, rename = "event")]
    pub events: Vec<Happening>,
    /// What is compared.
    #[serde(default, rename = "plugin")]
    pub entrants: Vec<Entrant>,
}

/// Who comes when: one of these.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Arrivals {
    /// A Poisson process: requests per second, each second's independent of the others'.
    Rate(f64),
    /// The same with a rate that changes: from each time on.
    Steps(Vec<Step>),
    /// So many clients, each of which waits for its response and then thinks for so long, on average (exponentially distributed).
    Clients(Closed),
    /// As an access log of Trimtab says: times, clients, and how long each took. Relative to the scenario.
    Log(PathBuf),
}

/// From when on how many come.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Since the beginning.
    #[serde(deserialize_with = "duration")]
    pub at: Duration,
    /// Requests per second.
    pub rate: f64,
}

/// A closed loop.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Closed {
    /// Clients.
    pub count: u32,
    /// Between a response and the next request.
    #[serde(deserialize_with = "duration")]
    pub think: Duration,
}

/// Whose requests they are: key `k` of `population` has a share of `1 / k^zipf`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// How many there are.
    #[serde(default = "ten_thousand")]
    pub population: u32,
    /// 0: all alike.
    #[serde(default)]
    pub zipf: f64,
}

impl Default for Keys {
    fn default() -> Self {
        Self { population: ten_thousand(), zipf: 0.0 }
    }
}

/// One backend, or several alike.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backends {
    /// Its id; of several the beginning of it, and a number follows, from 1.
    pub id: String,
    /// How many.
    #[serde(default)]
    pub count: Option<u32>,
    /// As in a configuration.
    #[serde(default = "one")]
    pub weight: u32,
    /// As in a configuration.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Requests that are served at a time; the others wait, in their order.
    #[serde(default = "one")]
    pub capacity: u32,
    /// How long a request takes once it is served; not with `arrivals.log`, which says it.
    #[serde(default)]
    pub service: Service,
    /// Whether it is there at the beginning.
    #[serde(default = "yes")]
    pub present: bool,
}

/// How long a request takes: one of these distributions.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Service {
    /// Always the same.
    Constant(#[serde(deserialize_with = "duration")] Duration),
    /// By its mean.
    Exponential(#[serde(deserialize_with = "duration")] Duration),
    /// By its median, and the standard deviation of its logarithm.
    Lognormal {
        /// Half take longer.
        #[serde(deserialize_with = "duration")]
        median: Duration,
        /// 0: constant; 1: the mean is 1.65 medians.
        sigma: f64,
    },
    /// By its least value and its exponent: the smaller, the heavier its tail.
    Pareto {
        /// Nothing is quicker.
        #[serde(deserialize_with = "duration")]
        least: Duration,
        /// Above 1, or there is no mean.
        shape: f64,
    },
}

impl Default for Service {
    fn default() -> Self {
        Self::Exponential(Duration::from_millis(10))
    }
}

/// Something that happens to a backend.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Happening {
    /// Since the beginning.
    #[serde(deserialize_with = "duration")]
    pub at: Duration,
    /// Its id.
    pub backend: String,
    /// What happens.
    pub what: What,
    /// Of `slow`: how many times longer everything takes that begins from now on; 1 ends it.
    #[serde(default)]
    pub factor: Option<f64>,
}

/// What can happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// It breaks off what it does, and refuses what comes; after `detection`, that is known.
    Down,
    /// It is there again; after `detection`, that is known.
    Up,
    /// It takes longer.
    Slow,
    /// It gets no new clients, at once.
    Drain,
    /// It leaves the table, at once; what it does, it ends.
    Remove,
    /// It joins the table, at once.
    Add,
}

impl What {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Up => "up",
            Self::Slow => "slow",
            Self::Drain => "drain",
            Self::Remove => "remove",
            Self::Add => "add",
        }
    }
}

/// What is wrong with a description.
#[derive(Debug, thiserror::Error)]
pub enum BadScenario {
    /// It cannot be read.
    #[error("cannot read it: {0}")]
    Unreadable(#[from] std::io::Error),
    /// It is no such TOML; the text shows where.
    #[error("{0}")]
    Syntax(#[from] toml::de::Error),
    /// It makes no sense.
    #[error("{0}")]
    Senseless(String),
}

impl Scenario {
    /// Reads a file. Paths in it are relative to it.
    ///
    /// # Errors
    /// It cannot be read, or is no description of a world.
    pub fn read(path: &Path) -> Result<Self, BadScenario> {
        let mut scenario = Self::parse(&std::fs::read_to_string(path)?)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        if let Arrivals::Log(log) = &mut scenario.arrivals {
            *log = folder.join(&*log);
        }
        scenario.entrants.iter_mut().for_each(|entrant| entrant.find_in(folder));
        Ok(scenario)
    }

    /// What a text describes.
    ///
    /// # Errors
    /// It is no description of a world.
    pub fn parse(text: &str) -> Result<Self, BadScenario> {
        let scenario: Self = toml::from_str(text)?;
        scenario.check().map_err(BadScenario::Senseless)?;
        Ok(scenario)
    }

    fn check(&self) -> Result<(), String> {
        let positive = |what: &str, value: f64| match value.is_finite() && value > 0.0 {
            true => Ok(()),
            false => Err(format!("{what} is {value}, and has to be above 0")),
        };
        let within = |what: &str, value: f64, least: f64, most: f64| match (least..=most).contains(&value) {
            true => Ok(()),
            false => Err(format!("{what} is {value}, and has to be {least} to {most}")),
        };
        let time = |what: &str, time: Duration| within(&format!("{what} in seconds"), time.as_secs_f64(), 0.0, YEAR);
        positive("`duration` in seconds", self.duration.as_secs_f64())?;
        time("`duration`", self.duration)?;
        time("`detection`", self.detection)?;
        if !(1..=64).contains(&self.workers) {
            return Err(format!("`workers` is {}, and has to be 1 to 64", self.workers));
        }
        match &self.arrivals {
            Arrivals::Rate(rate) => within("`arrivals.rate`", *rate, SELDOM, OFTEN)?,
            Arrivals::Steps(steps) => {
                if steps.first().is_none_or(|step| !step.at.is_zero()) {
                    return Err("`arrivals.steps` has to begin with one at \"0s\"".to_owned());
                }
                within("the number of `arrivals.steps`", steps.len() as f64, 1.0, 10_000.0)?;
                steps.iter().try_for_each(|step| within("a `rate` of `arrivals.steps`", step.rate, SELDOM, OFTEN))?;
                if !steps.is_sorted_by_key(|step| step.at) {
                    return Err("`arrivals.steps` has to be in the order of time".to_owned());
                }
            }
            Arrivals::Clients(closed) => {
                within("`arrivals.clients.count`", f64::from(closed.count), 1.0, 1e6)?;
                time("`arrivals.clients.think`", closed.think)?;
            }
            Arrivals::Log(_) => {}
        }
        if !(1..=10_000_000).contains(&self.keys.population) || !(0.0..=10.0).contains(&self.keys.zipf) {
            return Err("`keys` has to have a `population` of 1 to 10000000, and a `zipf` of 0 to 10".to_owned());
        }
        let ids = self.ids();
        if ids.is_empty() || ids.len() > 100_000 {
            return Err(format!("there are {} backends, and there have to be 1 to 100000", ids.len()));
        }
        let mut known = HashSet::new();
        if let Some(twice) = ids.iter().find(|id| !known.insert(*id)) {
            return Err(format!("two backends are called {twice:?}"));
        }
        for backend in &self.backends {
            match &backend.service {
                _ if backend.capacity == 0 => return Err(format!("backend {:?} has a `capacity` of 0", backend.id)),
                Service::Constant(took) | Service::Exponential(took) => time("a `service`", *took)?,
                Service::Lognormal { median, sigma } => {
                    time("`median`", *median)?;
                    within("`sigma`", *sigma, 0.0, 10.0)?;
                }
                Service::Pareto { least, shape } => {
                    time("`least`", *least)?;
                    within("`shape`", *shape, 0.1, 1000.0)?;
                }
            }
            if backend.weight > MAX_WEIGHT {
                return Err(format!(
                    "backend {:?} has a `weight` of {}; at most {MAX_WEIGHT} count",
                    backend.id, backend.weight
                ));
            }
        }
        self.entrants.iter().try_for_each(Entrant::check)?;
        for event in &self.events {
            if !known.contains(&event.backend) {
                return Err(format!("an event is of the backend {:?}, which is not there", event.backend));
            }
            match (event.what, event.factor) {
                (What::Slow, None) => return Err("an event `slow` needs a `factor`".to_owned()),
                (What::Slow, Some(factor)) => within("a `factor`", factor, 1e-3, 1e6)?,
                (_, Some(_)) => return Err(format!("an event `{}` has no `factor`", event.what.as_str())),
                (_, None) => {}
            }
        }
        Ok(())
    }

    /// The ids of all backends, in their order.
    pub fn ids(&self) -> Vec<String> {
        let each = |backends: &Backends| match backends.count {
            None => vec![backends.id.clone()],
            Some(count) => (1..=count.min(100_001)).map(|number| format!("{}{number}", backends.id)).collect(),
        };
        self.backends.iter().flat_map(each).collect()
    }
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    humantime::parse_duration(&text)
        .map_err(|error| serde::de::Error::custom(format!("{text:?} is no duration, such as \"10ms\": {error}")))
}

fn yes() -> bool {
    true
}

fn one() -> u32 {
    1
}

fn two() -> u32 {
    2
}

fn ten_thousand() -> u32 {
    10_000
}

fn three_seconds() -> Duration {
    Duration::from_secs(3)
}

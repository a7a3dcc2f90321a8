//! The host's part: tables as they are told, decisions as they are asked for and checked, outcomes as they are reported, in the
//! sandboxes of every worker.

mod chain;

use std::collections::HashMap;
use std::sync::Arc;

use http::header::{COOKIE, HeaderValue};

use self::chain::Chain;
use super::scenario::{Entrant, Settings};
use crate::config::PluginLimits;
use crate::decide::{
    Affinity as _, Balancer as _, Facts, Fault, FaultKind, Head, Keyed, Moment, Observer, Outcome, PoolLoad, Readiness,
    Row, Table, Tabled, Verdict, check, check_found, fallback, key, outcome::BATCH,
};
use crate::lab::subject::{Place, Subject, own_table};
use crate::lab::world::{self, BEGINNING};
use crate::plugin::{AffinityInstance, BalancerInstance, BuildError, Built, LoadError, Registry};

/// Keys that are asked for when something has changed.
pub(super) const PROBES: u32 = 2000;

/// What is wrong with an entrant.
#[derive(Debug, thiserror::Error)]
pub enum BadEntrant {
    /// Its component.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// Its settings, or the table.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// Its key.
    #[error("{0}")]
    Key(#[from] key::BadKey),
    /// Its settings are no JSON.
    #[error("settings: {0}")]
    Settings(#[from] serde_json::Error),
    /// A shaper at the end.
    #[error("no balancer comes behind the shaper `{0}`")]
    NoBalancer(String),
}

/// The plugins of an entrant, in all their seats.
pub(super) struct Steering {
    chain: Chain,
    affinity: Option<(Subject, Arc<dyn Table>)>,
    workers: Vec<Worker>,
    /// Balancers that nobody else asks, where one goes by keys.
    probe: Option<Vec<BalancerInstance>>,
    /// The table as it was last told.
    pub(super) rows: Vec<Row>,
    readiness: Vec<Readiness>,
    pub(super) load: Arc<PoolLoad>,
    facts: Box<Facts>,
    /// What clients keep, by name, and how they send it.
    cookies: HashMap<u32, (Vec<(String, String)>, HeaderValue)>,
    /// The key of the last decision.
    pub(super) decided_by: Option<u64>,
    pub(super) faults: u64,
    pub(super) fallbacks: u64,
}

struct Worker {
    balancers: Vec<BalancerInstance>,
    affinity: Option<AffinityInstance>,
    random: fastrand::Rng,
    cursor: u32,
    outcomes: Vec<Outcome>,
}

/// What was decided of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    /// This position, and whether an affinity has found it.
    Backend(u32, bool),
    /// The plugin says no.
    Refused,
    /// Nobody is ready.
    Nobody,
}

impl Steering {
    pub(super) fn new(
        registry: &Registry,
        entrant: &Entrant,
        rows: Vec<Row>,
        (workers, seed): (u32, u64),
    ) -> Result<Self, BadEntrant> {
        let affinity = match &entrant.affinity {
            None => None,
            Some(called) => {
                Some((load(registry, called, &entrant.affinity_settings, entrant.key.as_deref())?, own_table()))
            }
        };
        let load = Arc::new(PoolLoad::new(workers as usize));
        let mut steering = Self {
            chain: Chain::new(registry, entrant)?,
            affinity,
            workers: Vec::new(),
            probe: None,
            rows,
            readiness: Vec::new(),
            load,
            facts: world::request(0),
            cookies: HashMap::new(),
            decided_by: None,
            faults: 0,
            fallbacks: 0,
        };
        steering.count_ready();
        steering.faults += steering.chain.weigh(&steering.rows, &steering.load, workers)?;
        for worker in 0..workers {
            let balancers = steering.chain.seats(&steering.load, (worker, workers))?;
            let affinity = steering.affinity_of(worker, workers)?;
            let random = fastrand::Rng::with_seed(seed ^ u64::from(worker).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            steering.workers.push(Worker { balancers, affinity, random, cursor: worker, outcomes: Vec::new() });
        }
        // What follows a key can be asked for it; whatever else it asks would be changed by that.
        let goes_by_keys = |worker: &Worker| worker.balancers.iter().any(|balancer| !balancer.keys().is_empty());
        if steering.workers.first().is_some_and(goes_by_keys) {
            steering.probe = Some(steering.chain.seats(&steering.load, (0, workers))?);
        }
        Ok(steering)
    }

    fn affinity_of(&self, worker: u32, workers: u32) -> Result<Option<AffinityInstance>, BuildError> {
        let Some((subject, table)) = &self.affinity else { return Ok(None) };
        let (place, table) = (Place::of(&self.rows, &self.load), Some(Arc::clone(table)));
        seat(subject, Place { worker, workers, table, ..place }).map(Some)
    }

    fn count_ready(&mut self) {
        self.readiness = self.rows.iter().map(|row| row.readiness).collect();
        self.load.set_ready(self.readiness.iter().filter(|readiness| **readiness == Readiness::Ready).count());
    }

    /// Whether a position may get new clients.
    pub(super) fn is_ready(&self, position: u32) -> bool {
        self.readiness.get(position as usize) == Some(&Readiness::Ready)
    }

    /// Decides of a request of the client `key`, on `worker`, at `now_us` since the beginning.
    pub(super) fn decide(&mut self, worker: usize, key: u32, tried: &[u32], now_us: u64) -> Decision {
        self.turn_to(key, tried);
        let mut facts = std::mem::take(&mut self.facts);
        let Self { workers, readiness, faults, fallbacks, .. } = self;
        let worker = &mut workers[worker];
        let mut moment = Moment { key: None, random: 0, now_us: BEGINNING + now_us, attempt: tried.len() as u32 };
        let mut decision = None;
        // Whom a fault has broken is not asked until another one is there.
        if let Some(affinity) = worker.affinity.as_mut().filter(|affinity| !affinity.is_poisoned()) {
            moment = Moment { key: key::hash(affinity.keys(), &facts, 0), random: worker.random.u64(..), ..moment };
            let (back, found) = affinity.find(moment, facts);
            facts = back;
            match found.and_then(|verdict| check_found(verdict, readiness, tried).map(|()| verdict)) {
                Ok(Verdict::Backend(position)) => decision = Some(Decision::Backend(position, true)),
                Ok(Verdict::Refuse(_)) => decision = Some(Decision::Refused),
                Ok(Verdict::Pass) => {}
                Err(_) => *faults += 1,
            }
        }
        for balancer in &mut worker.balancers {
            if decision.is_some() {
                break;
            }
            if balancer.is_poisoned() {
                continue;
            }
            moment = Moment { key: key::hash(balancer.keys(), &facts, 0), random: worker.random.u64(..), ..moment };
            let (back, picked) = balancer.pick(moment, facts);
            facts = back;
            match picked.and_then(|verdict| check(verdict, readiness, tried).map(|()| verdict)) {
                Ok(Verdict::Backend(position)) => decision = Some(Decision::Backend(position, false)),
                Ok(Verdict::Refuse(_)) => decision = Some(Decision::Refused),
                Ok(Verdict::Pass) => {}
                Err(_) => *faults += 1,
            }
        }
        self.facts = facts;
        self.decided_by = moment.key;
        decision.unwrap_or_else(|| {
            *fallbacks += 1;
            let next = fallback::next(&mut worker.cursor, readiness, tried);
            next.map_or(Decision::Nobody, |position| Decision::Backend(position, false))
        })
    }

    /// The request becomes that of this client.
    fn turn_to(&mut self, key: u32, tried: &[u32]) {
        world::name(&mut self.facts, key);
        self.facts.tried = tried.into();
        if self.affinity.is_some() {
            match self.cookies.get(&key) {
                Some((_, cookies)) => drop(self.facts.headers.insert(COOKIE, cookies.clone())),
                None => drop(self.facts.headers.remove(COOKIE)),
            }
        }
    }

    /// A response comes: the client is bound, and keeps what cookies it is given.
    pub(super) fn bind(&mut self, worker: usize, key: u32, position: u32, found: Option<u32>, now_us: u64) {
        if self.affinity.is_none() {
            return;
        }
        self.turn_to(key, &[]);
        let Some(affinity) = &mut self.workers[worker].affinity else { return };
        let facts = std::mem::take(&mut self.facts);
        let key_hash = key::hash(affinity.keys(), &facts, 0);
        let random = self.workers[worker].random.u64(..);
        let moment = Moment { key: key_hash, random, now_us: BEGINNING + now_us, attempt: 0 };
        let head = Box::new(Head { status: 200, ..Head::default() });
        let Some(affinity) = &mut self.workers[worker].affinity else { return };
        let (facts, _, headers) = affinity.bind(moment, facts, head, position, found);
        self.facts = facts;
        let Ok(headers) = headers else {
            self.faults += 1;
            return;
        };
        for (_, value) in headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie")) {
            let pair = value.split(';').next().unwrap_or_default();
            let Some((name, value)) = pair.split_once('=') else { continue };
            let (kept, sent) = self.cookies.entry(key).or_insert_with(|| (Vec::new(), HeaderValue::from_static("")));
            kept.retain(|(known, _)| known != name.trim());
            kept.push((name.trim().to_owned(), value.trim().to_owned()));
            let pairs: Vec<_> = kept.iter().map(|(name, value)| format!("{name}={value}")).collect();
            // They came in headers, so they can be in one.
            sent.clone_from(&HeaderValue::try_from(pairs.join("; ")).unwrap_or_else(|_| HeaderValue::from_static("")));
        }
    }

    /// An attempt ended. Whoever observes is told at the next tick.
    pub(super) fn ended(&mut self, worker: usize, outcome: Outcome) {
        let worker = &mut self.workers[worker];
        let listens =
            worker.balancers.iter().any(Observer::observes) || worker.affinity.as_ref().is_some_and(Observer::observes);
        if listens && worker.outcomes.len() < WAITING {
            worker.outcomes.push(Outcome { at_us: BEGINNING + outcome.at_us, ..outcome });
        }
    }

    /// Tells outcomes, and that time goes on; replaces whom that, or a decision, has broken.
    ///
    /// # Errors
    /// It cannot be replaced.
    pub(super) fn tick(&mut self, now_us: u64) -> Result<(), BadEntrant> {
        let (now_us, workers) = (BEGINNING + now_us, self.workers.len() as u32);
        for number in 0..self.workers.len() {
            let worker = &mut self.workers[number];
            let outcomes = std::mem::take(&mut worker.outcomes);
            for balancer in &mut worker.balancers {
                self.faults += u64::from(observe(balancer, &outcomes, now_us).is_err());
            }
            if let Some(affinity) = &mut worker.affinity {
                self.faults += u64::from(observe(affinity, &outcomes, now_us).is_err());
            }
            for at in 0..worker.balancers.len() {
                if self.workers[number].balancers[at].is_poisoned() {
                    self.workers[number].balancers[at] = self.chain.seat(at, &self.load, (number as u32, workers))?;
                }
            }
            if self.workers[number].affinity.as_ref().is_some_and(AffinityInstance::is_poisoned) {
                self.workers[number].affinity = self.affinity_of(number as u32, workers)?;
            }
        }
        Ok(())
    }

    /// Tells the table: as another one, or only its weights and readiness.
    pub(super) fn tell(&mut self, is_another: bool, now_us: u64) -> Result<(), BadEntrant> {
        // Outcomes are of the table before.
        self.tick(now_us)?;
        self.count_ready();
        self.faults += self.chain.weigh(&self.rows, &self.load, self.workers.len() as u32)?;
        let Self { chain, workers, probe, rows, faults, .. } = self;
        let mut tell = |instance: &mut dyn Tabled, rows: &[Row]| {
            let told = if is_another { instance.update(rows) } else { instance.adjust(rows) };
            *faults += u64::from(told.is_err_and(|fault| fault.kind != FaultKind::Invalid));
        };
        for worker in workers {
            for (balancer, rows) in worker.balancers.iter_mut().zip(chain.tables()) {
                tell(balancer, rows);
            }
            if let Some(affinity) = &mut worker.affinity {
                tell(affinity, rows);
            }
        }
        for (balancer, rows) in probe.iter_mut().flatten().zip(chain.tables()) {
            tell(balancer, rows);
        }
        // Whom that has broken is replaced.
        self.tick(now_us)
    }

    /// Where the first keys would go now, by the ids of backends; none where it does not go by keys.
    pub(super) fn probe(&mut self, keys: u32, now_us: u64) -> Option<Vec<Option<Arc<str>>>> {
        self.probe.as_ref()?;
        let mut all = Vec::new();
        for key in 0..keys.min(PROBES) {
            self.turn_to(key, &[]);
            let mut picked = None;
            for balancer in self.probe.iter_mut().flatten() {
                let facts = std::mem::take(&mut self.facts);
                let key = key::hash(balancer.keys(), &facts, 0);
                let moment = Moment { key, random: 0, now_us: BEGINNING + now_us, attempt: 0 };
                let (facts, answer) = balancer.pick(moment, facts);
                self.facts = facts;
                if let Ok(Verdict::Backend(position)) = answer {
                    picked = self.rows.get(position as usize).map(|row| Arc::clone(&row.id));
                    break;
                }
            }
            all.push(picked);
        }
        Some(all)
    }
}

/// Outcomes of one worker that wait to be told, as on a host.
const WAITING: usize = 4096;

fn observe<I: Observer>(instance: &mut I, outcomes: &[Outcome], now_us: u64) -> Result<(), Fault> {
    if instance.observes() {
        outcomes.chunks(BATCH).try_for_each(|batch| instance.observe(batch, now_us))?;
    }
    instance.tick(now_us)
}

fn seat<I: Built>(subject: &Subject, place: Place) -> Result<I, BuildError> {
    subject.seat(place).map_err(|reason| BuildError::new(&subject.definition, "the simulated pool".to_owned(), reason))
}

/// A plugin with its settings.
fn load(registry: &Registry, called: &str, settings: &Settings, key: Option<&str>) -> Result<Subject, BadEntrant> {
    let subject = Subject::load(registry, called, PluginLimits::default())?;
    let keys = key.iter().map(|key| key.parse()).collect::<Result<Vec<_>, _>>()?;
    Ok(Subject { settings: serde_json::to_string(settings)?.into(), keys, ..subject })
}

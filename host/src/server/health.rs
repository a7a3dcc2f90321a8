//! Which checks run, for whom, and when: one for each question and address, however many pools ask it.
//!
//! Checks run as tasks beside control, and control brings their results back here. What a result means for a pool's
//! table is not known here.

mod checked;
mod schedule;

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Resource, getrlimit};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::Instant;

pub(super) use self::checked::{Checked, CheckedPools, load};
use self::schedule::Schedule;
use crate::config::{Address, Question};
use crate::health::{Check, Failure};
use crate::pool::Backend;
use crate::pool::health::{Checkup, Health, Thresholds, Transition};
use crate::snapshot::{Pool, Snapshot};

/// Checks under way at a time: as many as a thousand backends need that take connections and do not answer.
const MOST_AT_ONCE: usize = 1024;
/// Share of the descriptors that the process may have which checks take at most: a quarter.
const SHARE: u64 = 4;
/// Least time between two lines of the log that say that we cannot check.
const SAID_AGAIN: Duration = Duration::from_secs(10);

/// The checks that run.
pub(super) struct Roster {
    rounds: HashMap<Arc<Key>, Round>,
    /// By where they are in memory: each holds its backend.
    patients: HashMap<*const Backend, Patient>,
    /// What was last seen of each pool: its membership, and how it is checked.
    pools: HashMap<Arc<str>, (u64, Arc<Checked>)>,
    /// Grows with each check that is begun.
    number: u64,
    sockets: Rc<Semaphore>,
    random: fastrand::Rng,
    /// When the log was told last that we cannot check.
    said: Option<Instant>,
    report: Rc<dyn Fn(Answer)>,
}

/// What is asked, and where.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Key {
    question: Arc<Question>,
    target: Address,
}

/// A check that is asked again and again.
struct Round {
    check: Arc<Check>,
    patients: Vec<*const Backend>,
    schedule: Schedule,
    /// Of the check that is under way or comes next.
    number: u64,
    task: Task,
}

/// Rounds that begin together, in order, each once.
#[derive(Default)]
struct Begun {
    rounds: Vec<(Arc<Key>, Arc<Check>, Vec<*const Backend>)>,
    places: HashMap<Arc<Key>, usize>,
}

impl Begun {
    fn push(&mut self, key: Arc<Key>, check: &Arc<Check>, patient: *const Backend) {
        match self.places.get(&key) {
            Some(place) => self.rounds[*place].2.push(patient),
            None => {
                self.places.insert(Arc::clone(&key), self.rounds.len());
                self.rounds.push((key, Arc::clone(check), vec![patient]));
            }
        }
    }
}

/// A backend that is checked.
struct Patient {
    pool: Arc<str>,
    backend: Arc<Backend>,
    checked: Arc<Checked>,
    key: Arc<Key>,
    health: Health,
    checkup: Checkup,
}

/// How a check went.
pub(super) struct Answer {
    key: Arc<Key>,
    number: u64,
    began: Instant,
    answer: Result<(), Failure>,
}

/// What an answer says of one backend.
pub(super) struct Diagnosis {
    pub(super) pool: Arc<str>,
    pub(super) backend: Arc<Backend>,
    pub(super) healthy: bool,
    /// None: it was that before.
    pub(super) transition: Option<Transition>,
    /// Why the check failed.
    pub(super) failure: Option<Arc<str>>,
}

impl Roster {
    /// Without checks. `report` gets each answer, and must bring it to [`Self::take`].
    pub(super) fn new(report: impl Fn(Answer) + 'static) -> Self {
        let (sockets, random) = (Rc::new(Semaphore::new(at_once())), fastrand::Rng::new());
        let (rounds, patients, pools, number, said) = Default::default();
        Self { rounds, patients, pools, number, sockets, random, said, report: Rc::new(report) }
    }

    /// Checks the backends that are there now, as `checked` says. Answers those that are not checked any more.
    pub(super) fn follow(&mut self, snapshot: &Snapshot, checked: &CheckedPools) -> Vec<(Arc<str>, Arc<Backend>)> {
        let mut freed = Vec::new();
        let mut begun = Begun::default();
        let gone: Vec<_> = self.pools.keys().filter(|name| !checked.contains_key(*name)).cloned().collect();
        for name in gone {
            self.pools.remove(&name);
            let members = snapshot.pools.iter().find(|pool| pool.name == name).map(|pool| &pool.members[..]);
            let there: HashSet<_> = members.unwrap_or_default().iter().map(|m| Arc::as_ptr(&m.backend)).collect();
            for patient in self.discharge(|patient| patient.pool == name) {
                if there.contains(&Arc::as_ptr(&patient.backend)) {
                    freed.push((patient.pool, patient.backend));
                }
            }
        }
        for pool in &snapshot.pools {
            let Some(checked) = checked.get(&pool.name) else { continue };
            let seen = self.pools.insert(Arc::clone(&pool.name), (pool.membership, Arc::clone(checked)));
            if !seen.is_some_and(|(membership, known)| membership == pool.membership && Arc::ptr_eq(&known, checked)) {
                self.follow_pool(pool, checked, &mut begun);
            }
        }
        let count = begun.rounds.len();
        for (place, (key, check, patients)) in begun.rounds.into_iter().enumerate() {
            self.begin(key, check, patients, place, count);
        }
        freed
    }

    fn begin(&mut self, key: Arc<Key>, check: Arc<Check>, patients: Vec<*const Backend>, place: usize, count: usize) {
        let interval =
            patients.iter().filter_map(|id| self.patients.get(id)).map(|patient| patient.checked.config.interval);
        let schedule = Schedule::new(Instant::now(), interval.min().unwrap_or_default(), place, count);
        self.number += 1;
        let (number, task) = (self.number, self.ask(&key, &check, schedule.due(), self.number));
        self.rounds.insert(key, Round { check, patients, schedule, number, task });
    }

    /// Checks the backends of one pool. Whose check is there already joins it; others are begun.
    fn follow_pool(&mut self, pool: &Pool, checked: &Arc<Checked>, begun: &mut Begun) {
        let there: HashSet<_> = pool.members.iter().map(|member| Arc::as_ptr(&member.backend)).collect();
        drop(self.discharge(|patient| patient.pool == pool.name && !there.contains(&Arc::as_ptr(&patient.backend))));
        let config = &checked.config;
        let thresholds = Thresholds { rise: config.rise, fall: config.fall };
        for member in &pool.members {
            let (id, question) = (Arc::as_ptr(&member.backend), Arc::clone(checked.check.question()));
            let key = Arc::new(Key { question, target: checked.check.target(&member.backend.address) });
            if let Some(patient) = self.patients.get_mut(&id).filter(|patient| patient.key == key) {
                let timed_otherwise = *config != patient.checked.config;
                patient.checked = Arc::clone(checked);
                patient.health.set_thresholds(thresholds);
                self.go_on(&key, &checked.check, timed_otherwise);
                continue;
            }
            // Asked something else it is what it was, until the first answer.
            let before = self.discharge_one(id);
            let healthy = before.as_ref().map_or(!member.condition.unhealthy, |patient| patient.health.is_healthy());
            let checkup = before.map_or_else(Checkup::new, |patient| patient.checkup);
            member.backend.checkup.store(Some(Arc::new(checkup.clone())));
            let patient = Patient {
                pool: Arc::clone(&pool.name),
                backend: Arc::clone(&member.backend),
                checked: Arc::clone(checked),
                key: Arc::clone(&key),
                health: Health::new(thresholds, healthy),
                checkup,
            };
            self.patients.insert(id, patient);
            match self.rounds.get_mut(&key) {
                Some(round) => {
                    round.patients.push(id);
                    self.go_on(&key, &checked.check, true);
                }
                None => begun.push(key, &checked.check, id),
            }
        }
    }

    /// A round goes on with a check that was made anew, sooner if its interval is shorter now.
    fn go_on(&mut self, key: &Arc<Key>, check: &Arc<Check>, timed_otherwise: bool) {
        let delay = self.delay(key);
        let Some(round) = self.rounds.get_mut(key) else { return };
        round.check = Arc::clone(check);
        if let Some(delay) = delay.filter(|_| timed_otherwise)
            && round.schedule.hasten(delay)
        {
            let due = round.schedule.due();
            self.ask_again(key, due);
        }
    }

    /// Takes the answer of a check, and has it asked again. Answers what it says of each backend, or nothing if it is not
    /// wanted any more.
    pub(super) fn take(&mut self, answer: Answer) -> Vec<Diagnosis> {
        let Answer { key, number, began, answer } = answer;
        let Some(round) = self.rounds.get(&key).filter(|round| round.number == number) else { return Vec::new() };
        let mut diagnoses = Vec::new();
        let is_known = !answer.as_ref().is_err_and(Failure::is_ours);
        let failure: Option<Arc<str>> = answer.err().map(|failure| failure.to_string().into());
        if !is_known {
            let why = failure.as_deref().unwrap_or_default();
            let is_quiet = |said: Instant| said.elapsed() >= SAID_AGAIN;
            if self.said.is_none_or(is_quiet) {
                self.said = Some(Instant::now());
                tracing::warn!(address = %key.target, "backends cannot be checked: {why}");
            }
        }
        for id in round.patients.iter().filter(|_| is_known) {
            let Some(patient) = self.patients.get_mut(id) else { continue };
            let transition = patient.health.take(failure.is_none());
            let healthy = patient.health.is_healthy();
            let is_first = patient.checkup.healthy.is_none();
            patient.checkup.note(healthy, failure.clone());
            patient.backend.checkup.store(Some(Arc::new(patient.checkup.clone())));
            // The first is told whatever it says: nobody knows what was said before.
            if is_first || transition.is_some() {
                let (pool, backend) = (Arc::clone(&patient.pool), Arc::clone(&patient.backend));
                diagnoses.push(Diagnosis { pool, backend, healthy, transition, failure: failure.clone() });
            }
        }
        let (delay, settled) = (self.delay(&key), self.is_settled(&key));
        let (jitter, random) = (self.jitter(&key), self.random.f64());
        if let (Some(delay), Some(round)) = (delay, self.rounds.get_mut(&key)) {
            let due = round.schedule.next(began, delay, settled, jitter * random);
            self.ask_again(&key, due);
        }
        diagnoses
    }

    /// Time between two checks of a round: the shortest that one of its patients wants.
    fn delay(&self, key: &Key) -> Option<Duration> {
        let wants = |patient: &Patient| {
            let config = &patient.checked.config;
            if patient.health.is_changing() { config.fast_interval } else { config.interval }
        };
        self.patients_of(key).map(wants).min()
    }

    fn is_settled(&self, key: &Key) -> bool {
        self.patients_of(key).all(|patient| !patient.health.is_changing())
    }

    /// Share of an interval that it may be shorter by.
    fn jitter(&self, key: &Key) -> f64 {
        let percent = self.patients_of(key).map(|patient| patient.checked.config.jitter).min().unwrap_or_default();
        f64::from(percent) / 100.0
    }

    fn patients_of<'a>(&'a self, key: &Key) -> impl Iterator<Item = &'a Patient> {
        let round = self.rounds.get(key);
        round.into_iter().flat_map(|round| &round.patients).filter_map(|id| self.patients.get(id))
    }

    fn ask_again(&mut self, key: &Arc<Key>, due: Instant) {
        self.number += 1;
        let Some(check) = self.rounds.get(key).map(|round| Arc::clone(&round.check)) else { return };
        let task = self.ask(key, &check, due, self.number);
        if let Some(round) = self.rounds.get_mut(key) {
            (round.number, round.task) = (self.number, task);
        }
    }

    fn ask(&self, key: &Arc<Key>, check: &Arc<Check>, due: Instant, number: u64) -> Task {
        let (key, check) = (Arc::clone(key), Arc::clone(check));
        let (sockets, report) = (Rc::clone(&self.sockets), Rc::clone(&self.report));
        Task(spawn_local(async move {
            tokio::time::sleep_until(due).await;
            // It is never closed.
            let turn = sockets.acquire().await;
            let began = Instant::now();
            let answer = check.ask(&key.target).await;
            drop(turn);
            report(Answer { key, number, began, answer });
        }))
    }

    /// Takes out those who need no check any more.
    fn discharge(&mut self, is_gone: impl Fn(&Patient) -> bool) -> Vec<Patient> {
        let gone: Vec<_> = self.patients.iter().filter(|(_, patient)| is_gone(patient)).map(|(id, _)| *id).collect();
        gone.into_iter().filter_map(|id| self.discharge_one(id)).collect()
    }

    fn discharge_one(&mut self, id: *const Backend) -> Option<Patient> {
        let patient = self.patients.remove(&id)?;
        patient.backend.checkup.store(None);
        if let Some(round) = self.rounds.get_mut(&patient.key) {
            round.patients.retain(|known| *known != id);
            if round.patients.is_empty() {
                self.rounds.remove(&patient.key);
            }
        }
        Some(patient)
    }
}

/// Checks under way at a time.
fn at_once() -> usize {
    let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(descriptors / SHARE).unwrap_or(MOST_AT_ONCE).clamp(1, MOST_AT_ONCE)
}

/// Ends with whoever wanted it.
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

//! The wind tunnel: a discrete-event simulation of a pool, steered by the components themselves, the same bytes as on a worker, in
//! the same sandboxes.
//!
//! Simulated is what is around them: who comes when (`scenario`), how long backends take (`farm`), and what the host does
//! between (`steering`). Each request has chance of its own, from the seed, so that all entrants see the same requests, and a
//! seed gives the same figures each time. There is no network, no TLS and no HTTP, and a decision takes no time.

mod arrivals;
mod chance;
mod changes;
mod farm;
mod log;
pub mod page;
pub mod report;
pub mod scenario;
mod statistics;
mod steering;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use self::chance::Popularity;
use self::farm::Server;
use self::scenario::{Arrivals, Entrant, Scenario};
pub use self::statistics::{Disruption, Figures};
pub use self::steering::BadEntrant;
use self::steering::{Decision, Steering};
use super::world;
use crate::decide::{MAX_WEIGHT, Outcome, OutcomeKind, Readiness, Row};
use crate::plugin::Registry;

/// How often outcomes are told, in microseconds, as on a worker.
const TICK: u64 = 100_000;

/// What it takes to learn that nobody listens, in microseconds: a round trip.
const REFUSAL: u64 = 500;

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// The plugin.
    #[error("{0}: {1}")]
    Entrant(String, Box<BadEntrant>),
    /// The access log.
    #[error(transparent)]
    Log(#[from] std::io::Error),
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// A request, of this client in a closed loop.
    Arrive(Option<u32>),
    /// A request is served, unless its life has ended otherwise.
    Done(u32, u64),
    /// Another attempt.
    Again(u32, u64),
    Happen(usize),
    /// It is known whether this backend is there.
    Known(usize),
    Tick,
}

/// One that came and has not ended.
#[derive(Debug, Clone, Default)]
struct Request {
    /// It tells one from another that has the same place.
    life: u64,
    number: u64,
    key: u32,
    /// Of a closed loop.
    client: Option<u32>,
    worker: usize,
    came: u64,
    began: u64,
    /// In all that are, not in the table.
    backend: usize,
    tried: Vec<usize>,
    found: bool,
    /// The key of the decision that sent it there.
    key_hash: Option<u64>,
    service_us: f64,
}

/// One world with one entrant.
struct World<'a> {
    scenario: &'a Scenario,
    seed: u64,
    end: u64,
    now: u64,
    sequence: u64,
    queue: BinaryHeap<Reverse<(u64, u64, Event)>>,
    requests: Vec<Request>,
    free: Vec<u32>,
    servers: Vec<Server>,
    services: Vec<usize>,
    /// All that are, with what the table has of each.
    roster: Vec<Row>,
    /// Whether each is in the table, at which position, and which of all that are is at each position.
    present: Vec<bool>,
    positions: Vec<Option<u32>>,
    members: Vec<usize>,
    steering: Steering,
    popularity: Popularity,
    recorded: std::vec::IntoIter<log::Recorded>,
    arrivals: fastrand::Rng,
    /// Where each key was last.
    last: HashMap<u32, usize>,
    figures: Figures,
    /// Sums of what was in flight in a slice, and how often that was seen.
    seen: Vec<(Vec<f64>, u32)>,
    peaks: (f64, u32),
    /// Responses of each backend when the table changed last; of the times between changes, the sum of imbalances, each by its
    /// responses, and these.
    marked: Vec<u64>,
    spread: (f64, f64),
}

/// Whether an entrant can be simulated: its plugins are loaded, and built once.
///
/// # Errors
/// As [`simulate`].
///
/// # Panics
/// In an asynchronous context.
pub fn check(registry: &Registry, scenario: &Scenario, entrant: &Entrant) -> Result<(), Failed> {
    World::new(registry, scenario, entrant, 0).map(drop)
}

/// Simulates one entrant. `progress` is told how much of the time has passed, 0 to 1.
///
/// # Errors
/// Its plugin cannot be used, or an access log cannot be read.
///
/// # Panics
/// In an asynchronous context.
pub fn simulate(
    registry: &Registry,
    scenario: &Scenario,
    entrant: &Entrant,
    seed: u64,
    mut progress: impl FnMut(f64),
) -> Result<Figures, Failed> {
    let failed = |error| Failed::Entrant(entrant.title(), Box::new(error));
    let mut world = World::new(registry, scenario, entrant, seed)?;
    let mut told = 0;
    while let Some(Reverse((at, _, event))) = world.queue.pop() {
        world.now = at;
        let passed = (at.min(world.end) * 100 / world.end.max(1)) as u32;
        if passed > told {
            told = passed;
            progress(f64::from(passed) / 100.0);
        }
        world.step(event).map_err(failed)?;
    }
    Ok(world.close())
}

impl<'a> World<'a> {
    fn new(registry: &Registry, scenario: &'a Scenario, entrant: &Entrant, seed: u64) -> Result<Self, Failed> {
        let (mut roster, mut servers, mut services, mut present) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut ids = scenario.ids().into_iter();
        for (kind, backends) in scenario.backends.iter().enumerate() {
            let labels: Vec<_> = backends.labels.iter().map(|(key, value)| (&**key, &**value)).collect();
            for id in ids.by_ref().take(backends.count.unwrap_or(1) as usize) {
                roster.push(world::row(roster.len(), &id, backends.weight.min(MAX_WEIGHT), &labels));
                servers.push(Server::new(backends.capacity));
                services.push(kind);
                present.push(backends.present);
            }
        }
        let there = roster.iter().zip(&present).filter(|(_, present)| **present);
        let rows = there.map(|(row, _): (&Row, _)| row.clone()).collect();
        let steering = Steering::new(registry, entrant, rows, (scenario.workers, seed))
            .map_err(|error| Failed::Entrant(entrant.title(), Box::new(error)))?;
        let recorded = match &scenario.arrivals {
            Arrivals::Log(path) => log::read(path)?,
            _ => Vec::new(),
        };
        let count = roster.len();
        let figures = Figures {
            title: entrant.title(),
            requests: 0,
            failed: 0,
            refused: 0,
            retries: 0,
            faults: 0,
            fallbacks: 0,
            latency: statistics::latencies(),
            slices: (0..statistics::SLICES).map(|_| statistics::coarse()).collect(),
            served: vec![0; count],
            imbalance: (1.0, 1.0),
            in_flight: Vec::new(),
            returns: (0, 0),
            disruptions: Vec::new(),
        };
        let mut world = Self {
            scenario,
            seed,
            end: scenario.duration.as_micros() as u64,
            now: 0,
            sequence: 0,
            queue: BinaryHeap::new(),
            requests: Vec::new(),
            free: Vec::new(),
            servers,
            services,
            roster,
            present,
            positions: Vec::new(),
            members: Vec::new(),
            steering,
            popularity: Popularity::new(&scenario.keys),
            recorded: recorded.into_iter(),
            arrivals: fastrand::Rng::with_seed(seed),
            last: HashMap::new(),
            figures,
            seen: vec![(vec![0.0; count], 0); statistics::SLICES],
            peaks: (0.0, 0),
            marked: vec![0; count],
            spread: (0.0, 0.0),
        };
        world.table();
        world.begin();
        Ok(world)
    }

    /// The first events.
    fn begin(&mut self) {
        for (number, event) in self.scenario.events.iter().enumerate() {
            // What is after the end does not happen.
            if event.at.as_micros() as u64 <= self.end {
                self.at(event.at.as_micros() as u64, Event::Happen(number));
            }
        }
        self.at(TICK, Event::Tick);
        match &self.scenario.arrivals {
            Arrivals::Clients(closed) => {
                for client in 0..closed.count {
                    let think = self.think(closed.think.as_secs_f64() * 1e6);
                    self.at(think, Event::Arrive(Some(client)));
                }
            }
            _ => self.expect(),
        }
    }

    fn at(&mut self, time: u64, event: Event) {
        self.sequence += 1;
        self.queue.push(Reverse((time, self.sequence, event)));
    }

    fn step(&mut self, event: Event) -> Result<(), BadEntrant> {
        match event {
            Event::Arrive(client) => self.arrive(client),
            Event::Done(request, life) => {
                if self.requests[request as usize].life == life {
                    self.done(request);
                }
            }
            Event::Again(request, life) => {
                if self.requests[request as usize].life == life {
                    self.attempt(request);
                }
            }
            Event::Happen(number) => return self.happen(number),
            Event::Known(backend) => {
                let is_up = self.servers[backend].is_up;
                let readiness = if is_up { Readiness::Ready } else { Readiness::Down };
                if self.roster[backend].readiness != readiness {
                    self.roster[backend].readiness = readiness;
                    let known = if is_up { "is known to be back" } else { "is known to be down" };
                    return self.tell(false, &format!("{} {known}", self.roster[backend].id));
                }
            }
            Event::Tick => {
                self.observe();
                self.steering.tick(self.now)?;
                if self.now + TICK < self.end {
                    self.at(self.now + TICK, Event::Tick);
                }
            }
        }
        Ok(())
    }

    fn arrive(&mut self, client: Option<u32>) {
        if self.now >= self.end {
            return;
        }
        let number = self.figures.requests;
        self.figures.requests += 1;
        let mut random = fastrand::Rng::with_seed(self.seed ^ number.wrapping_mul(0xd134_2543_de82_ef95));
        let recorded = matches!(self.scenario.arrivals, Arrivals::Log(_)).then(|| self.recorded.next()).flatten();
        let key = recorded.map_or_else(|| self.popularity.draw(&mut random), |recorded| recorded.key);
        // Of backends that differ, each takes its own time of the same luck.
        let service_us = recorded.map_or(-1.0, |recorded| recorded.took_us as f64);
        let worker = random.usize(..self.scenario.workers as usize);
        if client.is_none() {
            self.expect();
        }
        let slot = self.free.pop().unwrap_or_else(|| {
            self.requests.push(Request::default());
            self.requests.len() as u32 - 1
        });
        let life = self.sequence + 1;
        self.sequence += 1;
        let request = Request { life, number, key, client, worker, came: self.now, service_us, ..Request::default() };
        self.requests[slot as usize] = request;
        self.attempt(slot);
    }

    /// Decides, and goes there.
    fn attempt(&mut self, slot: u32) {
        let request = &self.requests[slot as usize];
        let tried: Vec<u32> = request.tried.iter().filter_map(|backend| self.positions[*backend]).collect();
        let (worker, key, life) = (request.worker, request.key, request.life);
        match self.steering.decide(worker, key, &tried, self.now) {
            Decision::Nobody => self.end_of(slot, Some(&mut |figures: &mut Figures| figures.failed += 1)),
            Decision::Refused => self.end_of(slot, Some(&mut |figures: &mut Figures| figures.refused += 1)),
            Decision::Backend(position, found) => {
                let backend = self.members[position as usize];
                if tried.is_empty() {
                    self.remember(key, backend);
                }
                let request = &mut self.requests[slot as usize];
                (request.backend, request.found, request.began) = (backend, found, self.now);
                request.key_hash = self.steering.decided_by;
                self.roster[backend].load.begin();
                self.steering.load.begin(worker);
                if !self.servers[backend].is_up {
                    self.roster[backend].load.failed();
                    self.leave(slot, OutcomeKind::ConnectError);
                    let request = &mut self.requests[slot as usize];
                    request.tried.push(backend);
                    if request.tried.len() > self.scenario.retries as usize {
                        return self.end_of(slot, Some(&mut |figures: &mut Figures| figures.failed += 1));
                    }
                    self.figures.retries += 1;
                    return self.at(self.now + REFUSAL, Event::Again(slot, life));
                }
                if let Some(begun) = self.servers[backend].take(slot) {
                    self.serve(begun);
                }
            }
        }
    }

    /// Whether a key goes where it was.
    fn remember(&mut self, key: u32, backend: usize) {
        if let Some(last) = self.last.insert(key, backend) {
            self.figures.returns.0 += 1;
            let was_ready = self.positions[last].is_some_and(|position| self.steering.is_ready(position));
            self.figures.returns.1 += u64::from(last != backend && was_ready);
        }
    }

    fn serve(&mut self, (slot, factor): farm::Begun) {
        let request = &self.requests[slot as usize];
        let mut random = fastrand::Rng::with_seed(!self.seed ^ request.number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let kind = self.services[request.backend];
        let own = match request.service_us {
            unknown if unknown < 0.0 => chance::service(&mut random, &self.scenario.backends[kind].service),
            known => known,
        };
        let life = request.life;
        let took = ((own * factor).round() as u64).max(1);
        self.at(self.now.saturating_add(took), Event::Done(slot, life));
    }

    fn done(&mut self, slot: u32) {
        let request = self.requests[slot as usize].clone();
        let latency = self.now - request.came;
        // It grows with what it is told.
        self.figures.latency += latency.max(1);
        let slice = (request.came * statistics::SLICES as u64 / self.end) as usize;
        if let Some(slice) = self.figures.slices.get_mut(slice) {
            *slice += latency.max(1);
        }
        self.figures.served[request.backend] += 1;
        let load = &self.roster[request.backend].load;
        load.succeeded();
        load.sample((self.now - request.began) as u32, world::BEGINNING + self.now);
        self.leave(slot, OutcomeKind::Success);
        if let Some(position) = self.positions[request.backend] {
            let found = request.found.then_some(position);
            self.steering.bind(request.worker, request.key, position, found, self.now);
        }
        if let Some(begun) = self.servers[request.backend].done(slot) {
            self.serve(begun);
        }
        self.end_of(slot, None);
    }

    /// An attempt is over.
    fn leave(&mut self, slot: u32, kind: OutcomeKind) {
        let request = &self.requests[slot as usize];
        self.roster[request.backend].load.end();
        self.steering.load.end(request.worker);
        let Some(backend) = self.positions[request.backend] else { return };
        let latency_us = (self.now - request.began) as u32;
        let status = if kind == OutcomeKind::Success { 200 } else { 0 };
        let attempt = request.tried.len() as u32;
        let key = request.key_hash;
        let outcome = Outcome { backend, kind, status, latency_us, attempt, key, at_us: self.now };
        self.steering.ended(request.worker, outcome);
    }

    /// A request is over, and its place is another's.
    fn end_of(&mut self, slot: u32, count: Option<&mut dyn FnMut(&mut Figures)>) {
        if let Some(count) = count {
            count(&mut self.figures);
        }
        self.requests[slot as usize].life = 0;
        self.free.push(slot);
        if let (Arrivals::Clients(closed), Some(client)) =
            (&self.scenario.arrivals, self.requests[slot as usize].client)
        {
            let next = self.think(closed.think.as_secs_f64() * 1e6).max(self.now + 1);
            self.at(next, Event::Arrive(Some(client)));
        }
    }
}

#[cfg(test)]
mod tests;

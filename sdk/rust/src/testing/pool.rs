//! A pool that a balancer steers, as the host would drive it.

use super::workers::{Calls, Workers};
use super::{Load, Request, backends, clock, handoff, with_load, with_request};
use crate::{Backend, Balancer, Handoff, Observer, Outcome, OutcomeKind, Plan, Readiness, Verdict};

/// A pool of ready backends and, for each worker, an instance of the balancer. Requests go to the
/// workers in turn. An answer that the host would not take panics.
pub struct Pool<B: Balancer> {
    workers: Workers<B>,
    /// What the following picks are about.
    pub request: Request,
    /// The key of the following picks. Nothing else sets it: `request.key_bytes` are the test's as well.
    pub key: Option<u64>,
}

impl<B: Balancer> Pool<B> {
    /// One worker. The thread's load, table and clock start afresh.
    ///
    /// # Panics
    ///
    /// When the balancer refuses the settings.
    pub fn new(settings: &str, rows: &[(&str, u32)]) -> Self {
        Self::with_workers(1, settings, rows)
    }

    /// As `new`, with so many workers.
    ///
    /// # Panics
    ///
    /// When the balancer refuses the settings.
    pub fn with_workers(workers: u32, settings: &str, rows: &[(&str, u32)]) -> Self {
        let calls = Calls { configure: B::configure, update: B::update, adjust: B::adjust };
        Self { workers: Workers::start(workers, settings, rows, calls), request: Request::get("/"), key: None }
    }

    /// Gives all workers a new table: an `update`.
    pub fn replace(&mut self, rows: &[(&str, u32)]) {
        self.workers.replace(backends(rows));
    }

    /// As `replace`, with backends that have addresses, labels and readiness of their own.
    pub fn replace_backends(&mut self, table: Vec<Backend>) {
        self.workers.replace(table);
    }

    /// Gives a backend this label: an `update`.
    pub fn label(&mut self, id: &str, key: &str, value: &str) {
        self.workers.change(id, |backend| set_label(backend, key, value));
    }

    /// Gives a backend this address: an `update`.
    pub fn address(&mut self, id: &str, address: &str) {
        self.workers.change(id, |backend| address.clone_into(&mut backend.address));
    }

    /// Changes the weight of a backend: an `adjust`.
    pub fn weigh(&mut self, id: &str, weight: u32) {
        self.workers.adjust(id, |backend| backend.weight = weight);
    }

    /// Changes the readiness of a backend: an `adjust`.
    pub fn mark(&mut self, id: &str, readiness: Readiness) {
        self.workers.adjust(id, |backend| backend.readiness = readiness);
    }

    /// Fresh instances with the same settings and table, as after a reload. What the host keeps stays.
    pub fn restart(&mut self) {
        self.workers.restart();
    }

    /// The chances of the following picks are those of this seed.
    pub fn seed(&mut self, seed: u64) {
        self.workers.seed(seed);
    }

    /// What the balancer wants from the host.
    pub fn plan(&self) -> &Plan {
        self.workers.plan()
    }

    /// The id of the backend picked for a new request; none for `pass`.
    ///
    /// # Panics
    ///
    /// When the answer is a refusal, or one that the host would not take.
    pub fn pick(&mut self) -> Option<String> {
        let verdict = self.verdict(0, &[]);
        self.picked(verdict)
    }

    /// So many picks, as ids separated by spaces; `-` for `pass`.
    pub fn picks(&mut self, count: usize) -> String {
        let picks: Vec<_> = (0..count).map(|_| self.pick().unwrap_or_else(|| "-".to_owned())).collect();
        picks.join(" ")
    }

    /// As `pick`, and the request stays in flight until [`close`](Self::close).
    ///
    /// # Panics
    ///
    /// As `pick`.
    pub fn open(&mut self) -> Option<String> {
        let id = self.pick()?;
        let open = self.in_flight(&id) + 1;
        self.set_in_flight(&id, open);
        Some(id)
    }

    /// One request in flight at this backend less.
    pub fn close(&mut self, id: &str) {
        let open = self.in_flight(id).saturating_sub(1);
        self.set_in_flight(id, open);
    }

    /// Requests in flight at this backend.
    pub fn in_flight(&self, id: &str) -> u32 {
        let position = self.workers.position(id);
        with_load(|load| load.in_flight.get(position).copied().unwrap_or(0))
    }

    /// Sets the requests in flight at this backend.
    pub fn set_in_flight(&mut self, id: &str, in_flight: u32) {
        self.set(id, |load| &mut load.in_flight, in_flight);
    }

    /// Sets the latency of this backend, in microseconds.
    pub fn set_latency(&mut self, id: &str, latency_us: Option<u32>) {
        self.set(id, |load| &mut load.latency_us, latency_us);
    }

    /// Sets the failures in a row of this backend.
    pub fn set_failures(&mut self, id: &str, failures: u32) {
        self.set(id, |load| &mut load.failures, failures);
    }

    /// The id of the backend picked for a retry after these were tried; none for `pass`.
    ///
    /// # Panics
    ///
    /// As `pick`, and when an id is not in the table.
    pub fn retry(&mut self, tried: &[&str]) -> Option<String> {
        let tried: Vec<u32> = tried.iter().map(|id| self.workers.position(id) as u32).collect();
        let verdict = self.verdict(tried.len() as u32, &tried);
        self.picked(verdict)
    }

    /// The answer to an attempt after these indexes were tried.
    ///
    /// # Panics
    ///
    /// When the host would not take it: out of range, not ready, tried, or a status outside 400 to 599.
    pub fn verdict(&mut self, attempt: u32, tried: &[u32]) -> Verdict {
        let moment = self.workers.moment(self.key, attempt);
        let request = Request { tried: tried.to_vec(), ..self.request.clone() };
        let worker = self.workers.next_worker();
        let slot = self.workers.of(worker);
        let verdict = with_request(&request, || slot.call(|balancer| balancer.pick(moment)));
        match verdict {
            Verdict::Backend(index) => {
                let backend = self.workers.table.get(index as usize);
                let valid = backend.is_some_and(|b| b.readiness == Readiness::Ready) && !tried.contains(&index);
                assert!(valid, "{verdict:?} is invalid: {backend:?}, tried {tried:?}");
            }
            Verdict::Refuse(status) => assert!((400..600).contains(&status), "{verdict:?} is invalid"),
            Verdict::Pass => {}
        }
        verdict
    }

    fn picked(&self, verdict: Verdict) -> Option<String> {
        match verdict {
            Verdict::Backend(index) => Some(self.workers.id(index)),
            Verdict::Pass => None,
            Verdict::Refuse(status) => panic!("refused with {status}"),
        }
    }

    fn set<N: Clone + Default>(&mut self, id: &str, numbers: fn(&mut Load) -> &mut Vec<N>, number: N) {
        let position = self.workers.position(id);
        let backends = self.workers.table.len();
        with_load(|load| {
            let numbers = numbers(load);
            numbers.resize(backends.max(numbers.len()), N::default());
            numbers[position] = number;
        });
    }
}

impl<B: Balancer + Observer> Pool<B> {
    /// An attempt at this backend that ends now, for [`observe`](Self::observe).
    pub fn outcome(&self, id: &str, kind: OutcomeKind, latency_us: u32) -> Outcome {
        super::outcome(self.workers.position(id) as u32, kind, latency_us)
    }

    /// Delivers outcomes to the instance of this worker.
    pub fn observe(&mut self, worker: usize, outcomes: &[Outcome]) {
        self.workers.of(worker).call(|balancer| balancer.observe(outcomes));
    }

    /// One tick for every worker.
    pub fn tick(&mut self) {
        let now_us = clock::now_us();
        self.workers.all().for_each(|worker| worker.call(|balancer| balancer.tick(now_us)));
    }
}

impl<B: Balancer + Handoff> Pool<B> {
    /// A swap to a fresh generation of the same plugin: each worker's instance takes up what the one before it saves.
    ///
    /// # Panics
    ///
    /// When a state is not accepted, or larger than the host hands over.
    pub fn hand_over(&mut self) {
        self.workers.hand_over(self.workers.table.clone());
    }

    /// The same, where the fresh instances have this table.
    ///
    /// # Panics
    ///
    /// As `hand_over`.
    pub fn hand_over_to(&mut self, rows: &[(&str, u32)]) {
        self.workers.hand_over(backends(rows));
    }

    /// What the instance of this worker saves.
    ///
    /// # Panics
    ///
    /// When it is larger than the host hands over.
    pub fn saved(&mut self, worker: usize) -> Vec<u8> {
        self.workers.of(worker).call(handoff::saved)
    }
}

pub(super) fn set_label(backend: &mut Backend, key: &str, value: &str) {
    backend.labels.retain(|(name, _)| name != key);
    backend.labels.push((key.to_owned(), value.to_owned()));
    backend.labels.sort();
}

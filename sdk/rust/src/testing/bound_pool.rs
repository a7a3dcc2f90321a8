//! A pool whose clients an affinity binds, as the host would drive it.

use std::collections::BTreeSet;

use super::client::Client;
use super::pool::set_label;
use super::workers::{Calls, Workers};
use super::{Request, Response, backends, clock, handoff, key, with_request, with_response};
use crate::{Affinity, Backend, Handoff, Moment, Observer, Outcome, OutcomeKind, Plan, Readiness, Verdict};

/// What the kit puts into the settings as the host would: 32 bytes in base64.
const SECRET: &str = r#""secret":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=""#;

/// A pool of ready backends and, for each worker, an instance of the affinity. Each request goes to
/// the next worker. An answer that the host would not take panics.
pub struct BoundPool<A: Affinity> {
    workers: Workers<A>,
    failing: BTreeSet<String>,
    /// What backends answer.
    pub response: Response,
}

/// How a request went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visit {
    /// Id of the backend that answered; none when no backend did.
    pub backend: Option<String>,
    /// Id of the backend that the final `find` answered.
    pub found: Option<String>,
    /// What the client got: the status of the response, of the affinity's refusal, or 503.
    pub status: u16,
    /// The headers that the affinity added.
    pub added: Vec<(String, String)>,
    /// How many attempts it took.
    pub attempts: u32,
}

impl<A: Affinity> BoundPool<A> {
    /// One worker. The thread's load, table and clock start afresh. A `secret` is put into the settings.
    ///
    /// # Panics
    ///
    /// When the affinity refuses the settings.
    pub fn new(settings: &str, rows: &[(&str, u32)]) -> Self {
        Self::with_workers(1, settings, rows)
    }

    /// As `new`, with so many workers.
    ///
    /// # Panics
    ///
    /// When the affinity refuses the settings.
    pub fn with_workers(workers: u32, settings: &str, rows: &[(&str, u32)]) -> Self {
        let calls = Calls { configure: A::configure, update: A::update, adjust: A::adjust };
        let workers = Workers::start(workers, &with_secret(settings), rows, calls);
        Self { workers, failing: BTreeSet::new(), response: Response::of(200) }
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

    /// Attempts at this backend fail from now on, though it is ready.
    pub fn fail(&mut self, id: &str) {
        self.failing.insert(id.to_owned());
    }

    /// Attempts at this backend no longer fail.
    pub fn heal(&mut self, id: &str) {
        self.failing.remove(id);
    }

    /// What the affinity wants from the host.
    pub fn plan(&self) -> &Plan {
        self.workers.plan()
    }

    /// A request of the client from beginning to end. Where the affinity passes, the pool picks
    /// `picked`, or where that is not ready or was tried, the next backend after it that is and was not.
    /// The client keeps the cookies of the response.
    ///
    /// # Panics
    ///
    /// When the host would not take an answer, and when `picked` is not in the table.
    pub fn send(&mut self, client: &mut Client, picked: &str) -> Visit {
        let worker = self.workers.next_worker();
        let request = client.ask();
        let mut tried = Vec::new();
        loop {
            let attempt = tried.len() as u32;
            let no_answer =
                |found, status| Visit { backend: None, found, status, added: Vec::new(), attempts: attempt };
            let found = match self.find_on(worker, &request, &tried) {
                Verdict::Backend(index) => Some(index),
                Verdict::Pass => None,
                Verdict::Refuse(status) => return no_answer(None, status),
            };
            let found_id = found.map(|index| self.workers.id(index));
            let Some(backend) = found.or_else(|| self.pick_after(picked, &tried)) else {
                return no_answer(found_id, 503);
            };
            let id = self.workers.id(backend);
            if self.failing.contains(&id) {
                tried.push(backend);
                continue;
            }
            let added = self.bind_on(worker, &request, &tried, backend, found);
            let mut response = self.response.clone();
            response.headers.extend(added.iter().cloned());
            client.receive(&response);
            return Visit { backend: Some(id), found: found_id, status: response.status, added, attempts: attempt + 1 };
        }
    }

    /// What `find` of this worker answers to a request after these indexes were tried.
    ///
    /// # Panics
    ///
    /// When the host would not take it: out of range, down, tried, or a status outside 400 to 599.
    pub fn find_on(&mut self, worker: usize, request: &Request, tried: &[u32]) -> Verdict {
        let (request, moment) = self.decision(request, tried);
        let slot = self.workers.of(worker);
        let verdict = with_request(&request, || slot.call(|affinity| affinity.find(moment)));
        match verdict {
            Verdict::Backend(index) => {
                let backend = self.workers.table.get(index as usize);
                let valid = backend.is_some_and(|b| b.readiness != Readiness::Down) && !tried.contains(&index);
                assert!(valid, "{verdict:?} is invalid: {backend:?}, tried {tried:?}");
            }
            Verdict::Refuse(status) => assert!((400..600).contains(&status), "{verdict:?} is invalid"),
            Verdict::Pass => {}
        }
        verdict
    }

    /// What `bind` of this worker adds to the response of a backend.
    ///
    /// # Panics
    ///
    /// When the host would not take it: a header other than `set-cookie`, or a value with control characters.
    pub fn bind_on(
        &mut self,
        worker: usize,
        request: &Request,
        tried: &[u32],
        backend: u32,
        found: Option<u32>,
    ) -> Vec<(String, String)> {
        let (request, moment) = self.decision(request, tried);
        let slot = self.workers.of(worker);
        let bind = || slot.call(|affinity| affinity.bind(moment, backend, found));
        let added = with_request(&request, || with_response(&self.response, bind));
        for (name, value) in &added {
            assert!(name.eq_ignore_ascii_case("set-cookie"), "the header `{name}` is not allowed");
            assert!(!value.chars().any(char::is_control), "{value:?} is no value of a header");
        }
        added
    }

    /// The index of this backend, for `find_on` and `bind_on`.
    ///
    /// # Panics
    ///
    /// When it is not in the table.
    pub fn index(&self, id: &str) -> u32 {
        self.workers.position(id) as u32
    }

    /// The request with its key and what was tried, and a moment for it.
    fn decision(&mut self, request: &Request, tried: &[u32]) -> (Request, Moment) {
        let key_bytes = request.key_bytes.clone().or_else(|| key::bytes(&self.workers.plan().keys, request));
        let moment = self.workers.moment(key_bytes.as_deref().map(key::hash), tried.len() as u32);
        (Request { tried: tried.to_vec(), key_bytes, ..request.clone() }, moment)
    }

    fn pick_after(&self, picked: &str, tried: &[u32]) -> Option<u32> {
        let (first, table) = (self.workers.position(picked), &self.workers.table);
        let mut after = (0..table.len()).map(|step| (first + step) % table.len());
        let free = |at: &usize| table[*at].readiness == Readiness::Ready && !tried.contains(&(*at as u32));
        after.find(free).map(|at| at as u32)
    }
}

impl<A: Affinity + Observer> BoundPool<A> {
    /// An attempt at this backend that ends now, for [`observe`](Self::observe).
    pub fn outcome(&self, id: &str, kind: OutcomeKind, latency_us: u32) -> Outcome {
        super::outcome(self.index(id), kind, latency_us)
    }

    /// Delivers outcomes to the instance of this worker.
    pub fn observe(&mut self, worker: usize, outcomes: &[Outcome]) {
        self.workers.of(worker).call(|affinity| affinity.observe(outcomes));
    }

    /// One tick for every worker.
    pub fn tick(&mut self) {
        let now_us = clock::now_us();
        self.workers.all().for_each(|worker| worker.call(|affinity| affinity.tick(now_us)));
    }
}

impl<A: Affinity + Handoff> BoundPool<A> {
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

fn with_secret(settings: &str) -> String {
    match settings.trim().strip_prefix('{') {
        Some(rest) if !settings.contains("\"secret\"") => {
            let comma = if rest.trim_start().starts_with('}') { "" } else { "," };
            format!("{{{SECRET}{comma}{rest}")
        }
        _ => settings.to_owned(),
    }
}

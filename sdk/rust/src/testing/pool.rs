//! A pool that a balancer steers, as the host would drive it.

use super::{Load, Request, backends, instance, moments, set_load, with_request};
use crate::balancer::Slot;
use crate::{Backend, Balancer, Moment, Readiness, Verdict};

/// A pool of ready backends and, for each worker, an instance of the balancer. Requests go to the
/// workers in turn. An answer that the host would not take panics.
pub struct Pool<B: Balancer> {
    workers: Vec<Slot<B>>,
    table: Vec<Backend>,
    moments: Box<dyn Iterator<Item = Moment>>,
    worker: usize,
    /// What the following picks are about.
    pub request: Request,
}

impl<B: Balancer> Pool<B> {
    /// One worker. The thread's load starts afresh.
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
        set_load(Load::default());
        let start = |worker| {
            let slot = Slot::new();
            if let Err(reason) = slot.configure(settings, &instance(worker, workers)) {
                panic!("`configure` refused {settings}: {reason}");
            }
            slot
        };
        let mut pool = Self {
            workers: (0..workers).map(start).collect(),
            table: Vec::new(),
            moments: Box::new(moments(1)),
            worker: 0,
            request: Request::get("/"),
        };
        pool.replace(rows);
        pool
    }

    /// Gives all workers a new table: an `update`.
    pub fn replace(&mut self, rows: &[(&str, u32)]) {
        self.table = backends(rows);
        self.workers.iter().for_each(|worker| worker.update(self.table.clone()));
    }

    /// Changes the weight of a backend: an `adjust`.
    pub fn weigh(&mut self, id: &str, weight: u32) {
        self.adjust(id, |backend| backend.weight = weight);
    }

    /// Changes the readiness of a backend: an `adjust`.
    pub fn mark(&mut self, id: &str, readiness: Readiness) {
        self.adjust(id, |backend| backend.readiness = readiness);
    }

    /// The id of the backend picked for a new request; none for `pass`.
    ///
    /// # Panics
    ///
    /// When the answer is a refusal, or one that the host would not take.
    pub fn pick(&mut self) -> Option<String> {
        match self.verdict(0, &[]) {
            Verdict::Backend(index) => Some(self.table[index as usize].id.clone()),
            Verdict::Pass => None,
            Verdict::Refuse(status) => panic!("refused with {status}"),
        }
    }

    /// So many picks, as ids separated by spaces; `-` for `pass`.
    pub fn picks(&mut self, count: usize) -> String {
        let picks: Vec<_> = (0..count).map(|_| self.pick().unwrap_or_else(|| "-".to_owned())).collect();
        picks.join(" ")
    }

    /// The id of the backend picked for a retry after these were tried; none for `pass`.
    ///
    /// # Panics
    ///
    /// As `pick`, and when an id is not in the table.
    pub fn retry(&mut self, tried: &[&str]) -> Option<String> {
        let tried: Vec<u32> = tried.iter().map(|id| self.position(id) as u32).collect();
        match self.verdict(tried.len() as u32, &tried) {
            Verdict::Backend(index) => Some(self.table[index as usize].id.clone()),
            Verdict::Pass => None,
            Verdict::Refuse(status) => panic!("refused with {status}"),
        }
    }

    /// The answer to an attempt after these indexes were tried.
    ///
    /// # Panics
    ///
    /// When the host would not take it: out of range, not ready, tried, or a status outside 400 to 599.
    pub fn verdict(&mut self, attempt: u32, tried: &[u32]) -> Verdict {
        let Some(moment) = self.moments.next() else { panic!("moments never end") };
        let request = Request { tried: tried.to_vec(), ..self.request.clone() };
        let worker = &self.workers[self.worker];
        self.worker = (self.worker + 1) % self.workers.len();
        let verdict = with_request(&request, || worker.pick(Moment { attempt, ..moment }));
        match verdict {
            Verdict::Backend(index) => {
                let backend = self.table.get(index as usize);
                let valid = backend.is_some_and(|b| b.readiness == Readiness::Ready) && !tried.contains(&index);
                assert!(valid, "{verdict:?} is invalid: {backend:?}, tried {tried:?}");
            }
            Verdict::Refuse(status) => assert!((400..600).contains(&status), "{verdict:?} is invalid"),
            Verdict::Pass => {}
        }
        verdict
    }

    fn adjust(&mut self, id: &str, change: impl FnOnce(&mut Backend)) {
        let position = self.position(id);
        change(&mut self.table[position]);
        let weights: Vec<u32> = self.table.iter().map(|b| b.weight).collect();
        let readiness: Vec<Readiness> = self.table.iter().map(|b| b.readiness).collect();
        self.workers.iter().for_each(|worker| worker.adjust(&weights, &readiness));
    }

    fn position(&self, id: &str) -> usize {
        match self.table.iter().position(|backend| backend.id == id) {
            Some(position) => position,
            None => panic!("no backend `{id}`"),
        }
    }
}

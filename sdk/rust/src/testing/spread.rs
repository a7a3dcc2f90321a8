//! Keys over a table: where each goes, how even they lie, and how many move when the table changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use xxhash_rust::xxh64::xxh64;

use super::{Request, instance, moments, with_request};
use crate::{Backend, Balancer, Moment, Readiness, Verdict};

/// One instance of a balancer that picks by key. Keys are texts, hashed as the host does. An answer that
/// the host would not take panics.
pub struct Keys<B> {
    balancer: B,
    table: Vec<Backend>,
    ids: Vec<Arc<str>>,
    moment: Moment,
    request: Request,
}

/// The id of the backend of each key, in the order of the keys; none for `pass`.
pub type Places = Vec<Option<Arc<str>>>;

impl<B: Balancer> Keys<B> {
    /// With these settings and this table.
    ///
    /// # Panics
    ///
    /// When the balancer refuses the settings.
    pub fn new(settings: &str, table: Vec<Backend>) -> Self {
        let balancer = match B::configure(settings, &instance(0, 1)) {
            Ok((balancer, _)) => balancer,
            Err(reason) => panic!("`configure` refused {settings}: {reason}"),
        };
        let Some(moment) = moments(1).next() else { panic!("moments never end") };
        let mut keys = Self { balancer, table: Vec::new(), ids: Vec::new(), moment, request: Request::get("/") };
        keys.update(table);
        keys
    }

    /// Gives it a new table: an `update`.
    pub fn update(&mut self, table: Vec<Backend>) {
        self.table = table;
        self.ids = self.table.iter().map(|backend| backend.id.as_str().into()).collect();
        self.balancer.update(&self.table);
    }

    /// Changes weights or readiness: an `adjust`.
    pub fn adjust(&mut self, change: impl FnOnce(&mut [Backend])) {
        change(&mut self.table);
        self.balancer.adjust(&self.table);
    }

    /// The id of the backend picked for this key, after an attempt at each of these indexes.
    ///
    /// # Panics
    ///
    /// When the answer is a refusal, or one that the host would not take.
    pub fn pick(&mut self, key: &str, tried: &[u32]) -> Option<Arc<str>> {
        self.request.key_bytes = Some(key.into());
        self.request.tried = tried.to_vec();
        let moment = Moment { key: Some(xxh64(key.as_bytes(), 0)), attempt: tried.len() as u32, ..self.moment };
        match with_request(&self.request, || self.balancer.pick(moment)) {
            Verdict::Backend(index) => {
                let ready = self.table.get(index as usize).is_some_and(|b| b.readiness == Readiness::Ready);
                assert!(ready && !tried.contains(&index), "{index} is invalid for {key}, tried {tried:?}");
                Some(self.ids[index as usize].clone())
            }
            Verdict::Pass => None,
            Verdict::Refuse(status) => panic!("refused with {status}"),
        }
    }

    /// Where each of so many keys goes.
    ///
    /// # Panics
    ///
    /// As `pick`.
    pub fn places(&mut self, keys: u32) -> Places {
        (0..keys).map(|key| self.pick(&format!("key-{key}"), &[])).collect()
    }

    /// The answer where there is no key.
    pub fn without_key(&mut self) -> Verdict {
        self.request.key_bytes = None;
        with_request(&self.request, || self.balancer.pick(self.moment))
    }
}

/// The share of keys that went elsewhere, 0 to 1.
pub fn moved(before: &Places, after: &Places) -> f64 {
    before.iter().zip(after).filter(|(before, after)| before != after).count() as f64 / before.len().max(1) as f64
}

/// Keys of each backend that has any.
pub fn counts(places: &Places) -> BTreeMap<Arc<str>, u32> {
    let mut counts = BTreeMap::new();
    for id in places.iter().flatten() {
        *counts.entry(id.clone()).or_insert(0) += 1;
    }
    counts
}

/// The most keys of one of so many backends, by their mean: 1 is perfectly even.
pub fn imbalance(places: &Places, backends: u32) -> f64 {
    let most = counts(places).into_values().max().unwrap_or(0);
    f64::from(most) * f64::from(backends) / places.len().max(1) as f64
}

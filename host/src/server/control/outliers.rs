//! Backends that their own outcomes speak against: out of their pool for a while, and back by a trial.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::{Control, Done};
use crate::config::OutlierPolicy;
use crate::decide::OutcomeKind;
use crate::pool::Backend;
use crate::pool::outlier::{Counts, Outliers, Verdict};
use crate::pool::report::Report;
use crate::snapshot::{Ejection, Pool};

/// Least time that a trial is given.
const TRIAL: Duration = Duration::from_secs(5);

/// Outlier detection of the pools that have it.
#[derive(Default)]
pub(super) struct Detection {
    pools: HashMap<Arc<str>, Watched>,
    /// Whose success rates will be compared.
    compared: HashSet<Arc<str>>,
}

struct Watched {
    /// By where they are in memory: `Arc`s of the backends are kept beside.
    outliers: Outliers<*const Backend>,
    backends: Vec<Arc<Backend>>,
}

impl Control {
    /// Looks after the pools that are there now: after a start, a reload or a change of backends.
    pub(super) fn detect_outliers(&mut self) {
        let snapshot = Arc::clone(&self.snapshot);
        let watched = |name: &Arc<str>| {
            let pool = snapshot.pools.iter().find(|pool| pool.name == *name);
            pool.is_some_and(|pool| pool.policy.outlier.is_some())
        };
        self.detection.pools.retain(|name, _| watched(name));
        for pool in &snapshot.pools {
            let Some(policy) = pool.policy.outlier else { continue };
            self.detection.watched(pool, policy).outliers.set_policy(policy);
            // Without success rates too: ejections of long ago are forgotten by then.
            if self.detection.compared.insert(Arc::clone(&pool.name)) {
                self.later(policy.interval, Done::Compare(Arc::clone(&pool.name)));
            }
        }
    }

    /// A worker saw something of a backend.
    pub(super) fn on_report(&mut self, pool: &Arc<str>, backend: &Arc<Backend>, report: Report) {
        match report {
            Report::Failing(streak) => {
                let why = format!("too many {} in a row", streak.as_str());
                self.eject(pool, backend, &why);
            }
            Report::Tried { well } => self.on_trial(pool, backend, well),
            Report::Says(said) => self.on_said(pool, backend, said),
        }
    }

    fn eject(&mut self, name: &Arc<str>, backend: &Arc<Backend>, why: &str) {
        let Some(pool) = self.pool(name) else { return };
        let Some(policy) = pool.policy.outlier else { return };
        if !pool.members.iter().any(|member| Arc::ptr_eq(&member.backend, backend)) {
            return;
        }
        let watched = self.detection.watched(&pool, policy);
        match watched.outliers.eject(Arc::as_ptr(backend), pool.members.len()) {
            Some(time) => {
                tracing::warn!(pool = %name, backend = %backend.id, ?time, "ejected: {why}");
                self.put_out(name, backend, time);
            }
            None => tracing::debug!(pool = %name, backend = %backend.id, "not ejected, as it or too many are: {why}"),
        }
    }

    fn put_out(&mut self, pool: &Arc<str>, backend: &Arc<Backend>, time: Duration) {
        self.set_condition(pool, backend, |condition| condition.ejection = Ejection::Ejected);
        self.later(time, Done::Readmit(Arc::clone(pool), Arc::clone(backend)));
    }

    /// The time of an ejection is over.
    pub(super) fn readmit(&mut self, pool: &Arc<str>, backend: &Arc<Backend>) {
        let Some(watched) = self.detection.pools.get_mut(pool) else { return };
        if watched.outliers.is_due(Arc::as_ptr(backend)) {
            backend.end_streaks();
            self.set_condition(pool, backend, |condition| condition.ejection = Ejection::Trial);
            self.offer_trial(pool, backend);
        }
    }

    /// One request may try this backend; another, if that one takes so long that nothing comes of it.
    pub(super) fn offer_trial(&mut self, pool: &Arc<str>, backend: &Arc<Backend>) {
        let policy = self.pool(pool).and_then(|pool| pool.policy.outlier);
        let Some(watched) = self.detection.pools.get(pool) else { return };
        if let Some(policy) = policy.filter(|_| watched.outliers.is_on_trial(Arc::as_ptr(backend))) {
            backend.offer_trial();
            self.later(policy.ejection.max(TRIAL), Done::OfferTrial(Arc::clone(pool), Arc::clone(backend)));
        }
    }

    fn on_trial(&mut self, pool: &Arc<str>, backend: &Arc<Backend>, well: bool) {
        let Some(watched) = self.detection.pools.get_mut(pool) else { return };
        match watched.outliers.tried(Arc::as_ptr(backend), well) {
            Some(Verdict::In) => {
                tracing::info!(%pool, backend = %backend.id, "no longer ejected");
                self.set_condition(pool, backend, |condition| condition.ejection = Ejection::None);
            }
            Some(Verdict::Out(time)) => {
                tracing::warn!(%pool, backend = %backend.id, ?time, "ejected again: it failed its trial");
                self.put_out(pool, backend, time);
            }
            None => {}
        }
    }

    /// Success rates are to be compared.
    pub(super) fn compare_outcomes(&mut self, name: &Arc<str>) {
        let pool = self.pool(name);
        let policy = pool.as_ref().and_then(|pool| pool.policy.outlier);
        let (Some(pool), Some(policy)) = (pool, policy) else {
            self.detection.compared.remove(name);
            return;
        };
        let counts: Vec<_> =
            pool.members.iter().map(|member| (Arc::as_ptr(&member.backend), counts(&member.backend))).collect();
        let watched = self.detection.watched(&pool, policy);
        let outliers = watched.outliers.compare(&counts);
        for member in pool.members.iter().filter(|member| outliers.contains(&Arc::as_ptr(&member.backend))) {
            self.eject(name, &member.backend, "far fewer of its responses are successes than of others'");
        }
        self.later(policy.interval, Done::Compare(Arc::clone(name)));
    }

    /// The pool of this name, as it is.
    pub(super) fn pool(&self, name: &str) -> Option<Arc<Pool>> {
        self.snapshot.pools.iter().find(|pool| *pool.name == *name).cloned()
    }
}

impl Detection {
    /// What is known of a pool's backends, of those that are there now.
    fn watched(&mut self, pool: &Pool, policy: OutlierPolicy) -> &mut Watched {
        let watched = self
            .pools
            .entry(Arc::clone(&pool.name))
            .or_insert_with(|| Watched { outliers: Outliers::new(policy), backends: Vec::new() });
        let now = pool.members.iter().map(|member| Arc::as_ptr(&member.backend));
        if !now.eq(watched.backends.iter().map(Arc::as_ptr)) {
            watched.backends = pool.members.iter().map(|member| Arc::clone(&member.backend)).collect();
            let known: HashSet<_> = watched.backends.iter().map(Arc::as_ptr).collect();
            watched.outliers.retain(|key| known.contains(key));
        }
        watched
    }
}

fn counts(backend: &Backend) -> Counts {
    let of = |kind| backend.outcomes(kind);
    let successes = of(OutcomeKind::Success) + of(OutcomeKind::ClientError);
    Counts { successes, attempts: backend.attempts().saturating_sub(of(OutcomeKind::Cancelled)) }
}

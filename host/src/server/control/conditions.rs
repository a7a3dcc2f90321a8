//! What becomes known of backends, and when the pools that have them are published: many changes at once, soon.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Control, Done};
use crate::pool::Backend;
use crate::snapshot::Pool;
use crate::snapshot::condition::{Condition, LEAST};

/// Time in which changes are gathered, so that a thousand backends that come back are one change.
const GATHERED: Duration = Duration::from_millis(5);

/// What is known and not published yet, and who starts slowly.
#[derive(Default)]
pub(super) struct Conditions {
    /// By pool.
    pending: HashMap<Arc<str>, Vec<(Arc<Backend>, Change)>>,
    is_due: bool,
    ramps: Vec<Ramp>,
    /// When they get more.
    climb_at: Option<Instant>,
}

/// What is to become of a condition, whatever else becomes of it meanwhile.
type Change = Box<dyn FnOnce(&mut Condition)>;

/// A backend that starts slowly.
struct Ramp {
    pool: Arc<str>,
    backend: Arc<Backend>,
    since: Instant,
    time: Duration,
}

impl Control {
    /// Notes what is known of a backend from now on. Published together with others a few milliseconds later: one
    /// `adjust` for many changes. Does nothing where the pool has no such backend any more.
    pub(super) fn set_condition(
        &mut self,
        pool: &Arc<str>,
        backend: &Arc<Backend>,
        change: impl FnOnce(&mut Condition) + 'static,
    ) {
        let pending = self.conditions.pending.entry(Arc::clone(pool)).or_default();
        pending.push((Arc::clone(backend), Box::new(change)));
        if !std::mem::replace(&mut self.conditions.is_due, true) {
            self.later(GATHERED, Done::Publish);
        }
    }

    /// Publishes what has become known.
    pub(super) fn publish_conditions(&mut self) {
        if self.holding {
            // A reload that is put in place would not know of it.
            return self.later(GATHERED, Done::Publish);
        }
        self.conditions.is_due = false;
        let (mut next, mut changed) = (None, Vec::new());
        for (pool, changes) in std::mem::take(&mut self.conditions.pending) {
            let now = next.as_ref().unwrap_or(&*self.snapshot);
            if let Some(conditioned) = now.conditioned(&pool, changes) {
                next = Some(conditioned);
                changed.push(pool);
            }
        }
        if let Some(next) = next {
            self.publish(next, &changed);
        }
    }

    /// Backends of this pool start slowly from now on.
    pub(super) fn climb(&mut self, pool: &Pool, begun: &[usize]) {
        let Some(time) = pool.policy.recovery.slow_start else { return };
        let since = Instant::now();
        for member in begun.iter().filter_map(|position| pool.members.get(*position)) {
            let (pool, backend) = (Arc::clone(&pool.name), Arc::clone(&member.backend));
            self.conditions.ramps.retain(|ramp| !Arc::ptr_eq(&ramp.backend, &backend));
            self.conditions.ramps.push(Ramp { pool, backend, since, time });
        }
        self.climb_later();
    }

    fn climb_later(&mut self) {
        let step = self.conditions.ramps.iter().map(|ramp| step(ramp.time)).min();
        let Some(step) = step else { return };
        let due = Instant::now() + step;
        if self.conditions.climb_at.is_none_or(|at| due < at) {
            self.conditions.climb_at = Some(due);
            self.later(step, Done::Climb);
        }
    }

    /// Who starts slowly gets more.
    pub(super) fn climb_on(&mut self) {
        let now = Instant::now();
        if self.conditions.climb_at.is_some_and(|at| now < at) {
            // It was to be later, and then sooner: this is the one of before.
            return;
        }
        self.conditions.climb_at = None;
        for ramp in std::mem::take(&mut self.conditions.ramps) {
            let percent = percent(now - ramp.since, ramp.time);
            // Who is not ready any more begins again when it is.
            self.set_condition(&ramp.pool, &ramp.backend, move |condition| {
                condition.ramp = condition.ramp.and(percent);
            });
            if percent.is_some() {
                self.conditions.ramps.push(ramp);
            }
        }
        self.climb_later();
    }
}

/// The share of its weight after so much of the time: linear from [`LEAST`] to all of it, which is none.
fn percent(elapsed: Duration, time: Duration) -> Option<u8> {
    let share = elapsed.as_secs_f64() / time.as_secs_f64().max(f64::MIN_POSITIVE);
    (share < 1.0).then(|| LEAST + (share * f64::from(100 - LEAST)) as u8)
}

/// Steps are as many as can be noticed, and no more: each is an `adjust` for all plugins.
fn step(time: Duration) -> Duration {
    const STEPS: u32 = 18;
    (time / STEPS).clamp(Duration::from_millis(50), Duration::from_secs(5))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_start_grows_evenly_and_ends() {
        let time = Duration::from_secs(10);
        let at = |seconds| percent(Duration::from_secs_f64(seconds), time);
        assert_eq!((at(0.0), at(5.0), at(9.99), at(10.0), at(99.0)), (Some(10), Some(55), Some(99), None, None));
        assert_eq!(step(time), Duration::from_nanos(555_555_555));
        assert_eq!(step(Duration::from_millis(100)), Duration::from_millis(50));
    }
}

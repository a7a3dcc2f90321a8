//! What backends say of themselves: taken into account, and forgotten when they do not say it any more.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{Control, Done};
use crate::pool::Backend;
use crate::pool::feedback::Statement;
use crate::pool::report::Said;

impl Control {
    /// A backend says something of itself that it did not say before.
    pub(super) fn on_said(&mut self, pool: &Arc<str>, backend: &Arc<Backend>, said: Said) {
        let Some(hold) = self.hold(pool) else { return };
        match said {
            Said::Weight(weight) => tracing::debug!(%pool, backend = %backend.id, weight, "it wants this weight"),
            Said::Leaving(leaving) => {
                tracing::info!(%pool, backend = %backend.id, leaving, "it says whether it drains")
            }
            Said::Load => tracing::debug!(%pool, backend = %backend.id, "it reports its load"),
        }
        self.set_condition(pool, backend, move |condition| match said {
            Said::Weight(weight) => condition.weight = Some(weight),
            Said::Leaving(leaving) => condition.leaving = leaving,
            Said::Load => {}
        });
        if !self.said.iter().any(|known| Arc::ptr_eq(known, backend)) {
            self.said.push(Arc::clone(backend));
            self.later(hold, Done::Unsaid(Arc::clone(pool), Arc::clone(backend)));
        }
    }

    /// Whether a backend has not said something for so long that it does not count any more: whoever gets no requests
    /// cannot take back what he said.
    pub(super) fn look_whether_unsaid(&mut self, pool: &Arc<str>, backend: &Arc<Backend>) {
        let hold = self.hold(pool).unwrap_or_default();
        let left = |statement: &Statement| statement.said_ms().map(|at_ms| hold.saturating_sub(since(at_ms)));
        let said = &backend.said;
        let is_over = |statement| left(statement).is_some_and(|left| left.is_zero());
        let (weight, leaving, load) = (is_over(&said.weight), is_over(&said.leaving), is_over(&said.load));
        if weight {
            said.weight.forget();
        }
        if leaving {
            said.leaving.forget();
        }
        if load {
            said.load.forget();
            backend.load.metrics.clear();
        }
        if weight || leaving {
            tracing::debug!(%pool, backend = %backend.id, weight, leaving, "what it said of itself counts no more");
            self.set_condition(pool, backend, move |condition| {
                condition.weight = condition.weight.filter(|_| !weight);
                condition.leaving &= !leaving;
            });
        }
        match [&said.weight, &said.leaving, &said.load].into_iter().filter_map(left).min() {
            Some(next) => self.later(next, Done::Unsaid(Arc::clone(pool), Arc::clone(backend))),
            None => self.said.retain(|known| !Arc::ptr_eq(known, backend)),
        }
    }

    /// A backend has died: what it said of itself died with it.
    pub(super) fn forget_what_it_said(&mut self, pool: &Arc<str>, backend: &Arc<Backend>) {
        backend.said.forget();
        backend.load.metrics.clear();
        self.set_condition(pool, backend, |condition| (condition.leaving, condition.weight) = (false, None));
    }

    /// Nobody listens in these pools any more, as the configuration has it.
    pub(super) fn forget_feedback(&self) {
        for pool in self.snapshot.pools.iter().filter(|pool| pool.policy.feedback.is_none()) {
            for member in &pool.members {
                member.backend.said.forget();
                member.backend.load.metrics.clear();
            }
        }
    }

    /// How long what backends of a pool say counts; none: they are not listened to.
    fn hold(&self, pool: &str) -> Option<Duration> {
        self.pool(pool)?.policy.feedback.as_ref().map(|feedback| feedback.hold)
    }
}

/// Time since then, a Unix time in milliseconds.
fn since(at_ms: u64) -> Duration {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    now.saturating_sub(Duration::from_millis(at_ms))
}

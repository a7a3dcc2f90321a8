//! What backends say of themselves: taken into account, and forgotten when they do not say it any more.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{Control, Done};
use crate::pool::Backend;
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
        }
        self.set_condition(pool, backend, move |condition| match said {
            Said::Weight(weight) => condition.weight = Some(weight),
            Said::Leaving(leaving) => condition.leaving = leaving,
        });
        if !self.said.iter().any(|known| Arc::ptr_eq(known, backend)) {
            self.said.push(Arc::clone(backend));
            self.later(hold, Done::Unsaid(Arc::clone(pool), Arc::clone(backend)));
        }
    }

    /// Whether a backend has not said anything for so long that it does not count any more: whoever gets no requests cannot
    /// take back what he said.
    pub(super) fn look_whether_unsaid(&mut self, pool: &Arc<str>, backend: &Arc<Backend>) {
        let left = self.hold(pool).map(|hold| hold.saturating_sub(since(backend.said.at_ms())));
        if let Some(left) = left.filter(|left| !left.is_zero()) {
            return self.later(left, Done::Unsaid(Arc::clone(pool), Arc::clone(backend)));
        }
        self.said.retain(|known| !Arc::ptr_eq(known, backend));
        backend.said.forget();
        tracing::debug!(%pool, backend = %backend.id, "what it said of itself counts no more");
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

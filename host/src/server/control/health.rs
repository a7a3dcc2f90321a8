//! Active checks: which backends are checked follows the snapshot, and what comes out makes their condition.

use std::sync::Arc;

use super::Control;
use crate::pool::health::Transition;
use crate::server::health::{Answer, CheckedPools, Diagnosis};
use crate::snapshot::Pool;

impl Control {
    /// Backends are checked as this configuration says, from the next snapshot on.
    pub(super) fn set_checks(&mut self, checked: CheckedPools) {
        self.checked = checked;
    }

    /// Checks the backends that are there now: after a start, a reload or a change of backends.
    pub(super) fn follow_health(&mut self) {
        for (pool, backend) in self.roster.follow(&self.snapshot, &self.checked) {
            self.set_condition(&pool, &backend, |condition| condition.unhealthy = false);
        }
    }

    /// A check has its answer.
    pub(super) fn on_checked(&mut self, answer: Answer) {
        for Diagnosis { pool, backend, healthy, transition, failure } in self.roster.take(answer) {
            match transition {
                Some(Transition::Rose) => tracing::info!(%pool, backend = %backend.id, "healthy"),
                Some(Transition::Fell) => {
                    let why = failure.as_deref().unwrap_or_default();
                    tracing::warn!(%pool, backend = %backend.id, "unhealthy: {why}");
                    self.forget_what_it_said(&pool, &backend);
                }
                None => {}
            }
            self.set_condition(&pool, &backend, move |condition| condition.unhealthy = !healthy);
        }
    }

    /// New backends of a pool that is about to be published are down, where checks are to bring them in.
    pub(super) fn admit_later(&self, pool: &mut Arc<Pool>) {
        let is_down = self.checked.get(&pool.name).is_some_and(|checked| checked.is_initially_down());
        let before = self.pool(&pool.name).filter(|before| is_down && before.membership != pool.membership);
        let Some(before) = before else { return };
        let known: std::collections::HashSet<_> = before.members.iter().map(|m| Arc::as_ptr(&m.backend)).collect();
        let mut members = pool.members.clone();
        for member in members.iter_mut().filter(|member| !known.contains(&Arc::as_ptr(&member.backend))) {
            member.condition.unhealthy = true;
        }
        if members.iter().zip(&pool.members).any(|(now, then)| now.condition != then.condition) {
            *pool = Arc::new(pool.with_members(members, false));
        }
    }
}

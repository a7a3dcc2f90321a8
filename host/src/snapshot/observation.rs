//! What plugins learn from: attempts that ended, and time that passes.

use std::sync::Arc;
use std::time::Instant;

use super::steering::State;
use super::{Slot, Steering};
use crate::decide::outcome::BATCH;
use crate::decide::{Fault, Observer, Outcome};
use crate::pool::outbox::Ended;

impl Steering {
    /// Hands over what ended, and ticks. To be called about every 100 ms while the worker has something to do;
    /// `now_us` is Unix time at `now`.
    pub fn tick(&self, now: Instant, now_us: u64) {
        let state = &mut *self.state.borrow_mut();
        self.deliver_at(state, now, now_us);
        self.each_observer(state, |observer, _| observer.tick(now_us));
    }

    /// Hands over what ended, before it is told another table.
    pub(super) fn deliver_in(&self, state: &mut State) {
        if self.site.outbox.is_wanted() {
            let ((last, last_us), now) = (state.clock, Instant::now());
            let now_us = last_us + microseconds(now, last);
            self.deliver_at(state, now, now_us);
        }
    }

    fn deliver_at(&self, state: &mut State, now: Instant, now_us: u64) {
        state.clock = (now, now_us);
        let ended = self.site.outbox.take();
        for batch in ended.chunks(BATCH) {
            // Who left the table is nobody's business any more.
            let known: Vec<(u32, &Ended)> = batch
                .iter()
                .filter_map(|ended| state.known.position(&ended.member).map(|position| (position, ended)))
                .collect();
            self.each_observer(state, |observer, place| {
                if !observer.observes() {
                    return Ok(());
                }
                let outcome = |(backend, ended): &(u32, &Ended)| Outcome {
                    backend: *backend,
                    kind: ended.kind,
                    status: ended.status,
                    latency_us: ended.latency_us,
                    attempt: ended.note.attempt,
                    key: ended.note.keys.get(place).copied().flatten(),
                    at_us: now_us.saturating_sub(microseconds(now, ended.at)),
                };
                let outcomes: Vec<_> = known.iter().map(outcome).collect();
                observer.observe(&outcomes, now_us)
            });
        }
    }

    /// Calls each instance, with its place: 0 for the affinity, and then the balancers.
    fn each_observer(&self, state: &mut State, mut call: impl FnMut(&mut dyn Observer, usize) -> Result<(), Fault>) {
        if let Some(instance) = &mut state.affinity
            && let Err(fault) = call(&mut **instance, 0)
        {
            let slot = Slot::Affinity(Arc::clone(&state.pool.name));
            self.failed(state, slot, fault);
        }
        for number in 0..state.balancers.len() {
            if let Some(instance) = &mut state.balancers[number]
                && let Err(fault) = call(&mut **instance, 1 + number)
            {
                let slot = Slot::Balancer(Arc::clone(&state.pool.name), number);
                self.failed(state, slot, fault);
            }
        }
    }

    /// Collects outcomes while any instance wants them.
    pub(super) fn listen_to_outcomes(&self, state: &State) {
        let affinity = state.affinity.iter().any(|instance| instance.observes());
        let wanted = affinity || state.balancers.iter().flatten().any(|instance| instance.observes());
        self.site.outbox.want(wanted);
    }
}

fn microseconds(now: Instant, at: Instant) -> u64 {
    u64::try_from(now.saturating_duration_since(at).as_micros()).unwrap_or(u64::MAX)
}

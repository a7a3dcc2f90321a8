//! What plugins learn from: attempts that ended, and time that passes.

use std::sync::Arc;
use std::time::Instant;

use super::post::{Holder, Post};
use super::steering::State;
use super::{Slot, Steering};
use crate::decide::outcome::BATCH;
use crate::decide::{Fault, Observer, Outcome};
use crate::pool::outbox::Ended;

impl Steering {
    /// Hands over what ended, ticks, and cuts off what has drained for long enough. To be called about every 100 ms while the worker has something to do;
    /// `now_us` is Unix time at `now`.
    pub fn tick(&self, now: Instant, now_us: u64) {
        let state = &mut *self.state.borrow_mut();
        self.deliver_at(state, now, now_us);
        self.each_observer(state, |observer, _| observer.tick(now_us));
        self.cut_off(state, now);
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

    /// Calls each instance, with its place: 0 for the affinity, and then the balancers. Shadows see it too.
    fn each_observer(&self, state: &mut State, mut call: impl FnMut(&mut dyn Observer, usize) -> Result<(), Fault>) {
        let name = Arc::clone(&state.pool.name);
        if let Some(post) = &mut state.affinity
            && let Err(fault) = self.observe_in(post, |observer| call(observer, 0))
        {
            self.failed(state, Slot::Affinity(Arc::clone(&name)), fault);
        }
        for number in 0..state.balancers.len() {
            let post = &mut state.balancers[number];
            if let Err(fault) = self.observe_in(post, |observer| call(observer, 1 + number)) {
                self.failed(state, Slot::Balancer(Arc::clone(&name), number), fault);
            }
        }
    }

    fn observe_in<I: Holder + Observer>(
        &self,
        post: &mut Post<I>,
        mut call: impl FnMut(&mut dyn Observer) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        if let Some(shadow) = &mut post.shadow
            && let Err(fault) = call(&mut *shadow.held.instance)
        {
            self.shadow_failed(post, fault);
        }
        post.held.as_mut().map_or(Ok(()), |held| call(&mut *held.instance))
    }

    /// Collects outcomes while any instance wants them.
    pub(super) fn listen_to_outcomes(&self, state: &State) {
        let affinity = state.affinity.as_ref().is_some_and(observes);
        self.site.outbox.want(affinity || state.balancers.iter().any(observes));
    }
}

fn observes<I: Holder + Observer>(post: &Post<I>) -> bool {
    let shadow = post.shadow.as_ref().map(|shadow| &shadow.held);
    post.held.iter().chain(shadow).any(|held| held.instance.observes())
}

fn microseconds(now: Instant, at: Instant) -> u64 {
    u64::try_from(now.saturating_duration_since(at).as_micros()).unwrap_or(u64::MAX)
}

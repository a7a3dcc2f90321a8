//! Outcomes and ticks, for an instance whose plan wants them.

use wasmtime::component::Instance;

use super::BuildReason;
use crate::decide::{Fault, Outcome};
use crate::plugin::guarded::Guarded;
use crate::plugin::v0_1::{ObserverExports, Plan};

/// Shortest time between two ticks, in milliseconds.
const SHORTEST_MS: u32 = 10;

/// What the plan asked for.
pub(super) struct Observing {
    exports: Option<ObserverExports>,
    observe: bool,
    tick_us: u64,
    last_us: u64,
}

impl Observing {
    /// A plan that wants what the component does not export is an error.
    pub(super) fn new(guest: &mut Guarded, instance: &Instance, plan: &Plan) -> Result<Self, BuildReason> {
        let wanted = plan.observe || plan.tick_ms > 0;
        let exports = if wanted { Some(ObserverExports::find(guest.store(), instance)?) } else { None };
        let tick_us = if plan.tick_ms == 0 { 0 } else { u64::from(plan.tick_ms.max(SHORTEST_MS)) * 1000 };
        Ok(Self { exports, observe: plan.observe, tick_us, last_us: guest.sandbox().now_us })
    }

    /// Whether outcomes are to be collected.
    pub(super) fn wants_outcomes(&self) -> bool {
        self.observe
    }

    /// Hands them over.
    pub(super) fn observe(&self, guest: &mut Guarded, outcomes: &[Outcome], now_us: u64) -> Result<(), Fault> {
        let Some(exports) = self.exports.as_ref().filter(|_| self.observe) else { return Ok(()) };
        guest.sandbox_mut().now_us = now_us;
        guest.call(guest.definition().limits().deadline, |store| exports.observe(store, outcomes))
    }

    /// Ticks, if it is time.
    pub(super) fn tick(&mut self, guest: &mut Guarded, now_us: u64) -> Result<(), Fault> {
        let Some(exports) = self.exports.as_ref().filter(|_| self.tick_us > 0) else { return Ok(()) };
        if now_us.saturating_sub(self.last_us) < self.tick_us {
            return Ok(());
        }
        self.last_us = now_us;
        guest.sandbox_mut().now_us = now_us;
        guest.call(guest.definition().limits().deadline, |store| exports.tick.call(store, (now_us,)))
    }
}

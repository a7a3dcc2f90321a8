//! A router in its seat.

use std::sync::Arc;

use super::handoff::{Handoff, hands_over};
use super::{BuildReason, Built, Seat, accepted, follow};
use crate::decide::{Destination, Facts, Fault, Key, Keyed, Moment, Router};
use crate::plugin::Definition;
use crate::plugin::guarded::Guarded;
use crate::plugin::v0_1::RouterExports;

/// One sandbox of a router.
pub struct RouterInstance {
    guest: Guarded,
    exports: RouterExports,
    handoff: Handoff,
}

hands_over!(RouterInstance,);

impl RouterInstance {
    /// What it is an instance of.
    pub fn definition(&self) -> &Arc<Definition> {
        self.guest.definition()
    }

    /// Whether a fault happened: it answers nothing any more and waits to be disposed of.
    pub fn is_poisoned(&self) -> bool {
        self.guest.is_poisoned()
    }
}

impl Built for RouterInstance {
    fn seat(seat: Seat) -> Result<Self, BuildReason> {
        let (mut guest, instance) = Guarded::instantiate(&seat)?;
        let exports = RouterExports::find(guest.store(), &instance)?;
        let handoff = Handoff::find(&mut guest, &instance)?;
        let plan = accepted(guest.go_on(|store| exports.configure(store, &seat)))?;
        follow(&mut guest, &seat, &plan)?;
        Ok(Self { guest, exports, handoff })
    }

    fn memory(&self) -> usize {
        self.guest.memory()
    }
}

impl Keyed for RouterInstance {
    fn keys(&self) -> &[Key] {
        &self.guest.sandbox().keys
    }
}

impl Router for RouterInstance {
    fn route(&mut self, moment: Moment, facts: Box<Facts>) -> (Box<Facts>, Result<Destination, Fault>) {
        let route = &self.exports.route;
        let (facts, answer) = self.guest.decide(&moment, facts, |store| route.call(store, (moment.into(),)));
        (facts, answer.map(|(destination,)| destination.into()))
    }
}

//! An affinity in its seat.

use super::tabled::{Seated, steers_by_table};
use super::{BuildReason, Built, Seat};
use crate::decide::{Affinity, Facts, Fault, Head, Headers, Moment, Verdict};
use crate::plugin::guarded::Guarded;
use crate::plugin::v0_1::AffinityExports;

/// One sandbox of an affinity.
pub struct AffinityInstance {
    seated: Seated,
    exports: AffinityExports,
}

steers_by_table!(AffinityInstance);

impl Built for AffinityInstance {
    fn seat(seat: Seat) -> Result<Self, BuildReason> {
        let (mut guest, instance) = Guarded::instantiate(&seat)?;
        let (exports, table) = AffinityExports::find(guest.store(), &instance)?;
        Ok(Self { seated: Seated::begin(guest, &instance, table, &seat)?, exports })
    }

    fn memory(&self) -> usize {
        self.seated.guest.memory()
    }
}

impl Affinity for AffinityInstance {
    fn find(&mut self, moment: Moment, facts: Box<Facts>) -> (Box<Facts>, Result<Verdict, Fault>) {
        let find = &self.exports.find;
        let (facts, answer) = self.seated.guest.decide(&moment, facts, |store| find.call(store, (moment.into(),)));
        (facts, answer.map(|(verdict,)| verdict.into()))
    }

    fn bind(
        &mut self,
        moment: Moment,
        facts: Box<Facts>,
        head: Box<Head>,
        backend: u32,
        found: Option<u32>,
    ) -> (Box<Facts>, Box<Head>, Result<Headers, Fault>) {
        let (bind, guest) = (&self.exports.bind, &mut self.seated.guest);
        guest.sandbox_mut().head = Some(head);
        let call = (moment.into(), backend, found);
        let (facts, answer) = guest.decide(&moment, facts, |store| bind.call(store, call));
        // As with the facts: always there.
        let head = guest.sandbox_mut().head.take().unwrap_or_default();
        (facts, head, answer.map(|(headers,)| headers))
    }
}

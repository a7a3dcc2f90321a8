//! A balancer in its seat.

use super::tabled::{Seated, steers_by_table};
use super::{BuildReason, Built, Seat};
use crate::decide::{Balancer, Facts, Fault, Moment, Verdict};
use crate::plugin::guarded::Guarded;
use crate::plugin::v0_1::BalancerExports;

/// One sandbox of a balancer.
pub struct BalancerInstance {
    seated: Seated,
    exports: BalancerExports,
}

steers_by_table!(BalancerInstance);

impl Built for BalancerInstance {
    fn seat(seat: Seat) -> Result<Self, BuildReason> {
        let (mut guest, instance) = Guarded::instantiate(&seat)?;
        let (exports, table) = BalancerExports::find(guest.store(), &instance)?;
        Ok(Self { seated: Seated::begin(guest, &instance, table, &seat)?, exports })
    }

    fn memory(&self) -> usize {
        self.seated.guest.memory()
    }
}

impl Balancer for BalancerInstance {
    fn pick(&mut self, moment: Moment, facts: Box<Facts>) -> (Box<Facts>, Result<Verdict, Fault>) {
        let pick = &self.exports.pick;
        let (facts, answer) = self.seated.guest.decide(&moment, facts, |store| pick.call(store, (moment.into(),)));
        (facts, answer.map(|(verdict,)| verdict.into()))
    }
}

//! A shaper in its seat. There is one for each pool, and it is called on builder threads.

use super::{BuildReason, Built, Seat, accepted};
use crate::decide::{Fault, Row, Shaper};
use crate::plugin::guarded::Guarded;
use crate::plugin::v0_1::ShaperExports;

/// One sandbox of a shaper.
pub struct ShaperInstance {
    guest: Guarded,
    exports: ShaperExports,
}

impl Built for ShaperInstance {
    fn seat(seat: Seat) -> Result<Self, BuildReason> {
        if !seat.keys.is_empty() {
            return Err(BuildReason::NoKey);
        }
        let (mut guest, instance) = Guarded::instantiate(&seat)?;
        let exports = ShaperExports::find(guest.store(), &instance)?;
        accepted(guest.go_on(|store| exports.configure(store, &seat)))?;
        Ok(Self { guest, exports })
    }

    fn memory(&self) -> usize {
        self.guest.memory()
    }
}

impl Shaper for ShaperInstance {
    fn shape(&mut self, rows: &[Row]) -> Result<Vec<u32>, Fault> {
        let (deadline, exports) = (self.guest.definition().limits().update_deadline, &self.exports);
        let weights = self.guest.call(deadline, |store| exports.shape(store, rows))?;
        if weights.len() == rows.len() {
            Ok(weights)
        } else {
            Err(Fault::invalid(format!("answered {} weights for {} backends", weights.len(), rows.len())))
        }
    }
}

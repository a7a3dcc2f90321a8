//! What balancers and affinities have in common: a table, and perhaps an ear for outcomes.

use std::time::Duration;

use wasmtime::component::Instance;

use super::handoff::Handoff;
use super::observer::Observing;
use super::{BuildReason, Cost, Seat, accepted, follow};
use crate::decide::{Fault, Row};
use crate::plugin::budget::thread_time;
use crate::plugin::guarded::Guarded;
use crate::plugin::v0_1::TableExports;

/// An `update` that is quicker than this is not worth the trial of an `adjust`.
const QUICK: Duration = Duration::from_millis(1);

/// A sandbox that is told a table.
pub(super) struct Seated {
    pub(super) guest: Guarded,
    pub(super) observing: Observing,
    pub(super) handoff: Handoff,
    pub(super) cost: Cost,
    table: TableExports,
}

impl Seated {
    /// Configures, gives the first table, and tries what an `adjust` will cost where that may matter.
    pub(super) fn begin(
        mut guest: Guarded,
        instance: &Instance,
        table: TableExports,
        seat: &Seat,
    ) -> Result<Self, BuildReason> {
        let handoff = Handoff::find(&mut guest, instance)?;
        let plan = accepted(guest.go_on(|store| table.configure(store, seat)))?;
        follow(&mut guest, seat, &plan)?;
        let observing = Observing::new(&mut guest, instance, &plan)?;
        let mut seated = Self { guest, observing, handoff, cost: Cost::default(), table };
        seated.update(&seat.rows).map_err(BuildReason::Update)?;
        if seated.cost.update >= QUICK {
            seated.adjust(&seat.rows).map_err(BuildReason::Update)?;
        }
        Ok(seated)
    }

    /// Replaces the table.
    pub(super) fn update(&mut self, rows: &[Row]) -> Result<(), Fault> {
        self.guest.sandbox_mut().loads = rows.iter().map(|row| std::sync::Arc::clone(&row.load)).collect();
        let (deadline, start) = (self.guest.definition().limits().update_deadline, thread_time());
        let done = self.guest.call(deadline, |store| self.table.update(store, rows));
        // What an `adjust` costs was learned of another table.
        self.cost = Cost { update: thread_time().saturating_sub(start), adjust: None };
        done
    }

    /// Tells weights and readiness.
    pub(super) fn adjust(&mut self, rows: &[Row]) -> Result<(), Fault> {
        let (deadline, start) = (self.guest.definition().limits().update_deadline, thread_time());
        let done = self.guest.call(deadline, |store| self.table.adjust(store, rows));
        self.cost.adjust = Some(thread_time().saturating_sub(start));
        done
    }
}

/// Implements what follows from the field `seated`.
macro_rules! steers_by_table {
    ($instance:ident) => {
        impl $instance {
            /// What it is an instance of.
            pub fn definition(&self) -> &std::sync::Arc<crate::plugin::Definition> {
                self.seated.guest.definition()
            }

            /// Whether a fault happened: it answers nothing any more and waits to be disposed of.
            pub fn is_poisoned(&self) -> bool {
                self.seated.guest.is_poisoned()
            }

            /// What its table last cost.
            pub fn cost(&self) -> crate::plugin::Cost {
                self.seated.cost
            }
        }

        super::handoff::hands_over!($instance, seated);

        impl crate::decide::Keyed for $instance {
            fn keys(&self) -> &[crate::decide::Key] {
                &self.seated.guest.sandbox().keys
            }
        }

        impl crate::decide::Tabled for $instance {
            fn update(&mut self, rows: &[crate::decide::Row]) -> Result<(), crate::decide::Fault> {
                self.seated.update(rows)
            }

            fn adjust(&mut self, rows: &[crate::decide::Row]) -> Result<(), crate::decide::Fault> {
                self.seated.adjust(rows)
            }
        }

        impl crate::decide::Observer for $instance {
            fn observes(&self) -> bool {
                self.seated.observing.wants_outcomes()
            }

            fn observe(
                &mut self,
                outcomes: &[crate::decide::Outcome],
                now_us: u64,
            ) -> Result<(), crate::decide::Fault> {
                self.seated.observing.observe(&mut self.seated.guest, outcomes, now_us)
            }

            fn tick(&mut self, now_us: u64) -> Result<(), crate::decide::Fault> {
                self.seated.observing.tick(&mut self.seated.guest, now_us)
            }
        }

        impl std::fmt::Debug for $instance {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($instance))
                    .field("definition", self.definition())
                    .field("poisoned", &self.is_poisoned())
                    .finish_non_exhaustive()
            }
        }
    };
}

pub(super) use steers_by_table;

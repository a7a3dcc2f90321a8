//! The observer side: the trait, and how it is exported beside a decision.
//!
//! An observer is no plugin by itself: it is the second export of a balancer or an affinity, on the
//! same state, by `export_balancer!(Mine, observer)`.

use crate::Outcome;

/// Learns from what happened. The plan of `configure` asks for it: `observe: true` for outcomes,
/// `tick_ms` for ticks. Calls never come within a decision.
pub trait Observer {
    /// Attempts that ended, oldest first, at most 256 at a time. Their indexes are those of the table
    /// this instance was last given.
    fn observe(&mut self, outcomes: &[Outcome]);

    /// About every `tick_ms` of the plan. `now_us`: Unix time in microseconds.
    fn tick(&mut self, now_us: u64) {
        let _ = now_us;
    }
}

/// The generated bindings of a world with this one export: it adds itself to that of the decision.
#[doc(hidden)]
pub mod bindings {
    #![allow(missing_docs, unreachable_pub, clippy::all)]

    wit_bindgen::generate!({
        path: "../../wit",
        inline: "
            package trimtab:sdk@0.1.0;

            world observer-beside {
                export trimtab:plugin/observer@0.1.0;
            }
        ",
        with: {
            "trimtab:plugin/types@0.1.0": crate::bindings::trimtab::plugin::types,
        },
        pub_export_macro: true,
        export_macro_name: "export_bindings",
        default_bindings_module: "trimtab_sdk::observer::bindings",
    });
}

//! The balancer side: the trait and the export macro.
//!
//! It only carries calls. Whether an answer is valid is checked by the host (and by `testing::Pool`).

use crate::{Backend, Instance, Moment, Plan, Verdict};

/// Picks a backend for a request, connection or flow. One value per worker and pool; calls come one
/// at a time: `update` before the first `pick`.
pub trait Balancer: Sized + 'static {
    /// Makes the balancer of its settings, a JSON object (`{}` where there are none), and says what
    /// it wants from the host.
    ///
    /// # Errors
    ///
    /// A sentence for the person who wrote the settings; the host adds the plugin's name. Refuse
    /// settings that you do not know ([`settings::none`](crate::settings::none)).
    fn configure(settings: &str, instance: &Instance) -> Result<(Self, Plan), String>;

    /// The table of backends: indexes are positions in `backends` from now on. What is known of a
    /// backend is kept by its `id`.
    fn update(&mut self, backends: &[Backend]);

    /// Weights or readiness changed. `backends` is the table of the last `update` with the new
    /// values in it: the same backends in the same order. Unless overridden: as an update.
    fn adjust(&mut self, backends: &[Backend]) {
        self.update(backends);
    }

    /// Picks. Runs for every request: aim at well under a microsecond.
    fn pick(&mut self, moment: Moment) -> Verdict;
}

/// The generated bindings of the world `balancer-plugin`.
#[doc(hidden)]
pub mod bindings {
    #![allow(missing_docs, unreachable_pub, clippy::all)]

    wit_bindgen::generate!({
        path: "../../wit",
        world: "balancer-plugin",
        with: {
            "trimtab:plugin/types@0.1.0": crate::bindings::trimtab::plugin::types,
            "trimtab:plugin/request@0.1.0": crate::bindings::trimtab::plugin::request,
            "trimtab:plugin/load@0.1.0": crate::bindings::trimtab::plugin::load,
            "trimtab:plugin/table@0.1.0": crate::bindings::trimtab::plugin::table,
            "trimtab:plugin/log@0.1.0": crate::bindings::trimtab::plugin::log,
        },
        pub_export_macro: true,
        export_macro_name: "export_bindings",
        default_bindings_module: "trimtab_sdk::balancer::bindings",
    });
}

/// Makes a crate the plugin that picks by this [`Balancer`](crate::Balancer). Natively it does
/// nothing, so that the crate can be tested and linked like any other.
///
/// `export_balancer!(Mine, observer)` exports the type's [`Observer`](crate::Observer) as well; the
/// plan says whether it wants outcomes and ticks. `export_balancer!(Mine, handoff)` does so with its
/// [`Handoff`](crate::Handoff), and `observer, handoff` with both.
///
/// A panic of the plugin is a line in the host's log, and then a trap.
#[macro_export]
macro_rules! export_balancer {
    ($balancer:ty $(, $beside:ident)*) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            use $crate::balancer::bindings;
            use $crate::slot::Slot;
            use $crate::{Balancer, Moment, Verdict};

            ::std::thread_local! {
                static SLOT: Slot<$balancer> = const { Slot::new() };
            }

            struct Component;

            impl bindings::exports::trimtab::plugin::balancer::Guest for Component {
                $crate::export_table_calls!(SLOT, Balancer, $balancer);

                fn pick(moment: Moment) -> Verdict {
                    SLOT.with(|slot| slot.call(|balancer| balancer.pick(moment)))
                }
            }

            bindings::export_bindings!(Component with_types_in bindings);
            $($crate::export_beside!(SLOT, Component, $beside);)*
        };
    };
}

//! The affinity side: the trait and the export macro.
//!
//! It only carries calls. Whether an answer is valid is checked by the host (and by
//! `testing::BoundPool`).

use crate::{Backend, Instance, Moment, Plan, Verdict};

/// Finds the backend that a client is bound to, and binds it. One value per worker and pool; calls
/// come one at a time: `update` before the first `find`. What all workers must know of a binding
/// belongs into a cookie or into [`table`](crate::table).
pub trait Affinity: Sized + 'static {
    /// Makes the affinity of its settings, a JSON object, and says what it wants from the host. The
    /// host puts `secret` into the settings: 32 bytes in base64, the same for all workers of the pool,
    /// over restarts, and for fellow balancers with the same `secret_file`.
    ///
    /// # Errors
    ///
    /// A sentence for the person who wrote the settings; the host adds the plugin's name.
    fn configure(settings: &str, instance: &Instance) -> Result<(Self, Plan), String>;

    /// The table of backends: indexes are positions in `backends` from now on. The place to compute a
    /// cookie's value per backend.
    fn update(&mut self, backends: &[Backend]);

    /// Weights or readiness changed. `backends` is the table of the last `update` with the new
    /// values in it: the same backends in the same order. Unless overridden: as an update.
    fn adjust(&mut self, backends: &[Backend]) {
        self.update(backends);
    }

    /// Finds the client's backend, before the balancer and again before each retry. `Pass`: not bound.
    /// A draining backend may be answered if the binding was remembered; one that is down or was tried may not.
    fn find(&mut self, moment: Moment) -> Verdict;

    /// Binds the client to `backend`, which answered; `found` is what [`find`](Self::find) had answered
    /// for this attempt. Runs once per client response, and may ask [`response`](crate::response).
    /// Answers headers to add: `set-cookie`, and names that the configuration allows.
    fn bind(&mut self, moment: Moment, backend: u32, found: Option<u32>) -> Vec<(String, String)>;
}

/// The generated bindings of the world `affinity-plugin`, and of `response`, which only it imports.
#[doc(hidden)]
pub mod bindings {
    #![allow(missing_docs, unreachable_pub, clippy::all)]

    wit_bindgen::generate!({
        path: "../../wit",
        world: "affinity-plugin",
        with: {
            "trimtab:plugin/types@0.1.0": crate::bindings::trimtab::plugin::types,
            "trimtab:plugin/request@0.1.0": crate::bindings::trimtab::plugin::request,
            "trimtab:plugin/load@0.1.0": crate::bindings::trimtab::plugin::load,
            "trimtab:plugin/table@0.1.0": crate::bindings::trimtab::plugin::table,
            "trimtab:plugin/log@0.1.0": crate::bindings::trimtab::plugin::log,
            "trimtab:plugin/response@0.1.0": generate,
        },
        pub_export_macro: true,
        export_macro_name: "export_bindings",
        default_bindings_module: "trimtab_sdk::affinity::bindings",
    });
}

/// Makes a crate the plugin that binds clients by this [`Affinity`](crate::Affinity). Natively it
/// does nothing, so that the crate can be tested and linked like any other.
///
/// `export_affinity!(Mine, observer)` exports the type's [`Observer`](crate::Observer) as well, `handoff`
/// in its place its [`Handoff`](crate::Handoff), and `observer, handoff` both.
///
/// A panic of the plugin is a line in the host's log, and then a trap.
#[macro_export]
macro_rules! export_affinity {
    ($affinity:ty $(, $beside:ident)*) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            use $crate::affinity::bindings;
            use $crate::slot::Slot;
            use $crate::{Affinity, Moment, Verdict};

            ::std::thread_local! {
                static SLOT: Slot<$affinity> = const { Slot::new() };
            }

            struct Component;

            impl bindings::exports::trimtab::plugin::affinity::Guest for Component {
                $crate::export_table_calls!(SLOT, Affinity, $affinity);

                fn find(moment: Moment) -> Verdict {
                    SLOT.with(|slot| slot.call(|affinity| affinity.find(moment)))
                }

                fn bind(moment: Moment, backend: u32, found: Option<u32>) -> Vec<(String, String)> {
                    SLOT.with(|slot| slot.call(|affinity| affinity.bind(moment, backend, found)))
                }
            }

            bindings::export_bindings!(Component with_types_in bindings);
            $($crate::export_beside!(SLOT, Component, $beside);)*
        };
    };
}

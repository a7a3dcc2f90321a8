//! The router side: the trait and the export macro.
//!
//! It only carries calls. Whether an answer is valid is checked by the host (and by
//! `testing::Route`).

use crate::{Instance, Moment, Plan};

/// Where a request goes: the answer to [`Router::route`].
pub use bindings::exports::trimtab::plugin::router::Destination;

/// Picks a pool for a request or connection. One value per worker and route; calls come one at a time.
pub trait Router: Sized + 'static {
    /// Makes the router of its settings, a JSON object, and of the names of the pools to choose
    /// between, and says what it wants from the host.
    ///
    /// # Errors
    ///
    /// A sentence for the person who wrote the settings; the host adds the plugin's name.
    fn configure(settings: &str, instance: &Instance, pools: &[String]) -> Result<(Self, Plan), String>;

    /// Runs for every request that matched the route. `Destination::Pool` holds a position in the list
    /// given to [`configure`](Self::configure).
    fn route(&mut self, moment: Moment) -> Destination;
}

/// The generated bindings of the world `router-plugin`, and of `pools`, which only it imports.
#[doc(hidden)]
pub mod bindings {
    #![allow(missing_docs, unreachable_pub, clippy::all)]

    wit_bindgen::generate!({
        path: "../../wit",
        world: "router-plugin",
        with: {
            "trimtab:plugin/types@0.1.0": crate::bindings::trimtab::plugin::types,
            "trimtab:plugin/request@0.1.0": crate::bindings::trimtab::plugin::request,
            "trimtab:plugin/table@0.1.0": crate::bindings::trimtab::plugin::table,
            "trimtab:plugin/log@0.1.0": crate::bindings::trimtab::plugin::log,
            "trimtab:plugin/pools@0.1.0": generate,
        },
        additional_derives: [PartialEq, Eq, Hash],
        pub_export_macro: true,
        export_macro_name: "export_bindings",
        default_bindings_module: "trimtab_sdk::router::bindings",
    });
}

/// Makes a crate the plugin that routes by this [`Router`](crate::Router). Natively it does nothing,
/// so that the crate can be tested and linked like any other.
///
/// `export_router!(Mine, handoff)` exports the type's [`Handoff`](crate::Handoff) as well.
///
/// A panic of the plugin is a line in the host's log, and then a trap.
#[macro_export]
macro_rules! export_router {
    ($router:ty $(, $beside:ident)?) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            use $crate::router::bindings;
            use $crate::slot::Slot;
            use $crate::{Destination, Instance, Moment, Plan, Router};

            ::std::thread_local! {
                static SLOT: Slot<$router> = const { Slot::new() };
            }

            struct Component;

            impl bindings::exports::trimtab::plugin::router::Guest for Component {
                fn configure(settings: String, instance: Instance, pools: Vec<String>) -> Result<Plan, String> {
                    $crate::panic::report();
                    SLOT.with(|slot| slot.start(<$router as Router>::configure(&settings, &instance, &pools)))
                }

                fn route(moment: Moment) -> Destination {
                    SLOT.with(|slot| slot.call(|router| router.route(moment)))
                }
            }

            bindings::export_bindings!(Component with_types_in bindings);
            $($crate::export_beside!(SLOT, Component, $beside);)?
        };
    };
}

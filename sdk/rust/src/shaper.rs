//! The shaper side: the trait and the export macro.
//!
//! It only carries calls. Whether an answer is valid is checked by the host (and by
//! `testing::Shaping`).

use crate::{Backend, Instance};

/// Stands before a balancer in a chain and sets the weights that the next element sees. One value per
/// pool, whose `worker` is 0; it runs per change of the table, never per request.
pub trait Shaper: Sized + 'static {
    /// Makes the shaper of its settings, a JSON object (`{}` where there are none).
    ///
    /// # Errors
    ///
    /// A sentence for the person who wrote the settings; the host adds the plugin's name.
    fn configure(settings: &str, instance: &Instance) -> Result<Self, String>;

    /// One weight per backend, in order, 0 to 65535; 0 = no candidate.
    fn shape(&mut self, backends: &[Backend]) -> Vec<u32>;
}

/// The generated bindings of the world `shaper-plugin`.
#[doc(hidden)]
pub mod bindings {
    #![allow(missing_docs, unreachable_pub, clippy::all)]

    wit_bindgen::generate!({
        path: "../../wit",
        world: "shaper-plugin",
        with: {
            "trimtab:plugin/types@0.1.0": crate::bindings::trimtab::plugin::types,
            "trimtab:plugin/log@0.1.0": crate::bindings::trimtab::plugin::log,
        },
        pub_export_macro: true,
        export_macro_name: "export_bindings",
        default_bindings_module: "trimtab_sdk::shaper::bindings",
    });
}

/// Makes a crate the plugin that weighs by this [`Shaper`](crate::Shaper). Natively it does nothing,
/// so that the crate can be tested and linked like any other.
///
/// A panic of the plugin is a line in the host's log, and then a trap.
#[macro_export]
macro_rules! export_shaper {
    ($shaper:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            use $crate::shaper::bindings;
            use $crate::slot::Slot;
            use $crate::{Backend, Instance, Shaper};

            ::std::thread_local! {
                static SLOT: Slot<$shaper> = const { Slot::new() };
            }

            struct Component;

            impl bindings::exports::trimtab::plugin::shaper::Guest for Component {
                fn configure(settings: String, instance: Instance) -> Result<(), String> {
                    $crate::panic::report();
                    let configured = <$shaper as Shaper>::configure(&settings, &instance);
                    SLOT.with(|slot| slot.start(configured.map(|shaper| (shaper, ()))))
                }

                fn shape(backends: Vec<Backend>) -> Vec<u32> {
                    SLOT.with(|slot| slot.call(|shaper| shaper.shape(&backends)))
                }
            }

    bindings::export_bindings!(Component with_types_in bindings);
        };
    };
}

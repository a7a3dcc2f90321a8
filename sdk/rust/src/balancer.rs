//! The balancer side: the trait, the export macro, and the cell that holds an instance's state.
//!
//! It only carries calls. Whether an answer is valid is checked by the host (and by `testing::Pool`).

use std::cell::RefCell;

use crate::{Backend, Instance, Moment, Plan, Readiness, Verdict};

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

/// Holds an instance's balancer between the host's calls, and the table it was last given. Used by
/// [`export_balancer!`](crate::export_balancer) and the test kit. A call out of order panics, which is a trap.
#[doc(hidden)]
pub struct Slot<B>(RefCell<Option<Active<B>>>);

struct Active<B> {
    balancer: B,
    /// Kept so that `adjust` can show whole backends; the host sends weights and readiness alone.
    table: Vec<Backend>,
}

#[doc(hidden)]
impl<B: Balancer> Slot<B> {
    #[allow(clippy::new_without_default)] // `new` is const, for statics
    pub const fn new() -> Self {
        Self(RefCell::new(None))
    }

    pub fn configure(&self, settings: &str, instance: &Instance) -> Result<Plan, String> {
        let (balancer, plan) = B::configure(settings, instance)?;
        self.0.replace(Some(Active { balancer, table: Vec::new() }));
        Ok(plan)
    }

    pub fn update(&self, backends: Vec<Backend>) {
        self.with(|active| {
            active.table = backends;
            active.balancer.update(&active.table);
        });
    }

    pub fn adjust(&self, weights: &[u32], readiness: &[Readiness]) {
        self.with(|active| {
            for ((backend, weight), readiness) in active.table.iter_mut().zip(weights).zip(readiness) {
                backend.weight = *weight;
                backend.readiness = *readiness;
            }
            active.balancer.adjust(&active.table);
        });
    }

    #[inline]
    pub fn pick(&self, moment: Moment) -> Verdict {
        self.with(|active| active.balancer.pick(moment))
    }

    #[inline]
    fn with<T>(&self, call: impl FnOnce(&mut Active<B>) -> T) -> T {
        match &mut *self.0.borrow_mut() {
            Some(active) => call(active),
            None => panic!("called before `configure` succeeded"),
        }
    }
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
/// A panic of the plugin is a line in the host's log, and then a trap.
#[macro_export]
macro_rules! export_balancer {
    ($balancer:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            use $crate::balancer::{Slot, bindings};
            use $crate::{Backend, Instance, Moment, Plan, Readiness, Verdict};

            ::std::thread_local! {
                static SLOT: Slot<$balancer> = const { Slot::new() };
            }

            struct Component;

            impl bindings::exports::trimtab::plugin::balancer::Guest for Component {
                fn configure(settings: String, instance: Instance) -> Result<Plan, String> {
                    $crate::panic::report();
                    SLOT.with(|slot| slot.configure(&settings, &instance))
                }

                fn update(backends: Vec<Backend>) {
                    SLOT.with(|slot| slot.update(backends));
                }

                fn adjust(weights: Vec<u32>, readiness: Vec<Readiness>) {
                    SLOT.with(|slot| slot.adjust(&weights, &readiness));
                }

                fn pick(moment: Moment) -> Verdict {
                    SLOT.with(|slot| slot.pick(moment))
                }
            }

    bindings::export_bindings!(Component with_types_in bindings);
        };
    };
}

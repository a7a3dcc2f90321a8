//! What the export macros share: the calls about the table, and what a plugin exports beside its decision.
//!
//! Each is expanded within one of them: `SLOT` and `Component` are theirs.

/// The functions of a `Guest` that balancers and affinities have in common.
#[doc(hidden)]
#[macro_export]
macro_rules! export_table_calls {
    ($slot:ident, $trait:ident, $plugin:ty) => {
        fn configure(settings: String, instance: $crate::Instance) -> Result<$crate::Plan, String> {
            $crate::panic::report();
            $slot.with(|slot| slot.start(<$plugin as $crate::$trait>::configure(&settings, &instance)))
        }

        fn update(backends: Vec<$crate::Backend>) {
            $slot.with(|slot| slot.update(backends, $crate::$trait::update));
        }

        fn adjust(weights: Vec<u32>, readiness: Vec<$crate::Readiness>) {
            $slot.with(|slot| slot.adjust(&weights, &readiness, $crate::$trait::adjust));
        }
    };
}

/// What is exported for a word after the type.
#[doc(hidden)]
#[macro_export]
macro_rules! export_beside {
    ($slot:ident, $component:ident, observer) => {
        impl $crate::observer::bindings::exports::trimtab::plugin::observer::Guest for $component {
            fn observe(outcomes: Vec<$crate::Outcome>) {
                $slot.with(|slot| slot.call(|state| $crate::Observer::observe(state, &outcomes)));
            }

            fn tick(now_us: u64) {
                $slot.with(|slot| slot.call(|state| $crate::Observer::tick(state, now_us)));
            }
        }

        $crate::observer::bindings::export_bindings!($component with_types_in $crate::observer::bindings);
    };
    ($slot:ident, $component:ident, handoff) => {
        impl $crate::handoff::bindings::exports::trimtab::plugin::handoff::Guest for $component {
            fn save() -> Vec<u8> {
                $slot.with(|slot| slot.call(|state| $crate::Handoff::save(state)))
            }

            fn restore(saved: Vec<u8>) -> Result<(), String> {
                $slot.with(|slot| slot.call(|state| $crate::Handoff::restore(state, &saved)))
            }
        }

        $crate::handoff::bindings::export_bindings!($component with_types_in $crate::handoff::bindings);
    };
}

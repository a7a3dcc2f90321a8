//! The components inside the binary: the balancers that users choose by name alone.
//!
//! They are loaded like any other component; nothing but the lookup by name sets them apart.

/// Their names.
pub const NAMES: &[&str] = &["round-robin", "weighted-round-robin"];

/// The component of this name.
pub(super) fn component(name: &str) -> Option<&'static [u8]> {
    match name {
        "round-robin" => Some(include_bytes!("../../../plugins/dist/round-robin.wasm")),
        "weighted-round-robin" => Some(include_bytes!("../../../plugins/dist/weighted-round-robin.wasm")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::PluginLimits;
    use crate::plugin::{Registry, RegistryOptions, Source};

    #[test]
    fn all_of_them_load() {
        let registry = Registry::new(RegistryOptions { max_instances: 1, ..RegistryOptions::default() }).unwrap();
        for name in NAMES {
            registry.load_blocking((*name).into(), Source::BuiltIn, PluginLimits::default()).unwrap();
        }
    }
}

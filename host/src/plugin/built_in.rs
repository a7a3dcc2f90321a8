//! The components inside the binary: the plugins that users choose by name alone.
//!
//! They are loaded like any other component; nothing but the lookup by name sets them apart.

macro_rules! built_in {
    ($($name:literal)*) => {
        /// Their names.
        pub const NAMES: &[&str] = &[$($name),*];

        /// The component of this name.
        pub(super) fn component(name: &str) -> Option<&'static [u8]> {
            match name {
                $($name => Some(include_bytes!(concat!("../../../plugins/dist/", $name, ".wasm"))),)*
                _ => None,
            }
        }
    };
}

built_in! {
    "app-cookie"
    "client-address"
    "cookie"
    "first"
    "header"
    "header-router"
    "ip-hash"
    "least-connections"
    "maglev"
    "p2c"
    "peak-ewma"
    "priority"
    "random"
    "rendezvous"
    "ring-hash"
    "round-robin"
    "route"
    "split"
    "subset"
    "weighted-round-robin"
    "zone"
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

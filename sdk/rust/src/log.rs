//! Lines in the host's log, marked with plugin, pool and generation. Rate limited, and cut at 4 KiB.

#[cfg(not(target_arch = "wasm32"))]
use crate::testing::facts::log as source;

#[cfg(target_arch = "wasm32")]
use crate::bindings::trimtab::plugin::log as source;

use crate::bindings::trimtab::plugin::log::Level;

/// Something failed.
pub fn error(message: &str) {
    source::log(Level::Error, message);
}

/// Something is odd.
pub fn warn(message: &str) {
    source::log(Level::Warn, message);
}

/// Something worth knowing happened.
pub fn info(message: &str) {
    source::log(Level::Info, message);
}

/// For whoever looks for a fault.
pub fn debug(message: &str) {
    source::log(Level::Debug, message);
}

/// For whoever looks for a fault, closely.
pub fn trace(message: &str) {
    source::log(Level::Trace, message);
}

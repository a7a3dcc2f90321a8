//! The components inside the binary: the balancers that users choose by name alone.

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

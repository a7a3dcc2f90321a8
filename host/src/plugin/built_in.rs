//! The components inside the binary: the balancers that users choose by name alone.

/// Their names.
pub const NAMES: &[&str] = &[];

/// The component of this name.
pub(super) fn component(name: &str) -> Option<&'static [u8]> {
    match name {
        _ => None,
    }
}

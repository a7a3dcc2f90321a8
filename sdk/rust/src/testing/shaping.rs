//! A shaper in front of nothing, as the host would drive it.

use super::{facts, instance};
use crate::slot::Slot;
use crate::{Backend, Shaper};

/// One instance of a shaper. An answer that the host would not take panics.
pub struct Shaping<S: Shaper>(Slot<S>);

impl<S: Shaper> Shaping<S> {
    /// The instance of the first worker of one.
    ///
    /// # Panics
    ///
    /// When the shaper refuses the settings.
    pub fn new(settings: &str) -> Self {
        facts::reset();
        let slot = Slot::new();
        if let Err(reason) = slot.start(S::configure(settings, &instance(0, 1)).map(|shaper| (shaper, ()))) {
            panic!("`configure` refused {settings}: {reason}");
        }
        Self(slot)
    }

    /// The weights that the next element of the chain sees.
    ///
    /// # Panics
    ///
    /// When the host would not take them: not one for each backend, or one above 65535.
    pub fn shape(&mut self, backends: &[Backend]) -> Vec<u32> {
        let weights = self.0.call(|shaper| shaper.shape(backends));
        assert_eq!(weights.len(), backends.len(), "one weight for each backend: {weights:?}");
        assert!(weights.iter().all(|weight| *weight <= 65_535), "a weight is above 65535: {weights:?}");
        weights
    }
}

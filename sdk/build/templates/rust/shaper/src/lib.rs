//! A backend with the label `canary` has half its weight, rounded up, in the eyes of the balancer behind it.

use trimtab_sdk::{Backend, Instance, Shaper};

/// Weighs backends.
pub struct Steer;

impl Shaper for Steer {
    /// The settings have `process` in them, as those of any shaper: this one does not need it.
    fn configure(_settings: &str, _instance: &Instance) -> Result<Self, String> {
        Ok(Self)
    }

    fn shape(&mut self, backends: &[Backend]) -> Vec<u32> {
        let weigh = |backend: &Backend| match backend.label("canary") {
            Some(_) => backend.weight.div_ceil(2),
            None => backend.weight,
        };
        backends.iter().map(weigh).collect()
    }
}

trimtab_sdk::export_shaper!(Steer);

//! Priority: tiers of backends by label. The first tier gets everything while enough of it is ready; the next takes
//! over in proportion as it loses ready backends.
//!
//! The spread is that of Envoy's priority levels with its overprovisioning factor. There is no panic mode: a backend
//! that is not ready gets nothing, and when nobody is ready nobody is a candidate.

use serde::Deserialize;
use serde::de::IgnoredAny;
use trimtab_sdk::tiers::{Tiers, spill};
use trimtab_sdk::{Backend, Instance, Shaper, log, settings};

/// The settings.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Priority {
    label: String,
    overprovision: f64,
    /// The host tells every shaper the name of its process.
    #[serde(rename = "process")]
    _process: IgnoredAny,
}

impl Default for Priority {
    fn default() -> Self {
        Self { label: "priority".to_owned(), overprovision: 1.4, _process: IgnoredAny }
    }
}

impl Shaper for Priority {
    fn configure(settings: &str, _instance: &Instance) -> Result<Self, String> {
        let priority: Self = settings::parse(settings)?;
        if !(priority.overprovision >= 1.0 && priority.overprovision.is_finite()) {
            return Err(format!("`overprovision` is {}: it must be 1 or more", priority.overprovision));
        }
        Ok(priority)
    }

    fn shape(&mut self, backends: &[Backend]) -> Vec<u32> {
        let levels: Vec<i64> = backends.iter().map(|backend| self.level(backend)).collect();
        let mut order = levels.clone();
        order.sort_unstable();
        order.dedup();
        let ranks: Vec<usize> = levels.iter().map(|level| order.partition_point(|other| other < level)).collect();
        let tiers = Tiers::new(backends, order.len(), ranks);
        let capacity = |ready_share: f64| f64::min(1.0, self.overprovision * ready_share);
        let capacities: Vec<f64> = tiers.weights().iter().map(|tier| capacity(tier.ready_share())).collect();
        tiers.shape(backends, &spill(&capacities))
    }
}

impl Priority {
    /// 0 without a label. One that is no integer counts as none: better used than lost.
    fn level(&self, backend: &Backend) -> i64 {
        let Some(text) = backend.label(&self.label) else { return 0 };
        text.parse().unwrap_or_else(|_| {
            log::warn(&format!(
                "the label {} = `{text}` of backend `{}` is no integer: taken as 0",
                self.label, backend.id
            ));
            0
        })
    }
}

trimtab_sdk::export_shaper!(Priority);

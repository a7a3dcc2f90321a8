//! Zone: prefers the backends of the local zone, and spills over to the other zones in proportion as the local one is
//! short of capacity.
//!
//! What a zone can take is reckoned from ready weights, and from the traffic of the zone where the settings tell it.
//! It measures nothing. The spread over local and other backends is that of Envoy's priority levels.

use serde::Deserialize;
use serde::de::IgnoredAny;
use trimtab_sdk::tiers::{TierWeight, Tiers, spill};
use trimtab_sdk::{Backend, Instance, Shaper, log, settings};

/// The settings.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Zone {
    zone: String,
    #[serde(default = "default_label")]
    label: String,
    #[serde(default = "default_min_ready")]
    min_ready: f64,
    traffic: Option<f64>,
    /// The host tells every shaper the name of its process.
    #[serde(default, rename = "process")]
    _process: IgnoredAny,
}

fn default_label() -> String {
    "zone".to_owned()
}

fn default_min_ready() -> f64 {
    0.7
}

impl Shaper for Zone {
    fn configure(settings: &str, _instance: &Instance) -> Result<Self, String> {
        let zone: Self = settings::parse(settings)?;
        let is_part = |part: f64| part > 0.0 && part <= 1.0;
        if zone.zone.is_empty() {
            return Err("`zone` is empty: it must name the zone of this balancer".to_owned());
        }
        if !is_part(zone.min_ready) {
            return Err(format!("`min_ready` is {}: it must be above 0, and 1 at most", zone.min_ready));
        }
        match zone.traffic {
            Some(traffic) if !is_part(traffic) => {
                Err(format!("`traffic` is {traffic}: it must be above 0, and 1 at most"))
            }
            _ => Ok(zone),
        }
    }

    fn shape(&mut self, backends: &[Backend]) -> Vec<u32> {
        let tier_of: Vec<usize> =
            backends.iter().map(|backend| usize::from(backend.label(&self.label) != Some(&self.zone))).collect();
        if !backends.is_empty() && !tier_of.contains(&0) {
            log::warn(&format!("no backend is in the local zone: none has the label {} = `{}`", self.label, self.zone));
        }
        let tiers = Tiers::new(backends, 2, tier_of);
        let shares = match tiers.weights() {
            [local, others] => spill(&self.capacities(*local, *others)),
            _ => Vec::new(),
        };
        tiers.shape(backends, &shares)
    }
}

impl Zone {
    /// What the local zone and the others can take of all requests of this balancer.
    fn capacities(&self, local: TierWeight, others: TierWeight) -> [f64; 2] {
        let by_readiness = |tier: TierWeight| f64::min(1.0, tier.ready_share() / self.min_ready);
        let ready = local.ready + others.ready;
        // All zones draw on the same backends: a zone with more of the traffic than of the backends is short.
        let by_traffic = match self.traffic {
            Some(traffic) if ready > 0 => local.ready as f64 / ready as f64 / traffic,
            _ => 1.0,
        };
        [f64::min(by_readiness(local), by_traffic), by_readiness(others)]
    }
}

trimtab_sdk::export_shaper!(Zone);

//! Ketama: backends have points on a ring, a key belongs to the next point; the same as nginx's.
//!
//! Ring and hashes are those of `hash KEY consistent` in nginx (`ngx_http_upstream_hash_module`), so that both
//! send a key to the same backend where addresses and weights are the same, outages included: who is down is
//! walked over, by nginx and here. The key is its bytes, not the host's hash of them.

mod points;
mod ring;

pub use ring::Ring;

use serde::Deserialize;
use trimtab_sdk::bounded::Bound;
use trimtab_sdk::walk::Walk;
use trimtab_sdk::{Backend, Balancer, Instance, Moment, Plan, Verdict, request, settings};

/// Most points that a unit of weight may be set to have: evener than anyone can tell.
const MOST_A_UNIT: u32 = 10_000;

/// Most points that a ring may be set to have: 32 MiB, and as much again while it changes.
const MOST_POINTS: u32 = 1 << 22;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    points: u32,
    max_points: u32,
    bounded_load: Option<f64>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { points: 160, max_points: 1 << 19, bounded_load: None }
    }
}

impl Settings {
    fn check(self) -> Result<Self, String> {
        let Self { points, max_points, .. } = self;
        if !(1..=MOST_A_UNIT).contains(&points) {
            return Err(format!("`points` is {points}, and must be 1 to {MOST_A_UNIT}: those of a unit of weight"));
        }
        if !(1024..=MOST_POINTS).contains(&max_points) {
            return Err(format!("`max_points` is {max_points}, and must be 1024 to {MOST_POINTS}"));
        }
        Ok(self)
    }
}

/// The ring of the pool.
#[derive(Debug)]
pub struct RingHash {
    ring: Ring,
    walk: Walk,
}

impl Balancer for RingHash {
    fn configure(settings: &str, _instance: &Instance) -> Result<(Self, Plan), String> {
        let settings = settings::parse::<Settings>(settings)?.check()?;
        let walk = Walk::new(Bound::new(settings.bounded_load)?);
        Ok((Self { ring: Ring::new(settings.points, settings.max_points), walk }, Plan::default()))
    }

    fn update(&mut self, backends: &[Backend]) {
        self.ring.update(backends);
        self.walk.update(backends);
    }

    fn adjust(&mut self, backends: &[Backend]) {
        self.ring.adjust(backends);
        self.walk.update(backends);
    }

    fn pick(&mut self, moment: Moment) -> Verdict {
        let Some(key) = moment.key.and_then(|_| request::key_bytes()) else { return Verdict::Pass };
        let hash = crc32fast::hash(&key);
        self.walk.pick(&moment, |asking| asking.first(self.ring.order(hash)))
    }
}

trimtab_sdk::export_balancer!(RingHash);

//! The client's address, or network, has a backend, consistently: rendezvous hashing over the address.
//!
//! Unlike nginx's `ip_hash`, which counts backends, a change of the pool moves the clients of the backend
//! that changed and no others. The host masks and hashes the address; only where prefix lengths for both
//! families are set that no single key of the host can say, it is done here.

mod network;

pub use network::Networks;

use serde::Deserialize;
use trimtab_sdk::rendezvous::Rendezvous;
use trimtab_sdk::walk::Walk;
use trimtab_sdk::{Backend, Balancer, Instance, Moment, Plan, Verdict, request, settings};

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    network: Option<u8>,
    network6: Option<u8>,
}

/// The scores of the pool, and what of an address counts.
#[derive(Debug)]
pub struct IpHash {
    scores: Rendezvous,
    walk: Walk,
    /// What of an address counts, where the host's key cannot say it.
    cut: Option<Networks>,
}

impl Balancer for IpHash {
    fn configure(settings: &str, _instance: &Instance) -> Result<(Self, Plan), String> {
        let settings: Settings = settings::parse(settings)?;
        let networks = Networks::new(settings.network, settings.network6)?;
        let key = networks.key();
        let cut = key.is_none().then_some(networks);
        let plan = Plan { keys: key.into_iter().collect(), ..Plan::default() };
        Ok((Self { scores: Rendezvous::default(), walk: Walk::default(), cut }, plan))
    }

    fn update(&mut self, backends: &[Backend]) {
        self.scores.update(backends);
        self.walk.update(backends);
    }

    fn adjust(&mut self, backends: &[Backend]) {
        self.scores.adjust(backends);
        self.walk.update(backends);
    }

    fn pick(&mut self, moment: Moment) -> Verdict {
        let Some(key) = self.key(&moment) else { return Verdict::Pass };
        self.walk.pick(&moment, |asking| self.scores.best(key, |index| asking.takes(index)))
    }
}

impl IpHash {
    fn key(&self, moment: &Moment) -> Option<u64> {
        match self.cut {
            None => moment.key,
            // Not the key's bytes: those may be of another key, which `key =` names.
            Some(networks) => request::client_address().parse().ok().map(|client| networks.hash(client)),
        }
    }
}

trimtab_sdk::export_balancer!(IpHash);

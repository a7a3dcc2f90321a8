//! Client-address: clients of an address or network go to the same backend; for TCP and UDP as for HTTP.
//!
//! As `header`, with the client's address after trusted proxies and the PROXY protocol as key. It does
//! not look into headers itself.

mod network;

use std::time::Duration;

use serde::Deserialize;
use serde::de::IgnoredAny;
use trimtab_sdk::remembered::Remembered;
use trimtab_sdk::{Affinity, Backend, Instance, Moment, Plan, Verdict, request, settings};

use network::{Networks, Prefix};

/// The settings.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Prefix length that makes IPv4 clients one: `24` or `"/24"`.
    network: Option<Prefix>,
    /// The same for IPv6 clients; 56 where only `network` is set.
    network6: Option<Prefix>,
    /// How long a client is remembered after its last request: seconds, or text such as `"30m"`.
    #[serde(deserialize_with = "settings::duration")]
    ttl: Duration,
    /// The host's, 32 bytes in base64, in the settings of every affinity. Not needed here.
    #[serde(rename = "secret")]
    _secret: IgnoredAny,
}

impl Default for Settings {
    fn default() -> Self {
        Self { network: None, network6: None, ttl: Duration::from_secs(30 * 60), _secret: IgnoredAny }
    }
}

/// The bindings by address or network.
#[derive(Debug)]
pub struct ClientAddress {
    bindings: Remembered,
    /// What no key of a plan can say.
    networks: Option<Networks>,
}

impl Affinity for ClientAddress {
    fn configure(settings: &str, _instance: &Instance) -> Result<(Self, Plan), String> {
        let settings: Settings = settings::parse(settings)?;
        let (key, networks) = network::plan(settings.network, settings.network6)?;
        let plan = Plan { keys: vec![key], ..Plan::default() };
        Ok((Self { bindings: Remembered::new(settings.ttl)?, networks }, plan))
    }

    fn update(&mut self, backends: &[Backend]) {
        self.bindings.update(backends);
    }

    fn adjust(&mut self, backends: &[Backend]) {
        self.bindings.adjust(backends);
    }

    fn find(&mut self, moment: Moment) -> Verdict {
        let found = self.key().and_then(|key| self.bindings.find_or_bind(&key, moment));
        found.map_or(Verdict::Pass, Verdict::Backend)
    }

    fn bind(&mut self, moment: Moment, backend: u32, found: Option<u32>) -> Vec<(String, String)> {
        // `find` of a first try has remembered what it answered.
        let remembered = moment.attempt == 0 && found == Some(backend);
        if !remembered && let Some(key) = self.key() {
            self.bindings.bind(&key, moment, backend);
        }
        Vec::new()
    }
}

impl ClientAddress {
    fn key(&self) -> Option<Vec<u8>> {
        match self.networks {
            None => request::key_bytes(),
            Some(networks) => networks.of(&request::client_address()),
        }
    }
}

trimtab_sdk::export_affinity!(ClientAddress);

//! Header: whoever sends the same value of a header goes to the same backend.
//!
//! A value that is new goes by weighted rendezvous over the ready backends, and is remembered in the table that
//! all workers share. It is the memory that binds: hashing alone would move clients whenever a
//! backend drains or joins. See [`Remembered`] for what is written when.

use std::time::Duration;

use serde::Deserialize;
use serde::de::IgnoredAny;
use trimtab_sdk::remembered::Remembered;
use trimtab_sdk::{Affinity, Backend, Instance, Moment, Plan, Verdict, log, request, settings};

/// The settings.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The header. May be left out where the configuration says `key`.
    name: String,
    /// How long a value is remembered after its last use: seconds, or text such as `"30m"`.
    #[serde(deserialize_with = "settings::duration")]
    ttl: Duration,
    /// The host's, 32 bytes in base64, in the settings of every affinity. Not needed here.
    #[serde(rename = "secret")]
    _secret: IgnoredAny,
}

impl Default for Settings {
    fn default() -> Self {
        Self { name: String::new(), ttl: Duration::from_secs(30 * 60), _secret: IgnoredAny }
    }
}

/// The bindings by value.
#[derive(Debug)]
pub struct Header(Remembered);

impl Affinity for Header {
    fn configure(settings: &str, _instance: &Instance) -> Result<(Self, Plan), String> {
        let settings: Settings = settings::parse(settings)?;
        let keys = match settings.name.as_str() {
            "" => {
                log::info("no `name`: clients are bound by the `key` of the configuration, if there is one");
                Vec::new()
            }
            name if settings::is_token(name) => vec![format!("header:{}", name.to_ascii_lowercase())],
            name => return Err(format!("`name`: `{name}` is no name of a header")),
        };
        Ok((Self(Remembered::new(settings.ttl)?), Plan { keys, ..Plan::default() }))
    }

    fn update(&mut self, backends: &[Backend]) {
        self.0.update(backends);
    }

    fn adjust(&mut self, backends: &[Backend]) {
        self.0.adjust(backends);
    }

    fn find(&mut self, moment: Moment) -> Verdict {
        let found = key(moment).and_then(|key| self.0.find_or_bind(&key, moment));
        found.map_or(Verdict::Pass, Verdict::Backend)
    }

    fn bind(&mut self, moment: Moment, backend: u32, found: Option<u32>) -> Vec<(String, String)> {
        // `find` of a first try has remembered what it answered.
        let remembered = moment.attempt == 0 && found == Some(backend);
        if !remembered && let Some(key) = key(moment) {
            self.0.bind(&key, moment, backend);
        }
        Vec::new()
    }
}

fn key(moment: Moment) -> Option<Vec<u8>> {
    moment.key.and_then(|_| request::key_bytes())
}

trimtab_sdk::export_affinity!(Header);

//! What plugins are measured in: tables of backends, requests, seats. It measures nothing.

use std::sync::Arc;

use http::HeaderValue;
use trimtab::config::PluginLimits;
use trimtab::decide::{BackendLoad, Facts, Key, Keyed, LocalTable, Moment, PoolLoad, Readiness, Row, key};
use trimtab::plugin::{Built, Registry, Seat, Source};

/// Memory of a plugin's table: the default.
const TABLE: usize = 16 << 20;
/// What the host puts in the settings of affinities: 32 bytes in base64.
const SECRET: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// Weights of the backends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weights {
    /// All 1.
    Equal,
    /// 1 to 5.
    Mixed,
}

/// A table of so many backends, all ready, with ids, addresses and labels as people write them.
pub(crate) fn rows(count: usize, weights: Weights) -> Vec<Row> {
    let row = |i: usize| Row {
        id: format!("web{i}").into(),
        address: format!("10.0.{}.{}:8080", i / 250, i % 250 + 1).into(),
        weight: if weights == Weights::Equal { 1 } else { i as u32 % 5 + 1 },
        readiness: Readiness::Ready,
        labels: Arc::new([
            ("priority".to_owned(), (i % 3).to_string()),
            ("zone".to_owned(), ["a", "b", "c"][i % 3].to_owned()),
        ]),
        load: Arc::new(BackendLoad::default()),
    };
    (0..count).map(row).collect()
}

/// Where an instance is to sit.
pub(crate) struct Place<'a> {
    /// A built-in.
    pub(crate) plugin: &'a str,
    /// A JSON object.
    pub(crate) settings: &'a str,
    /// `key` of the configuration.
    pub(crate) key: Option<&'a str>,
    /// For a router.
    pub(crate) pools: &'a [&'a str],
}

impl Place<'_> {
    /// Loads the plugin, if it is not loaded yet, and seats an instance of it.
    pub(crate) fn seat<I: Built>(&self, registry: &Registry, rows: &[Row], load: &Arc<PoolLoad>) -> I {
        let definition = registry.load_blocking(self.plugin.into(), Source::BuiltIn, PluginLimits::default()).unwrap();
        let mut settings = self.settings.to_owned();
        if definition.roles().contains(&"affinity") {
            let rest = settings.split_off(1);
            settings += &format!("\"secret\": \"{SECRET}\"{}{rest}", if rest == "}" { "" } else { ", " });
        }
        let pool = |name: &&str| {
            let load = PoolLoad::new(1);
            load.set_ready(3);
            (Arc::from(*name), Arc::new(load))
        };
        let seat = Seat {
            definition,
            pool: "web".into(),
            worker: 0,
            workers: 1,
            settings: settings.into(),
            keys: self.key.iter().map(|key| key.parse().unwrap()).collect(),
            load: Arc::clone(load),
            rows: rows.into(),
            pools: self.pools.iter().map(pool).collect(),
            table: Arc::new(LocalTable::new(TABLE)),
        };
        registry.build_blocking(seat).unwrap()
    }
}

/// The request of a client: its address, a user in a header, a session in a cookie.
pub(crate) fn request(client: u32) -> Box<Facts> {
    let mut facts = Facts {
        protocol: "http/1.1",
        listener: "web".into(),
        client: Some(std::net::SocketAddr::from((std::net::Ipv4Addr::from(0x0b00_0000 + client), 40_000))),
        uri: http::Uri::from_static("/shop/basket?item=17"),
        ..Facts::default()
    };
    facts.headers.insert("host", HeaderValue::from_static("example.com"));
    facts.headers.insert("user-agent", HeaderValue::from_static("a-browser/1.0 (of some length)"));
    facts.headers.insert("accept", HeaderValue::from_static("text/html,application/xhtml+xml"));
    facts.headers.insert("x-user", HeaderValue::from_str(&format!("user-{client}.example")).unwrap());
    Box::new(facts)
}

/// The moments of decisions that follow each other.
pub(crate) struct Clock {
    random: fastrand::Rng,
    now_us: u64,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self { random: fastrand::Rng::with_seed(1), now_us: 1_700_000_000_000_000 }
    }

    pub(crate) fn random(&mut self) -> &mut fastrand::Rng {
        &mut self.random
    }

    pub(crate) fn now_us(&self) -> u64 {
        self.now_us
    }

    /// Ten microseconds later; the key is hashed as for each decision.
    pub(crate) fn moment(&mut self, instance: &impl Keyed, facts: &Facts) -> Moment {
        self.moment_of(instance.keys(), facts)
    }

    fn moment_of(&mut self, keys: &[Key], facts: &Facts) -> Moment {
        self.now_us += 10;
        Moment { key: key::hash(keys, facts, 0), random: self.random.u64(..), now_us: self.now_us, attempt: 0 }
    }
}

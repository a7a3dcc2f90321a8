//! What is measured: each built-in, with the settings and circumstances that make a difference.

use super::world::{Place, Weights};

/// A balancer in one way of its use.
pub(crate) struct Balancer {
    /// What the row is called.
    pub(crate) title: &'static str,
    pub(crate) plugin: &'static str,
    pub(crate) settings: &'static str,
    /// Whether it decides by a key; then it gets the header `x-user`.
    pub(crate) keyed: bool,
    pub(crate) weights: Weights,
    pub(crate) busy: Busy,
}

/// What is in flight when the time of a decision is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Busy {
    /// 1 to 5 at each backend, and a latency.
    All,
    /// Nothing.
    Idle,
    /// 100 at the first half of the backends, else nothing.
    FirstHalf,
}

const fn plain(title: &'static str, keyed: bool) -> Balancer {
    Balancer { title, plugin: title, settings: "{}", keyed, weights: Weights::Equal, busy: Busy::All }
}

const fn mixed(title: &'static str, plugin: &'static str, keyed: bool) -> Balancer {
    Balancer { title, plugin, weights: Weights::Mixed, ..plain(title, keyed) }
}

const fn bounded(title: &'static str, plugin: &'static str) -> Balancer {
    Balancer { title, plugin, settings: r#"{"bounded_load": 1.25}"#, ..plain(title, true) }
}

/// The balancers.
pub(crate) const BALANCERS: [Balancer; 21] = [
    plain("round-robin", false),
    plain("weighted-round-robin", false),
    mixed("weighted-round-robin, mixed weights", "weighted-round-robin", false),
    plain("random", false),
    mixed("random, mixed weights", "random", false),
    plain("least-connections", false),
    mixed("least-connections, mixed weights", "least-connections", false),
    Balancer { plugin: "least-connections", busy: Busy::Idle, ..plain("least-connections, all idle", false) },
    plain("p2c", false),
    mixed("p2c, mixed weights", "p2c", false),
    plain("peak-ewma", false),
    plain("ip-hash", false),
    plain("ring-hash", true),
    bounded("ring-hash, `bounded_load`", "ring-hash"),
    plain("maglev", true),
    bounded("maglev, `bounded_load`", "maglev"),
    plain("rendezvous", true),
    mixed("rendezvous, mixed weights", "rendezvous", true),
    bounded("rendezvous, `bounded_load`", "rendezvous"),
    plain("first", false),
    Balancer { plugin: "first", busy: Busy::FirstHalf, ..plain("first, half of them full", false) },
];

impl Balancer {
    pub(crate) fn place(&self) -> Place<'static> {
        let key = self.keyed.then_some("header:x-user");
        Place { plugin: self.plugin, settings: self.settings, key, pools: &[] }
    }

    /// Whether it differs from other rows in what a change of the table costs.
    pub(crate) fn is_of_tables(&self) -> bool {
        self.settings == "{}" && self.busy == Busy::All
    }

    /// Whether it differs from other rows in how it spreads.
    pub(crate) fn is_of_spread(&self) -> bool {
        self.busy == Busy::All
    }

    /// Whether a client stays with a backend.
    pub(crate) fn hashes(&self) -> bool {
        self.keyed || self.plugin == "ip-hash"
    }
}

/// An affinity.
pub(crate) struct Affinity {
    pub(crate) plugin: &'static str,
    pub(crate) settings: &'static str,
}

/// The affinities.
pub(crate) const AFFINITIES: [Affinity; 5] = [
    Affinity { plugin: "cookie", settings: "{}" },
    Affinity { plugin: "header", settings: r#"{"name": "x-user"}"# },
    Affinity { plugin: "client-address", settings: "{}" },
    Affinity { plugin: "app-cookie", settings: r#"{"name": "JSESSIONID"}"# },
    Affinity { plugin: "route", settings: r#"{"cookie": "JSESSIONID"}"# },
];

impl Affinity {
    pub(crate) fn place(&self) -> Place<'static> {
        Place { plugin: self.plugin, settings: self.settings, key: None, pools: &[] }
    }
}

/// Titles and places of the routers.
pub(crate) const ROUTERS: [(&str, Place<'static>); 3] = [
    (
        "split, two pools",
        Place { plugin: "split", settings: r#"{"percent": 5}"#, key: None, pools: &["web", "canary"] },
    ),
    (
        "split, five pools by header",
        Place {
            plugin: "split",
            settings: r#"{"weights": [5, 4, 3, 2, 1]}"#,
            key: Some("header:x-user"),
            pools: &["a", "b", "c", "d", "e"],
        },
    ),
    (
        "header-router",
        Place {
            plugin: "header-router",
            settings: r#"{"header": "x-user", "values": {"user-1.example": "one"}, "prefix": {"user-": "many"}}"#,
            key: None,
            pools: &["one", "many"],
        },
    ),
];

/// The shapers.
pub(crate) const SHAPERS: [Place<'static>; 3] = [
    Place { plugin: "priority", settings: "{}", key: None, pools: &[] },
    Place { plugin: "zone", settings: r#"{"zone": "a"}"#, key: None, pools: &[] },
    Place { plugin: "subset", settings: r#"{"size": 20, "balancer": "one"}"#, key: None, pools: &[] },
];

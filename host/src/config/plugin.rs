//! Plugins and their uses: `[plugin.NAME]`, and wherever one is named.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::decide::Key;

/// The use of a plugin: `"p2c"` or `{ plugin = "p2c", key = "path", choices = 3 }`.
///
/// `secret` and `process` are in no settings: the host sets them.
#[derive(Debug, Clone, PartialEq)]
pub struct PluginUse {
    /// Name in `[plugin]` or of a built-in.
    pub plugin: Arc<str>,
    /// `key`: one or a list of key sources, in place of the plan's.
    pub keys: Vec<Key>,
    /// The plugin's settings with the inline ones merged over them key by key, as a JSON object.
    pub settings: serde_json::Map<String, serde_json::Value>,
}

/// `[plugin.NAME]`
#[derive(Debug, Clone, PartialEq)]
pub struct Plugin {
    /// `component`, relative to the configuration's folder; none: the built-in of this name.
    pub component: Option<PathBuf>,
    /// `settings`, as a JSON object (default: empty); dates and times are strings in it.
    pub settings: serde_json::Map<String, serde_json::Value>,
    /// `response_headers`: names besides `set-cookie` that its `bind` may add, lower case (default: none).
    /// None of them frames a message or is meant for one hop.
    pub response_headers: Vec<Arc<str>>,
    /// Limits of an instance.
    pub limits: PluginLimits,
    /// Whether it is replaced when the component's file changes (default false). Only with `component`.
    pub watch: bool,
    /// `shadow`: how long a new generation decides beside the old one, only compared, before it takes over
    /// (1 s to 1 h; none, the default or `false`: not at all).
    pub shadow: Option<Duration>,
    /// `probation`: how long after a swap the generation before is kept warm; it comes back by itself when the
    /// new one faults too often (default 30 s, 1 s to 1 h; `false`, none: not at all).
    pub probation: Option<Duration>,
    /// `breaker`: when a plugin that fails is left alone (default `true`; `false`, none: never).
    pub breaker: Option<BreakerPolicy>,
    /// `conformance`: what a component must have passed before it decides (default off).
    pub conformance: Conformance,
}

/// What a component must have passed before it decides, beside its trial.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Conformance {
    /// `off`: nothing more.
    #[default]
    Off,
    /// `strict`: a short `trimtab plugin test --strict`, as it is used here.
    Strict,
}

/// What a plugin of which the file says nothing has: built-ins, mostly.
impl Default for Plugin {
    fn default() -> Self {
        Self {
            component: None,
            settings: serde_json::Map::new(),
            response_headers: Vec::new(),
            limits: PluginLimits::default(),
            watch: false,
            shadow: None,
            probation: Some(Duration::from_secs(30)),
            breaker: Some(BreakerPolicy::default()),
            conformance: Conformance::Off,
        }
    }
}

/// `breaker = { faults = 10, window = "10s", delay = "1s", max_delay = "60s" }`: a plugin that has so many faults
/// within the window is not asked for a while; the fallback decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerPolicy {
    /// `faults` that open it (default 10, 1 to 1000000).
    pub faults: u32,
    /// `window` within which they are counted (default 10 s, 1 s to 1 h).
    pub window: Duration,
    /// `delay`: how long it stays open the first time; twice as long each further time in a row (default 1 s,
    /// 100 ms to 1 h).
    pub delay: Duration,
    /// `max_delay`: the longest that a delay grows to (default 60 s, or `delay` if that is more; up to 24 h).
    pub max_delay: Duration,
}

impl Default for BreakerPolicy {
    fn default() -> Self {
        Self {
            faults: 10,
            window: Duration::from_secs(10),
            delay: Duration::from_secs(1),
            max_delay: Duration::from_secs(60),
        }
    }
}

/// Limits of a plugin's instances. Deadlines are 1 ms to 60 s.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PluginLimits {
    /// `deadline`: processor time of one decision (default 5 ms).
    pub deadline: Duration,
    /// `update_deadline`: of one `update` or `adjust` (default 100 ms).
    pub update_deadline: Duration,
    /// `configure_deadline` (default 1 s; instantiation is within it).
    pub configure_deadline: Duration,
    /// `memory`: over all memories of an instance, in bytes (default 128 MiB, 64 KiB to 4 GiB).
    pub memory: usize,
    /// `table`: shared memory of the plugin, for each pool, in bytes (default 16 MiB, 64 KiB to 1 GiB).
    pub table: usize,
}

impl Default for PluginLimits {
    fn default() -> Self {
        Self {
            deadline: Duration::from_millis(5),
            update_deadline: Duration::from_millis(100),
            configure_deadline: Duration::from_secs(1),
            memory: 128 << 20,
            table: 16 << 20,
        }
    }
}

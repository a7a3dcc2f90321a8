//! Who may decide where the configuration says `conformance = "strict"`: what has passed a short `trimtab plugin test --strict`, as it
//! is used there.
//!
//! What has passed is remembered, so a change asks first and waits for a test only where there is something new, and nothing else waits
//! for it. One test runs at a time: it takes one of the builder threads.

use std::cell::RefCell;
use std::sync::Arc;

use http::HeaderName;
use tokio::sync::Semaphore;

use crate::config::{Config, Conformance, PluginLimits, PluginUse};
use crate::decide::Key;
use crate::lab::conformance::{Finding, Options, examine};
use crate::lab::subject::Subject;
use crate::plugin::{BuildError, BuildReason, Definition, Registry, silently};

/// Uses that are remembered.
const MOST: usize = 1000;

/// What has passed, and whose turn it is.
pub(super) struct Gate {
    passed: RefCell<Vec<Use>>,
    turn: Semaphore,
}

impl Default for Gate {
    fn default() -> Self {
        Self { passed: RefCell::default(), turn: Semaphore::new(1) }
    }
}

/// A plugin in a place: all that its answers may come from. Of the same use the same holds.
#[derive(Clone, PartialEq)]
struct Use {
    digest: [u8; 32],
    limits: PluginLimits,
    role: &'static str,
    /// The pool, or the route.
    place: Arc<str>,
    settings: Arc<str>,
    keys: Vec<Key>,
    headers: Arc<[HeaderName]>,
    /// Of a router.
    pools: Vec<String>,
    workers: u32,
    /// Of the largest table that it is tried with.
    backends: usize,
}

/// What has not passed, and who it is.
pub(super) struct Unproven {
    definition: Arc<Definition>,
    used: Use,
}

impl Gate {
    /// Where plugins have to pass that have not: those of which `definition` knows the generation that is to decide.
    pub(super) fn unproven(
        &self,
        config: &Config,
        workers: usize,
        definition: impl Fn(&str) -> Option<Arc<Definition>>,
    ) -> Vec<Unproven> {
        let mut all = Vec::new();
        let mut add =
            |used: &PluginUse, place: &Arc<str>, role: Option<&'static str>, pools: &[Arc<str>], backends: usize| {
                let Some(plugin) = config.plugins.get(&used.plugin) else { return };
                if plugin.conformance != Conformance::Strict {
                    return;
                }
                let Some(definition) = definition(&used.plugin) else { return };
                let shapes = definition.roles().contains(&"shaper") && !definition.roles().contains(&"balancer");
                let role = role.unwrap_or(if shapes { "shaper" } else { "balancer" });
                let headers = plugin.response_headers.iter();
                let used = Use {
                    digest: *definition.digest(),
                    limits: *definition.limits(),
                    role,
                    place: Arc::clone(place),
                    settings: serde_json::Value::Object(used.settings.clone()).to_string().into(),
                    keys: used.keys.clone(),
                    headers: headers.filter_map(|name| HeaderName::from_bytes(name.as_bytes()).ok()).collect(),
                    pools: pools.iter().map(|pool| pool.to_string()).collect(),
                    workers: u32::try_from(workers).unwrap_or(u32::MAX),
                    // Some may join.
                    backends: (4 * backends).next_power_of_two().clamp(128, 10_000),
                };
                if !self.passed.borrow().contains(&used) {
                    all.push(Unproven { definition, used });
                }
            };
        for (name, pool) in &config.pools {
            let backends = pool.backends.len();
            pool.affinity.iter().for_each(|used| add(used, name, Some("affinity"), &[], backends));
            pool.balancer.iter().for_each(|used| add(used, name, None, &[], backends));
        }
        for route in &config.routes {
            route.router.iter().for_each(|router| add(&router.used, &route.name, Some("router"), &router.pools, 0));
        }
        all
    }

    /// Tests them, one after the other.
    ///
    /// # Errors
    /// The first that does not pass: the property, and how to see it again.
    pub(super) async fn admit(&self, registry: &Registry, unproven: Vec<Unproven>) -> Result<(), BuildError> {
        for Unproven { definition, used } in unproven {
            // It is never closed.
            let _turn = self.turn.acquire().await;
            if self.passed.borrow().contains(&used) {
                continue;
            }
            let (role, kind) = (used.role, if used.role == "router" { "route" } else { "pool" });
            let place = format!("{kind} `{}`", used.place);
            if let Err(reason) = test(registry, &definition, &used).await {
                return Err(BuildError::new(&definition, place, reason));
            }
            let (plugin, generation) = (definition.name(), definition.generation());
            tracing::info!(%plugin, generation, "keeps the contract as {role} of {place}");
            let mut passed = self.passed.borrow_mut();
            if passed.len() >= MOST {
                passed.remove(0);
            }
            passed.push(used);
        }
        Ok(())
    }
}

async fn test(registry: &Registry, definition: &Arc<Definition>, used: &Use) -> Result<(), BuildReason> {
    let subject = Subject {
        settings: Arc::clone(&used.settings),
        keys: used.keys.clone(),
        place: Arc::clone(&used.place),
        workers: used.workers,
        ..Subject::of(Arc::clone(definition))
    };
    let role = used.role;
    let (pools, headers) = (used.pools.clone(), Some(Arc::clone(&used.headers)));
    let options = Options { pools, headers, large: used.backends, ..Options::quick() };
    // What it says about tables that nobody has is for nobody.
    let silent = move || silently(|| examine(&subject, role, &options, |_| ()));
    let report = match registry.work(silent).await.unwrap_or(Err(BuildReason::NoAnswer)) {
        Err(BuildReason::Full(why)) => {
            let why = format!("its test needs some instances beside those that decide, and there was no room: {why}");
            return Err(BuildReason::Conformance(why + "; `[server] max_instances` makes more"));
        }
        report => report?,
    };
    // How near it came to its limits depends on what else the machine does.
    match report.objections(true).find(|finding| finding.property != "headroom") {
        Some(Finding { property, status, evidence }) => {
            let status = status.as_str();
            Err(BuildReason::Conformance(format!("`{property}` of the {role} {status}: {evidence}")))
        }
        None => Ok(()),
    }
}

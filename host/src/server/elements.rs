//! Plugins in the places where the configuration uses them: with their settings, tables and counters.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::HeaderName;

use super::StartError;
use super::secret::Secret;
use crate::config::{self, Config, PluginUse};
use crate::decide::table::{LocalTable, Table};
use crate::plugin::Definition;
use crate::snapshot::{Chain, Element};
use crate::telemetry::counters::PerWorker;

/// Makes elements. A plugin that is used twice in one pool shares a table with itself.
pub(super) struct Elements<'a> {
    config: &'a Config,
    definitions: &'a BTreeMap<Arc<str>, Arc<Definition>>,
    secret: &'a Secret,
    workers: usize,
    tables: BTreeMap<(Arc<str>, String), Arc<dyn Table>>,
}

impl<'a> Elements<'a> {
    /// For the plugins of `definitions`, by name.
    pub(super) fn new(
        config: &'a Config,
        definitions: &'a BTreeMap<Arc<str>, Arc<Definition>>,
        secret: &'a Secret,
        workers: usize,
    ) -> Self {
        Self { config, definitions, secret, workers, tables: BTreeMap::new() }
    }

    /// The plugins of a pool.
    ///
    /// # Errors
    /// No balancer comes behind a shaper.
    pub(super) fn chain(&mut self, name: &Arc<str>, pool: &config::Pool) -> Result<Chain, StartError> {
        let affinity = pool.affinity.as_ref().and_then(|used| {
            let secret = self.secret.derive(&used.plugin, name);
            self.element(used, format!("pool {name}"), Some(("secret", secret)))
        });
        let mut chain = Chain { affinity, balancers: Vec::new(), shapers: Vec::new() };
        for used in &pool.balancer {
            let Some(definition) = self.definitions.get(&used.plugin) else { continue };
            // What is neither will say so when it is to be seated as a balancer.
            let shapes = definition.roles().contains(&"shaper") && !definition.roles().contains(&"balancer");
            let given = shapes.then(|| ("process", self.config.server.name.to_string()));
            let Some(element) = self.element(used, format!("pool {name}"), given) else { continue };
            if shapes {
                chain.shapers.push((chain.balancers.len(), element));
            } else {
                chain.balancers.push(element);
            }
        }
        match chain.shapers.last() {
            Some((before, shaper)) if *before == chain.balancers.len() => {
                Err(StartError::NoBalancer { pool: Arc::clone(name), shaper: Arc::clone(shaper.definition.name()) })
            }
            _ => Ok(chain),
        }
    }

    /// The router of a route.
    pub(super) fn router(&mut self, route: &str, used: &PluginUse) -> Option<Element> {
        self.element(used, format!("route {route}"), None)
    }

    /// `given` is a setting that comes from the host.
    fn element(&mut self, used: &PluginUse, place: String, given: Option<(&str, String)>) -> Option<Element> {
        let definition = Arc::clone(self.definitions.get(&used.plugin)?);
        let mut settings = used.settings.clone();
        if let Some((name, value)) = given {
            settings.insert(name.to_owned(), value.into());
        }
        // Its place for entries is taken at once, so nobody gets one for nothing.
        let quota = if definition.uses_table() { definition.limits().table } else { 0 };
        let table = self.tables.entry((Arc::clone(&used.plugin), place));
        let headers = self.config.plugins.get(&used.plugin).map(|plugin| &plugin.response_headers[..]);
        let headers = headers.unwrap_or_default().iter();
        Some(Element {
            settings: serde_json::Value::Object(settings).to_string().into(),
            keys: used.keys.clone(),
            table: Arc::clone(table.or_insert_with(|| Arc::new(LocalTable::new(quota)))),
            headers: headers.filter_map(|name| HeaderName::from_bytes(name.as_bytes()).ok()).collect(),
            decisions: Arc::new(PerWorker::new(self.workers)),
            definition,
        })
    }
}

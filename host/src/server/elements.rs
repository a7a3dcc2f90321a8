//! Plugins in the places where the configuration uses them: with their settings, tables and counters.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use http::HeaderName;

use super::StartError;
use super::secret::Secret;
use crate::config::{self, Config, PluginUse};
use crate::decide::table::{LocalTable, Table};
use crate::plugin::Definition;
use crate::snapshot::{Chain, Element, Snapshot};
use crate::telemetry::counters::PerWorker;

/// Makes elements, or finds them in the snapshot that is to be changed: what is used as before stays what it is, and
/// what is used otherwise keeps its table and its counters. A plugin that is used twice in one pool shares a table with
/// itself.
pub(super) struct Elements<'a> {
    config: &'a Config,
    before: Option<&'a Snapshot>,
    definitions: &'a BTreeMap<Arc<str>, Arc<Definition>>,
    secret: &'a Secret,
    workers: usize,
    tables: BTreeMap<(Arc<str>, String), Arc<dyn Table>>,
    /// Elements of the snapshot before that have their place already: one that stands twice in a chain is two.
    taken: HashSet<*const Element>,
}

impl<'a> Elements<'a> {
    /// For the plugins of `definitions`, by name.
    pub(super) fn new(
        config: &'a Config,
        definitions: &'a BTreeMap<Arc<str>, Arc<Definition>>,
        secret: &'a Secret,
        workers: usize,
        before: Option<&'a Snapshot>,
    ) -> Self {
        let tables = BTreeMap::new();
        Self { config, before, definitions, secret, workers, tables, taken: HashSet::new() }
    }

    /// The plugins of a pool.
    ///
    /// # Errors
    /// No balancer comes behind a shaper.
    pub(super) fn chain(&mut self, name: &Arc<str>, pool: &config::Pool) -> Result<Chain, StartError> {
        let affinity = pool.affinity.as_ref().and_then(|used| {
            let secret = self.secret.derive(&used.plugin, name);
            self.element(used, ("affinity", name), Some(("secret", secret)))
        });
        let mut chain = Chain { affinity, balancers: Vec::new(), shapers: Vec::new() };
        for used in &pool.balancer {
            let Some(definition) = self.definitions.get(&used.plugin) else { continue };
            // What is neither will say so when it is to be seated as a balancer.
            let shapes = definition.roles().contains(&"shaper") && !definition.roles().contains(&"balancer");
            let given = shapes.then(|| ("process", self.config.server.name.to_string()));
            let role = if shapes { "shaper" } else { "balancer" };
            let Some(element) = self.element(used, (role, name), given) else { continue };
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
    pub(super) fn router(&mut self, route: &str, used: &PluginUse) -> Option<Arc<Element>> {
        self.element(used, ("router", route), None)
    }

    /// `given` is a setting that comes from the host.
    fn element(
        &mut self,
        used: &PluginUse,
        (role, name): (&'static str, &str),
        given: Option<(&str, String)>,
    ) -> Option<Arc<Element>> {
        let definition = self.definitions.get(&used.plugin)?;
        let mut settings = used.settings.clone();
        if let Some((name, value)) = given {
            settings.insert(name.to_owned(), value.into());
        }
        let settings = serde_json::Value::Object(settings).to_string();
        let headers = self.config.plugins.get(&used.plugin).map(|plugin| &plugin.response_headers[..]);
        let headers = headers.unwrap_or_default().iter();
        let headers: Vec<_> = headers.filter_map(|name| HeaderName::from_bytes(name.as_bytes()).ok()).collect();
        let before = self.before.into_iter().flat_map(Snapshot::uses).filter(|known| {
            let place = if role == "router" { known.route } else { known.pool };
            place == name && known.element.is_of(&used.plugin)
        });
        let before: Vec<_> = before.collect();
        let same = before.iter().find(|known| {
            let element = known.element;
            known.role == role
                && !self.taken.contains(&Arc::as_ptr(element))
                && Arc::ptr_eq(&element.definition, definition)
                && *element.settings == *settings
                && element.keys == used.keys
                && element.headers[..] == headers[..]
        });
        if let Some(same) = same {
            self.taken.insert(Arc::as_ptr(same.element));
            return Some(Arc::clone(same.element));
        }
        // Its place for entries is taken at once, so nobody gets one for nothing.
        let quota = if definition.uses_table() { definition.limits().table } else { 0 };
        let kept = before.first().filter(|known| {
            known.element.definition.uses_table() == definition.uses_table()
                && known.element.definition.limits().table == definition.limits().table
        });
        let kind = if role == "router" { "route" } else { "pool" };
        let table = self.tables.entry((Arc::clone(&used.plugin), format!("{kind} {name}")));
        let table = table.or_insert_with(|| match kept {
            Some(known) => Arc::clone(&known.element.table),
            None => Arc::new(LocalTable::new(quota)),
        });
        let counted = before.iter().find(|known| known.role == role).map(|known| Arc::clone(&known.element.decisions));
        Some(Arc::new(Element {
            settings: settings.into(),
            keys: used.keys.clone(),
            table: Arc::clone(table),
            headers: headers.into(),
            decisions: counted.unwrap_or_else(|| Arc::new(PerWorker::new(self.workers))),
            health: Arc::default(),
            definition: Arc::clone(definition),
        }))
    }
}

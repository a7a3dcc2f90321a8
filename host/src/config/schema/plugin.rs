//! `[plugin.NAME]`, and the use of a plugin by a pool.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use toml::de::DeValue;

use super::names::Names;
use super::table::Table;
use super::value::Value;
use super::{path, values};
use crate::config::report::{Finding, Sink};
use crate::config::{Plugin, PluginLimits, PluginUse};
use crate::decide::Key;

/// The plugins that pools may use.
pub(super) struct Plugins<'a> {
    /// Of `[plugin]`, and the built-ins.
    pub(super) names: Names,
    /// `[plugin.NAME]`, by name, less those with errors.
    pub(super) configured: &'a BTreeMap<Arc<str>, Plugin>,
}

/// `[plugin.NAME]`
pub(super) fn plugin(mut table: Table<'_>, name: &str, names: &Names, folder: &Path) -> Plugin {
    table.reserve(&["watch"]);
    let written = table.take("component");
    if written.is_none() && !names.is_built_in(name) {
        let message = format!("`[plugin.{name}]` has no `component`, and no built-in has this name");
        let finding = Finding::error(table.span(), message);
        table.sink().push(finding.absence().help(format_args!("add `component = \"{name}.wasm\"`")));
    }
    let component = written.and_then(|value| path(value, folder));
    let default = PluginLimits::default();
    let deadline = || values::duration(values::DEADLINE);
    let plugin = Plugin {
        component,
        settings: table.optional("settings", values::settings).unwrap_or_default(),
        limits: PluginLimits {
            deadline: table.or("deadline", default.deadline, deadline()),
            update_deadline: table.or("update_deadline", default.update_deadline, deadline()),
            configure_deadline: table.or("configure_deadline", default.configure_deadline, deadline()),
            memory: table.or("memory", default.memory, values::memory_size(64 << 10..=4 << 30)),
        },
    };
    table.finish();
    plugin
}

impl Plugins<'_> {
    /// `"p2c"`, or `{ plugin = "p2c", key = "path", choices = 3 }`.
    pub(super) fn used(&self, value: Value<'_>) -> Option<PluginUse> {
        let mut table = match value.raw() {
            DeValue::String(_) => return Some(self.with_settings(self.names.resolve(value)?)),
            DeValue::Array(_) => {
                return value.reject_with(
                    format_args!("a list for `{}` is not available in this version", value.key()),
                    "name one plugin",
                );
            }
            DeValue::Table(_) => value.table(format!("`{}`", value.key()))?,
            _ => return value.wrong_type("a plugin", "write `\"round-robin\"` or `{ plugin = \"round-robin\" }`"),
        };
        let plugin = table.required("plugin", "plugin = \"round-robin\"", |value| self.names.resolve(value));
        let keys = table.or("key", Vec::new(), keys);
        let inline = values::object(table);
        let mut used = PluginUse { keys, ..self.with_settings(plugin?) };
        used.settings.extend(inline?);
        Some(used)
    }

    /// The use of a plugin that nobody wrote.
    pub(super) fn default(&self, name: &str, span: Range<usize>, sink: &Sink) -> Option<PluginUse> {
        Some(self.with_settings(self.names.resolve_text(name, span, sink)?))
    }

    fn with_settings(&self, plugin: Arc<str>) -> PluginUse {
        let settings = self.configured.get(&plugin).map(|plugin| plugin.settings.clone()).unwrap_or_default();
        PluginUse { plugin, keys: Vec::new(), settings }
    }
}

/// One source of keys, or a list: the first that has a value wins.
fn keys(value: Value<'_>) -> Option<Vec<Key>> {
    let one = |value: Value<'_>| {
        let text = value.string("a key", "client-address")?;
        text.parse().map_or_else(|error| value.reject(error), Some)
    };
    match value.raw() {
        DeValue::Array(elements) if elements.is_empty() => {
            value.reject_with("`key` names no key", "remove it to use the keys that the plugin asks for")
        }
        DeValue::Array(_) => value.list("a list", "[]")?.map(one).collect::<Vec<_>>().into_iter().collect(),
        _ => Some(vec![one(value)?]),
    }
}

//! `[plugin.NAME]`, and the use of plugins by pools and routes.
//!
//! What a plugin is (a balancer, a shaper, a router …) is not known here: that is found when it is loaded.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use http::header::{self, HeaderName};
use toml::de::DeValue;

use super::names::Names;
use super::replacement::replacement;
use super::table::Table;
use super::value::Value;
use super::{path, values};
use crate::config::report::{Finding, Sink};
use crate::config::{Plugin, PluginLimits, PluginUse, RouterUse};
use crate::decide::Key;

/// Keys of settings that the host sets, and what to write where they shall be something else.
const SET_BY_HOST: [(&str, &str); 2] = [
    ("secret", "remove it; `[server] secret_file` is where it comes from"),
    ("process", "remove it; `[server] name` is what it will be"),
];
/// Headers that `bind` may not add: those that frame the message, and those that RFC 9110 §7.6.1 ends at each hop.
const FRAMING: [HeaderName; 11] = [
    header::CONNECTION,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    HeaderName::from_static("keep-alive"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// The plugins that pools and routes may use.
pub(super) struct Plugins<'a> {
    /// Of `[plugin]`, and the built-ins.
    pub(super) names: Names,
    /// `[plugin.NAME]`, by name, less those with errors.
    pub(super) configured: &'a BTreeMap<Arc<str>, Plugin>,
}

/// `[plugin.NAME]`
pub(super) fn plugin(mut table: Table<'_>, name: &str, names: &Names, folder: &Path) -> Plugin {
    let written = table.take("component");
    if written.is_none() && !names.is_built_in(name) {
        let message = format!("`[plugin.{name}]` has no `component`, and no built-in has this name");
        let finding = Finding::error(table.span(), message);
        table.sink().push(finding.absence().help(format_args!("add `component = \"{name}.wasm\"`")));
    }
    let has_file = written.is_some();
    let component = written.and_then(|value| path(value, folder));
    let default = PluginLimits::default();
    let deadline = || values::duration(values::DEADLINE);
    let mut plugin = Plugin {
        component,
        settings: table.optional("settings", settings).unwrap_or_default(),
        response_headers: table.or("response_headers", Vec::new(), response_headers),
        limits: PluginLimits {
            deadline: table.or("deadline", default.deadline, deadline()),
            update_deadline: table.or("update_deadline", default.update_deadline, deadline()),
            configure_deadline: table.or("configure_deadline", default.configure_deadline, deadline()),
            memory: table.or("memory", default.memory, values::memory_size(64 << 10..=4 << 30)),
            table: table.or("table", default.table, values::memory_size(64 << 10..=1 << 30)),
        },
        ..Plugin::default()
    };
    replacement(&mut table, has_file, &mut plugin);
    table.finish();
    plugin
}

impl Plugins<'_> {
    /// `"p2c"`, or `{ plugin = "p2c", key = "path", choices = 3 }`.
    pub(super) fn used(&self, value: Value<'_>) -> Option<PluginUse> {
        match value.raw() {
            DeValue::String(_) => Some(self.with_settings(self.names.resolve(value)?)),
            DeValue::Table(_) => self.used_table(value.table(format!("`{}`", value.key()))?, "round-robin"),
            DeValue::Array(_) => {
                value.reject_with(format_args!("`{}` is one plugin, not a list", value.key()), "name one plugin")
            }
            _ => value.wrong_type("a plugin", "write `\"round-robin\"` or `{ plugin = \"round-robin\" }`"),
        }
    }

    /// One plugin as [`Self::used`] reads it, or a list: a chain.
    pub(super) fn chain(&self, value: Value<'_>) -> Option<Vec<PluginUse>> {
        match value.raw() {
            DeValue::Array(elements) if elements.is_empty() => value.reject_with(
                format_args!("`{}` names no plugin", value.key()),
                "name one, such as `\"round-robin\"`, or remove the key",
            ),
            DeValue::Array(_) => {
                let elements = value.list("a list", "[]")?.map(|element| match element.raw() {
                    DeValue::Array(_) => element.reject_with("a list within a list", "write one list of plugins"),
                    _ => self.used(element),
                });
                // Two passes, so that every bad element is reported.
                elements.collect::<Vec<_>>().into_iter().collect()
            }
            _ => Some(vec![self.used(value)?]),
        }
    }

    /// `{ plugin = "split", pools = ["api", "api-next"], percent = 5 }`
    pub(super) fn router(&self, value: Value<'_>, pools: &Names) -> Option<RouterUse> {
        let example = format!("{{ plugin = \"{}\", pools = [\"web\"] }}", value.raw().as_str().unwrap_or("split"));
        let DeValue::Table(_) = value.raw() else {
            return value.wrong_type("a table with a plugin and its pools", format_args!("write `{example}`"));
        };
        let mut table = value.table("`router`")?;
        let pools = table.required("pools", "pools = [\"web\"]", |value| distinct_pools(value, pools));
        let used = self.used_table(table, "split");
        Some(RouterUse { used: used?, pools: pools? })
    }

    /// What is left of `table` but for `plugin` and `key` is settings. `example` is a plugin to write.
    fn used_table(&self, mut table: Table<'_>, example: &str) -> Option<PluginUse> {
        let example = format!("plugin = \"{example}\"");
        let plugin = table.required("plugin", &example, |value| self.names.resolve(value));
        let keys = table.or("key", Vec::new(), keys);
        refuse_set_by_host(&table);
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
pub(super) fn keys(value: Value<'_>) -> Option<Vec<Key>> {
    let one = |value: Value<'_>| {
        let text = value.string("a key", "client-address")?;
        text.parse().map_or_else(|error| value.reject(error), Some)
    };
    match value.raw() {
        DeValue::Array(elements) if elements.is_empty() => {
            value.reject_with("`key` names no key", "name one, or remove it")
        }
        DeValue::Array(_) => value.list("a list", "[]")?.map(one).collect::<Vec<_>>().into_iter().collect(),
        _ => Some(vec![one(value)?]),
    }
}

/// The `pools` of a router.
fn distinct_pools(value: Value<'_>, pools: &Names) -> Option<Vec<Arc<str>>> {
    let mut seen: BTreeMap<&str, Range<usize>> = BTreeMap::new();
    let one = |value: Value<'_>| pools.resolve(value);
    let list = value.list("a list of pools", &format!("[\"{}\"]", value.raw().as_str().unwrap_or("web")))?;
    let read: Vec<_> = list.map(|value| (value.raw().as_str().unwrap_or_default(), value.span(), one(value))).collect();
    for (name, span, known) in &read {
        match seen.get(name) {
            Some(first) if known.is_some() => {
                let finding = Finding::error(span.clone(), format_args!("this router has the pool `{name}` twice"));
                value.sink().push(finding.related(first.clone(), "the first is here").help("remove one of them"));
            }
            _ => drop(seen.insert(name, span.clone())),
        }
    }
    if read.is_empty() {
        return value.reject_with("`pools` names no pool", "name those that the router picks between");
    }
    read.into_iter().map(|(.., pool)| pool).collect()
}

/// `settings`
fn settings(value: Value<'_>) -> Option<serde_json::Map<String, serde_json::Value>> {
    let table = value.table(format!("`{} = {{ … }}`", value.key()))?;
    refuse_set_by_host(&table);
    values::object(table)
}

fn refuse_set_by_host(settings: &Table<'_>) {
    for (name, span, _) in settings.entries() {
        if let Some((_, help)) = SET_BY_HOST.iter().find(|(key, _)| *key == name) {
            settings.sink().push(Finding::error(span, format_args!("`{name}` is set by the host")).help(help));
        }
    }
}

fn response_headers(value: Value<'_>) -> Option<Vec<Arc<str>>> {
    let one = |value: Value<'_>| -> Option<Arc<str>> {
        let name = values::header_name(value.string("a list of names of headers", "x-served-by")?, value)?;
        match FRAMING.iter().any(|framing| *framing == *name) {
            false => Some(name),
            true => value.reject_with(
                format_args!("no plugin may add `{name}`: it belongs to how a response is sent"),
                "remove it",
            ),
        }
    };
    let example = format!("[\"{}\"]", value.raw().as_str().unwrap_or("x-served-by"));
    let names = value.list("a list of names of headers", &example)?.map(one);
    names.collect::<Vec<_>>().into_iter().collect()
}

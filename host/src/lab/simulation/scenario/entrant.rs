//! Who takes part: plugins that are compared, written as in the configuration of a pool.

use std::path::Path;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Settings of a plugin.
pub type Settings = serde_json::Map<String, Value>;

/// What is compared.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entrant {
    /// What it is called in the report; its balancers, if nothing else is said.
    #[serde(default)]
    pub name: Option<String>,
    /// Shapers and balancers, in the order in which they are asked.
    #[serde(deserialize_with = "chain")]
    pub balancer: Vec<Used>,
    /// Settings of a balancer that is alone.
    #[serde(default)]
    pub settings: Settings,
    /// Where keys come from, as `key` of a configuration, for those that name none themselves.
    #[serde(default)]
    pub key: Option<String>,
    /// An affinity before them: a built-in, or a component's file.
    #[serde(default)]
    pub affinity: Option<String>,
    /// Its settings.
    #[serde(default)]
    pub affinity_settings: Settings,
}

/// A plugin of a chain, and how it is used.
#[derive(Debug, Clone, PartialEq)]
pub struct Used {
    /// A built-in, or a component's file.
    pub plugin: String,
    /// Its settings.
    pub settings: Settings,
    /// Where its keys come from, as `key` of a configuration.
    pub key: Option<String>,
}

impl Entrant {
    /// A balancer without settings.
    pub fn of(balancer: &str) -> Self {
        let used = Used { plugin: balancer.to_owned(), settings: Settings::new(), key: None };
        Self {
            name: None,
            balancer: vec![used],
            settings: Settings::new(),
            key: None,
            affinity: None,
            affinity_settings: Settings::new(),
        }
    }

    /// What it is called.
    pub fn title(&self) -> String {
        let balancers = || self.balancer.iter().map(|used| &*used.plugin).collect::<Vec<_>>().join(" > ");
        self.name.clone().unwrap_or_else(balancers)
    }

    /// Its shapers and balancers, with all that is said of them.
    pub fn chain(&self) -> impl Iterator<Item = Used> {
        self.balancer.iter().map(|used| Used {
            plugin: used.plugin.clone(),
            settings: self
                .settings
                .iter()
                .chain(&used.settings)
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
            key: used.key.clone().or_else(|| self.key.clone()),
        })
    }

    /// What makes no sense in it.
    pub(super) fn check(&self) -> Result<(), String> {
        match (self.balancer.is_empty(), self.settings.is_empty()) {
            (true, _) => Err("a `balancer` is an empty list".to_owned()),
            (false, false) if self.balancer.len() > 1 => {
                let each = "in a list each has its own: { plugin = \"zone\", zone = \"a\" }";
                Err(format!("`settings` beside a list of balancers would be of nobody: {each}"))
            }
            _ => Ok(()),
        }
    }

    /// Files are relative to this folder: what has a suffix or a folder itself is one.
    pub(super) fn find_in(&mut self, folder: &Path) {
        let plugins = self.balancer.iter_mut().map(|used| &mut used.plugin).chain(self.affinity.as_mut());
        for plugin in plugins.filter(|plugin| plugin.contains(['.', '/'])) {
            *plugin = folder.join(&*plugin).display().to_string();
        }
    }
}

/// A name, a `{ plugin = "…" }` with settings beside it, or a list of these.
fn chain<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Used>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Array(all) => all.into_iter().map(used).collect(),
        one => used(one).map(|used| vec![used]),
    }
    .map_err(D::Error::custom)
}

fn used(value: Value) -> Result<Used, String> {
    match value {
        Value::String(plugin) => Ok(Used { plugin, settings: Settings::new(), key: None }),
        Value::Object(mut settings) => {
            let mut text = |name: &str| match settings.remove(name) {
                None => Ok(None),
                Some(Value::String(text)) => Ok(Some(text)),
                Some(other) => Err(format!("`{name}` of a balancer is {other}, and has to be text")),
            };
            let (plugin, key) = (text("plugin")?, text("key")?);
            let plugin = plugin.ok_or("a balancer in braces has no `plugin`")?;
            Ok(Used { plugin, settings, key })
        }
        other => Err(format!("a balancer is {other}, and has to be a name, or {{ plugin = \"…\" }}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entrant(text: &str) -> Result<Entrant, String> {
        let entrant: Entrant = toml::from_str(text).map_err(|error| error.to_string())?;
        entrant.check().map(|()| entrant)
    }

    #[test]
    fn chains_are_written_as_in_a_configuration() {
        let text = "balancer = ['priority', { plugin = 'maglev', key = 'path', bounded_load = 1.5 }, 'random']\n\
                    key = 'header:x-user'";
        let entrant = entrant(text).unwrap();
        let chain: Vec<_> = entrant.chain().collect();
        assert_eq!(entrant.title(), "priority > maglev > random");
        assert_eq!(
            chain.iter().map(|used| used.key.as_deref().unwrap()).collect::<Vec<_>>(),
            ["header:x-user", "path", "header:x-user"]
        );
        assert_eq!(chain[1].settings["bounded_load"], 1.5);
        assert!(chain[2].settings.is_empty());
    }

    #[test]
    fn one_is_a_chain_of_one() {
        let alone = entrant("balancer = 'p2c'\nsettings = { choices = 3 }").unwrap();
        let braced = entrant("balancer = { plugin = 'p2c', choices = 3 }").unwrap();
        assert!(alone.chain().eq(braced.chain()));
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for (text, why) in [
            ("balancer = []", "is an empty list"),
            ("balancer = 7", "a balancer is 7, and has to be a name"),
            ("balancer = [{ key = 'path' }]", "a balancer in braces has no `plugin`"),
            ("balancer = { plugin = 1 }", "`plugin` of a balancer is 1, and has to be text"),
            ("balancer = ['a', 'b']\nsettings = { x = 1 }", "would be of nobody"),
        ] {
            let said = entrant(text).unwrap_err();
            assert!(said.contains(why), "{text}: {said}");
        }
    }
}

//! Route: the application names its backend in a cookie or parameter: `JSESSIONID=4711.web1`.
//!
//! The way of Apache's `stickysession` and Tomcat's `jvmRoute`. Nothing is remembered and nothing is
//! set: what the client sends is the binding. Names are compared byte for byte, without percent-decoding.

use std::collections::HashMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use trimtab_sdk::{Affinity, Backend, Instance, Moment, Plan, Readiness, Verdict, log, request, settings};

/// The settings. The first of `cookie`, `path_parameter` and `query` that has a value counts.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The cookie to look into, such as `JSESSIONID`.
    cookie: String,
    /// The parameter of the path, such as `jsessionid`.
    path_parameter: String,
    /// The parameter of the query.
    query: String,
    /// The name of the backend is what follows the last of these; empty: the whole value.
    separator: String,
    /// The label that holds a backend's name; empty: its id.
    label: String,
    /// The host's, 32 bytes in base64, in the settings of every affinity. Not needed here.
    #[serde(rename = "secret")]
    _secret: IgnoredAny,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            cookie: String::new(),
            path_parameter: String::new(),
            query: String::new(),
            separator: ".".to_owned(),
            label: String::new(),
            _secret: IgnoredAny,
        }
    }
}

/// The backends by name.
#[derive(Debug)]
pub struct Route {
    settings: Settings,
    by_name: HashMap<String, u32>,
    readiness: Vec<Readiness>,
}

impl Affinity for Route {
    fn configure(settings: &str, _instance: &Instance) -> Result<(Self, Plan), String> {
        let settings: Settings = settings::parse(settings)?;
        if settings.cookie.is_empty() && settings.path_parameter.is_empty() && settings.query.is_empty() {
            return Err("one of `cookie`, `path_parameter` and `query` must say where the backend is named".to_owned());
        }
        Ok((Self { settings, by_name: HashMap::new(), readiness: Vec::new() }, Plan::default()))
    }

    fn update(&mut self, backends: &[Backend]) {
        self.by_name.clear();
        for (index, backend) in (0..).zip(backends) {
            let Some(name) = self.name_of(backend) else { continue };
            if !self.settings.separator.is_empty() && name.contains(&self.settings.separator) {
                let separator = &self.settings.separator;
                log::warn(&format!("`{name}` can not be found: it contains the separator `{separator}`"));
            }
            // Of two with one label the first counts, as in Apache.
            self.by_name.entry(name.to_owned()).or_insert(index);
        }
        self.adjust(backends);
    }

    fn adjust(&mut self, backends: &[Backend]) {
        self.readiness = backends.iter().map(|backend| backend.readiness).collect();
    }

    fn find(&mut self, moment: Moment) -> Verdict {
        let named = self.value().and_then(|value| self.by_name.get(self.suffix(&value)?).copied());
        let usable = |index: &u32| {
            self.readiness[*index as usize] != Readiness::Down && (moment.attempt == 0 || !request::tried(*index))
        };
        named.filter(usable).map_or(Verdict::Pass, Verdict::Backend)
    }

    /// The application has bound the client, or will.
    fn bind(&mut self, _moment: Moment, _backend: u32, _found: Option<u32>) -> Vec<(String, String)> {
        Vec::new()
    }
}

impl Route {
    fn name_of<'a>(&self, backend: &'a Backend) -> Option<&'a str> {
        match self.settings.label.as_str() {
            "" => Some(&backend.id),
            label => backend.label(label).filter(|name| !name.is_empty()),
        }
    }

    fn value(&self) -> Option<String> {
        let ask = |name: &str, fact: fn(&str) -> Option<String>| match name {
            "" => None,
            name => fact(name).filter(|value| !value.is_empty()),
        };
        ask(&self.settings.cookie, request::cookie)
            .or_else(|| ask(&self.settings.path_parameter, request::path_parameter))
            .or_else(|| ask(&self.settings.query, request::query_value))
    }

    fn suffix<'a>(&self, value: &'a str) -> Option<&'a str> {
        match self.settings.separator.as_str() {
            "" => Some(value),
            separator => value.rsplit_once(separator).map(|(_, name)| name),
        }
    }
}

trimtab_sdk::export_affinity!(Route);

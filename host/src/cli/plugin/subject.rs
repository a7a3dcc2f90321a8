//! What `test` and `bench` are told of a plugin: its component, its settings, its key, its limits.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use crate::config::PluginLimits;
use crate::decide::Key;
use crate::lab::subject::Subject;
use crate::plugin::{BuildReason, LoadError, Registry};

/// The plugin, and how it is used.
#[derive(Args)]
pub(super) struct Used {
    /// The component: a file, or the name of a built-in
    pub(super) component: String,
    /// Its settings, as a JSON object
    #[arg(long, value_name = "JSON", default_value = "{}", value_parser = object)]
    settings: Arc<str>,
    /// Where its key comes from, as `key` of the configuration; may be given more than once
    #[arg(long, value_name = "SPELLING")]
    key: Vec<Key>,
    /// For a router: the pools that it chooses between
    #[arg(long, value_name = "NAMES", value_delimiter = ',', default_value = "a,b,c")]
    pub(super) pools: Vec<String>,
    /// Of several roles, only this one
    #[arg(long, value_parser = ["balancer", "affinity", "router", "shaper"])]
    role: Option<String>,
    /// `deadline` of the configuration
    #[arg(long, value_name = "TIME", default_value = "5ms", value_parser = deadline)]
    deadline: Duration,
    /// `update_deadline` of the configuration
    #[arg(long, value_name = "TIME", default_value = "100ms", value_parser = deadline)]
    update_deadline: Duration,
    /// `configure_deadline` of the configuration
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = deadline)]
    configure_deadline: Duration,
    /// `memory` of the configuration, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 128, value_parser = clap::value_parser!(u16).range(1..=4096))]
    memory: u16,
}

impl Used {
    /// Loads it.
    pub(super) fn load(&self, registry: &Registry) -> Result<Subject, LoadError> {
        let subject = Subject::load(registry, &self.component, self.limits())?;
        Ok(Subject { settings: Arc::clone(&self.settings), keys: self.key.clone(), ..subject })
    }

    /// Its limits.
    pub(super) fn limits(&self) -> PluginLimits {
        PluginLimits {
            deadline: self.deadline,
            update_deadline: self.update_deadline,
            configure_deadline: self.configure_deadline,
            memory: usize::from(self.memory) << 20,
            ..PluginLimits::default()
        }
    }

    /// Its keys in a role: a shaper sees no request, and so has none.
    pub(super) fn keys_as(&self, role: &str) -> Vec<Key> {
        if role == "shaper" { Vec::new() } else { self.key.clone() }
    }

    /// In which of its roles it is looked at: at least one.
    ///
    /// # Errors
    /// It has not the one that was asked for, or there are no such pools.
    pub(super) fn roles(&self, subject: &Subject) -> Result<Vec<&'static str>, String> {
        if let Some(at) =
            (0..self.pools.len()).find(|at| self.pools[*at].is_empty() || self.pools[..*at].contains(&self.pools[*at]))
        {
            return Err(format!("--pools: `{}` is empty, or there twice", self.pools[at]));
        }
        let roles = subject.definition.roles();
        match &self.role {
            None => Ok(roles.to_vec()),
            Some(wanted) => match roles.iter().find(|role| *role == wanted) {
                Some(role) => Ok(vec![role]),
                None => Err(format!("{} is no {wanted}; it is: {}", self.component, roles.join(", "))),
            },
        }
    }

    /// Why there is nothing to look at, and what to do about it.
    pub(super) fn unfit(&self, role: &str, reason: &BuildReason) -> String {
        let unfit = format!("{} as {role}: {reason}", self.component);
        match reason {
            BuildReason::Configure(_) => {
                let pools = match role {
                    "router" => format!(", or other pools than {} by --pools", self.pools.join(", ")),
                    _ => String::new(),
                };
                format!(
                    "{unfit}\nhelp: give it settings that it accepts by --settings, such as '{{\"name\": \"value\"}}'{pools}"
                )
            }
            _ => unfit,
        }
    }
}

/// A time as a configuration takes it.
fn deadline(text: &str) -> Result<Duration, String> {
    let deadline = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    match (Duration::from_millis(1)..=Duration::from_secs(60)).contains(&deadline) {
        true => Ok(deadline),
        false => Err("a deadline is from 1ms to 1m".to_owned()),
    }
}

/// A JSON object, as it was written.
fn object(text: &str) -> Result<Arc<str>, String> {
    match serde_json::from_str(text) {
        Ok(Value::Object(_)) => Ok(text.into()),
        Ok(_) => Err("settings are a JSON object, such as '{\"percent\": 5}'".to_owned()),
        Err(error) => Err(format!("no JSON: {error}")),
    }
}

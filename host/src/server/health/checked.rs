//! From the configuration to checks that can be asked: files are read here, and nothing is asked yet.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::{self, Config};
use crate::health::Check;
use crate::plugin::Registry;
use crate::server::StartError;

/// How the backends of a pool are checked.
pub(in crate::server) struct Checked {
    pub(super) config: config::Health,
    pub(super) check: Arc<Check>,
}

impl Checked {
    /// Whether a backend must be found well before it gets requests.
    pub(in crate::server) fn is_initially_down(&self) -> bool {
        self.config.initially_down
    }
}

/// The same for all pools that are checked, by name.
pub(in crate::server) type CheckedPools = BTreeMap<Arc<str>, Arc<Checked>>;

/// Makes the checks of a configuration ready.
///
/// # Errors
/// Every file that cannot be used.
pub(in crate::server) async fn load(config: &Config, registry: &Registry) -> Result<CheckedPools, Vec<StartError>> {
    let (mut checked, mut errors) = (CheckedPools::new(), Vec::new());
    for (pool, config) in config.pools.iter().filter_map(|(name, pool)| Some((name, pool.health.clone()?))) {
        let question = config.question.clone();
        // Reading certificates takes a while.
        let made = match question.tls {
            Some(_) => registry.work(move || Check::new(&question)).await,
            None => Some(Check::new(&question)),
        };
        match made {
            Some(Ok(check)) => {
                checked.insert(Arc::clone(pool), Arc::new(Checked { config, check: Arc::new(check) }));
            }
            Some(Err(error)) => errors.push(StartError::Check { pool: Arc::clone(pool), error }),
            None => errors.push(std::io::Error::other("the builder gave no answer").into()),
        }
    }
    if errors.is_empty() { Ok(checked) } else { Err(errors) }
}

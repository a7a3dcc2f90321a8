//! Another configuration in place of the one that runs: read, checked and built whole, or nothing changes.

mod opened;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::spawn_local;

use self::opened::{Opened, open};
use super::context::Context;
use super::plugins::{Policy, Record, Stage};
use super::turn::{Operation, Then};
use super::{Control, Done};
use crate::config::{self, Config};
use crate::decide::Fault;
use crate::plugin::{BUILT_IN, Definition, Registry, Source};
use crate::server::StartError;
use crate::server::assembly::{self, Assembly, Before, Definitions, Means, assemble};
use crate::server::secret::Secret;
use crate::snapshot::{Element, Slot, Told};
use crate::worker::Changeover;

/// Time after which a change is begun again that something quick stood in the way of.
const SOON: Duration = Duration::from_millis(10);

/// A reload that is under way.
pub(super) struct Reload {
    config: Arc<Config>,
    definitions: Definitions,
    /// Plugins of which the file has nothing new: the generation that decides goes on.
    kept: BTreeSet<Arc<str>>,
    secret: Rc<Secret>,
    reply: Reply,
    /// New generations that are compared first, when the rest is in place.
    compared: Vec<Arc<Definition>>,
    /// Plugins of another generation.
    followed: Vec<Followed>,
}

impl Reload {
    /// What was to be compared, and what follows, is found again.
    fn forget(&mut self) {
        let compared = self.compared.drain(..).map(|next| (Arc::clone(next.name()), next));
        self.definitions.extend(compared);
        self.followed.clear();
    }
}

/// A plugin that another generation decides for now.
struct Followed {
    plugin: Arc<str>,
    /// What decided before, by place.
    before: HashMap<Slot, Arc<Element>>,
    /// Decisions and refusals until then.
    baseline: (u64, u64),
}

/// Where it is told what was done, or why nothing was.
pub(super) type Reply = Option<oneshot::Sender<Result<String, String>>>;

/// A reload that was read and loaded, or was not.
pub(super) struct Read {
    outcome: Result<Found, String>,
    reply: Reply,
}

/// What was read and loaded.
struct Found {
    config: Config,
    definitions: Definitions,
    /// See [`Reload`].
    kept: BTreeSet<Arc<str>>,
    secret: Option<Secret>,
}

/// What was built for a reload.
pub(super) struct Built {
    reload: Reload,
    /// What plugins had been told when it was built.
    told: HashMap<Arc<str>, Arc<Told>>,
    outcome: Result<(Assembly, Opened), Vec<StartError>>,
}

impl Control {
    /// Reads the configuration once more, and goes on with what it says.
    pub(super) fn reload(&mut self, reply: Reply) {
        let Some(path) = self.path.clone() else {
            if let Some(reply) = reply {
                let _ = reply.send(Err("there is no file to read".to_owned()));
            }
            return;
        };
        if std::mem::replace(&mut self.reloading, true) {
            self.reload_again.push(reply);
            return;
        }
        tracing::info!(path = %path.display(), "reloading");
        let (registry, done) = (Rc::clone(&self.registry), self.done.0.clone());
        let known: BTreeMap<_, _> =
            self.plugins.iter().map(|(name, record)| (Arc::clone(name), known(record))).collect();
        spawn_local(async move {
            let outcome = read(&registry, &path, &known).await;
            // Nobody listens any more only when the process ends.
            let _ = done.send(Done::Read(Box::new(Read { outcome, reply })));
        });
    }

    pub(super) fn on_read(&mut self, read: Read) {
        let Read { outcome, reply } = read;
        match outcome {
            Ok(Found { config, definitions, kept, secret }) => {
                let (config, secret) = (Arc::new(config), secret.map_or_else(|| Rc::clone(&self.secret), Rc::new));
                let (compared, followed) = (Vec::new(), Vec::new());
                let reload = Reload { config, definitions, kept, secret, reply, compared, followed };
                self.enqueue(Operation::Reload(Box::new(reload)));
            }
            Err(why) => self.refuse_reload(reply, why),
        }
    }

    /// It is its turn.
    pub(super) fn begin_reload(&mut self, mut reload: Box<Reload>) {
        if self.tables.values().any(super::tables::PoolTable::is_preparing) {
            // What plugins are told is changing under our hands. Not for long.
            return self.later(SOON, Done::Due(Operation::Reload(reload)));
        }
        // What was swapped meanwhile is as new as what was loaded, and what was left is not what was meant.
        for (name, record) in self.plugins.iter() {
            let is_kept = reload.kept.contains(name);
            if let Some(definition) = reload.definitions.get_mut(name)
                && (is_kept
                    || definition.generation() < record.definition.generation()
                        && Policy::of(&reload.config, name) == record.policy)
            {
                *definition = Arc::clone(&record.definition);
            }
        }
        let mut tried = Vec::new();
        for (name, record) in self.plugins.iter() {
            let Some(next) = reload.definitions.get_mut(name) else { continue };
            if Arc::ptr_eq(next, &record.definition) {
                continue;
            }
            tried.push(Arc::clone(next));
            let policy = Policy::of(&reload.config, name);
            if policy.shadow.is_some() && assembly::is_used_alike(&self.config, &reload.config, name) {
                reload.compared.push(std::mem::replace(next, Arc::clone(&record.definition)));
            } else {
                let (before, baseline) = (self.places(name).collect(), self.refusals(name));
                reload.followed.push(Followed { plugin: Arc::clone(name), before, baseline });
            }
        }
        let (registry, done, workers) = (Rc::clone(&self.registry), self.done.0.clone(), self.workers.len());
        let unproven =
            self.gate.unproven(&reload.config, workers, |plugin| reload.definitions.get(plugin).map(Arc::clone));
        if !unproven.is_empty() {
            reload.forget();
            self.end();
            let gate = Rc::clone(&self.gate);
            spawn_local(async move {
                let _ = done.send(match gate.admit(&registry, unproven).await {
                    Ok(()) => Done::Admitted(Operation::Reload(reload)),
                    Err(error) => Done::Read(Box::new(Read { outcome: Err(error.to_string()), reply: reload.reply })),
                });
            });
            return;
        }
        let (before, snapshot) = (Arc::clone(&self.config), Arc::clone(&self.snapshot));
        let told =
            self.tables.iter().map(|(pool, table)| (Arc::clone(pool), (Arc::clone(&table.told), table.experience)));
        let told: BTreeMap<_, _> = told.collect();
        let basis = self.told();
        // Changes of backends wait: they would be lost.
        self.holding = true;
        spawn_local(async move {
            let running = Before { config: &before, snapshot: &snapshot, told };
            let means =
                Means { registry: &registry, secret: &reload.secret, workers, definitions: &reload.definitions };
            let opened = open(&reload.config, &before, workers).await;
            let outcome = match opened {
                Ok(opened) => assemble(&reload.config, &means, Some(&running)).await.map(|built| (built, opened)),
                Err(error) => Err(vec![error]),
            };
            let outcome = match outcome {
                Ok((assembly, opened)) => {
                    let tried = try_out(&registry, &assembly, &basis, workers, &tried).await;
                    tried.map(|()| (assembly, opened)).map_err(|error| vec![error])
                }
                Err(errors) => Err(errors),
            };
            let _ = done.send(Done::Assembled(Box::new(Built { reload: *reload, told: basis, outcome })));
        });
    }

    pub(super) fn on_assembled(&mut self, built: Built) {
        let Built { mut reload, told, outcome } = built;
        let (assembly, opened) = match outcome {
            Ok(built) => built,
            Err(errors) => {
                self.go_on();
                let why = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
                self.refuse_reload(reload.reply, why);
                return self.end();
            }
        };
        let Assembly { snapshot, crews, starts, checked, certificates } = assembly;
        let is_told_otherwise = |pool: &Arc<str>| match (self.tables.get(pool), told.get(pool)) {
            (Some(table), Some(told)) => table.is_preparing() || !Arc::ptr_eq(&table.told, told),
            _ => false,
        };
        if starts.keys().any(is_told_otherwise) {
            self.registry.dispose(crews);
            reload.forget();
            return self.begin_reload(Box::new(reload));
        }
        self.set_checks(checked);
        self.certificates = certificates;
        for (pool, start) in starts {
            self.superseded_table(&pool, start);
        }
        let names: std::collections::HashSet<_> = snapshot.pools.iter().map(|pool| Arc::clone(&pool.name)).collect();
        self.tables.retain(|pool, _| names.contains(pool));
        let renamed = self.config.listeners.iter().filter_map(|before| {
            let next = reload.config.listeners.iter().find(|next| assembly::continues(before, next))?;
            (next.name != before.name).then(|| (Arc::clone(&before.name), Arc::clone(&next.name)))
        });
        let renamed: Vec<_> = renamed.collect();
        // A new socket is what a name means now, then one that was another's, then its own.
        let before = self.overview.listeners();
        let mut addresses = opened.addresses;
        let address =
            |name: &Arc<str>| before.iter().find(|(known, _)| known == name).map(|(_, address)| address.clone());
        addresses.extend(renamed.iter().filter_map(|(old, new)| Some((Arc::clone(new), address(old)?))));
        addresses.extend(before.iter().cloned());
        let position = |name: &str| addresses.iter().find(|(known, _)| **known == *name).cloned();
        self.overview
            .set_listeners(snapshot.listeners.iter().filter_map(|listener| position(&listener.name)).collect());
        self.socket_files.extend(opened.files);
        // Before the workers close those that are gone: see `drain`.
        self.socket_files.follow(&reload.config.listeners);
        let mut sockets = opened.sockets.into_iter();
        let changeovers = crews.into_iter().map(|crew| Changeover {
            crew,
            anew: true,
            sockets: sockets.next().unwrap_or_default(),
            renamed: renamed.clone(),
            done: None,
        });
        let changeovers = changeovers.collect();
        self.change_over(crate::snapshot::Snapshot::clone(&snapshot), changeovers, Then::Reloaded(Box::new(reload)));
    }

    /// All workers serve it.
    pub(super) fn on_reloaded(&mut self, reload: Reload, refused: Vec<Fault>) {
        let Reload { config, definitions, secret, reply, compared, followed, kept: _ } = reload;
        for fault in &refused {
            tracing::warn!(%fault, "a plugin's state was not taken over; it begins anew");
        }
        let lasting = lasting(&self.config, &config);
        self.drain_timeout = config.server.drain_timeout;
        let before = std::mem::replace(&mut self.config, config);
        self.secret = secret;
        self.take_definitions(definitions);
        self.forget_repairs();
        self.detect_outliers();
        self.discover();
        self.forget_feedback();
        self.watch();
        let mut summary = String::from("reloaded\n");
        for what in lasting {
            tracing::warn!("{what} needs a restart");
            summary.push_str(&format!("{what} needs a restart\n"));
        }
        for Followed { plugin, before, baseline } in followed {
            self.watch_over(&plugin, before, baseline);
            self.show(&plugin);
        }
        for definition in compared {
            summary.push_str(&format!(
                "generation {} of plugin `{}` is compared first\n",
                definition.generation(),
                definition.name()
            ));
            self.compare_next(definition);
        }
        tracing::info!(unchanged = *before == *self.config, "reloaded");
        if let Some(reply) = reply {
            let _ = reply.send(Ok(summary));
        }
        self.go_on();
        self.reloading = false;
        self.go_on_reloading();
        self.end();
    }

    /// Notes which generation decides for each plugin now.
    fn take_definitions(&mut self, definitions: Definitions) {
        let config = Arc::clone(&self.config);
        let names: Vec<_> = self.plugins.iter().map(|(name, _)| Arc::clone(name)).collect();
        self.plugins.retain(|plugin| definitions.contains_key(plugin));
        names.iter().for_each(|plugin| self.show(plugin));
        for (name, definition) in definitions {
            let policy = Policy::of(&config, &name);
            match self.plugins.get_mut(&name) {
                Some(record) if Arc::ptr_eq(&record.definition, &definition) => record.policy = policy,
                Some(record) => {
                    let generation = definition.generation();
                    record.policy = policy;
                    if !matches!(definition.source(), Source::Bytes(_)) {
                        record.configured = *definition.digest();
                    }
                    record.previous = Some(std::mem::replace(&mut record.definition, definition));
                    record.last = Some(format!("generation {generation} decides: the configuration was reloaded"));
                    record.stage = Stage::Steady;
                }
                None => self.plugins.insert(Record::new(policy, definition)),
            }
            self.show(&name);
        }
    }

    fn refuse_reload(&mut self, reply: Reply, why: String) {
        tracing::error!("not reloaded, nothing has changed: {why}");
        if let Some(reply) = reply {
            let _ = reply.send(Err(why));
        }
        self.reloading = false;
        self.go_on_reloading();
    }

    /// Once more, if somebody asked meanwhile.
    fn go_on_reloading(&mut self) {
        let mut waiting = std::mem::take(&mut self.reload_again).into_iter();
        if let Some(first) = waiting.next() {
            self.reload(first);
            self.reload_again.extend(waiting);
        }
    }
}

/// What may stay of a plugin: its definition, as long as policy and file are what they were.
struct Known {
    policy: Policy,
    definition: Arc<Definition>,
    configured: [u8; 32],
}

fn known(record: &Record) -> Known {
    let (policy, definition) = (record.policy.clone(), Arc::clone(&record.definition));
    Known { policy, definition, configured: record.configured }
}

/// Reads the configuration, and loads the plugins that are new in it.
async fn read(registry: &Registry, path: &Path, known: &BTreeMap<Arc<str>, Known>) -> Result<Found, String> {
    let file = path.to_owned();
    let loaded = registry.work(move || config::load::load(&file, BUILT_IN)).await;
    let loaded = loaded.ok_or("the builder gave no answer")?.map_err(|report| report.to_string())?;
    let config = loaded.config;
    if !loaded.warnings.is_empty() {
        tracing::warn!("{}", loaded.warnings);
    }
    let mut kept = Definitions::new();
    for name in assembly::used(&config) {
        let Some(known) = known.get(name) else { continue };
        let policy = Policy::of(&config, name);
        if policy.limits != known.policy.limits || policy.source != known.policy.source {
            continue;
        }
        let source = policy.source.clone();
        let digest = registry.digest(Arc::clone(name), source).await;
        if digest.is_some_and(|digest| digest == known.configured) {
            kept.insert(Arc::clone(name), Arc::clone(&known.definition));
        }
    }
    let names = kept.keys().cloned().collect();
    let list = |errors: Vec<StartError>| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    let definitions = assembly::load(&config, registry, kept).await.map_err(list)?;
    let secret = match &config.server.secret_file {
        Some(_) => Some(Secret::of(&config).map_err(|error| error.to_string())?),
        None => None,
    };
    Ok(Found { config, definitions, kept: names, secret })
}

/// Tries generations that are new, where the configuration uses them now.
async fn try_out(
    registry: &Registry,
    assembly: &Assembly,
    told: &HashMap<Arc<str>, Arc<Told>>,
    workers: usize,
    definitions: &[Arc<Definition>],
) -> Result<(), StartError> {
    let mut told = told.clone();
    told.extend(assembly.starts.iter().map(|(pool, start)| (Arc::clone(pool), Arc::clone(&start.told))));
    let context = Context { registry, snapshot: &assembly.snapshot, told: &told, workers };
    for definition in definitions {
        context.try_out(definition).await?;
    }
    Ok(())
}

/// Whether a listener that goes on is to be fast to open, or no longer.
fn opens_otherwise(before: &Config, next: &Config) -> bool {
    let pairs = before.listeners.iter().flat_map(|before| next.listeners.iter().map(move |next| (before, next)));
    pairs
        .into_iter()
        .any(|(before, next)| assembly::continues(before, next) && before.tcp.fast_open != next.tcp.fast_open)
}

/// What is different, and stays as it is until the process starts again.
fn lasting(before: &Config, next: &Config) -> Vec<&'static str> {
    let (old, new) = (&before.server, &next.server);
    let changed = [
        (old.workers != new.workers, "[server] workers"),
        (old.max_component_size != new.max_component_size, "[server] max_component_size"),
        (old.max_instances != new.max_instances, "[server] max_instances"),
        (old.code_cache != new.code_cache, "[server] code_cache"),
        (before.admin != next.admin, "[admin]"),
        (before.log != next.log, "[log]"),
        (opens_otherwise(before, next), "tcp_fast_open of a [[listener]]"),
    ];
    changed.into_iter().filter_map(|(changed, what)| changed.then_some(what)).collect()
}

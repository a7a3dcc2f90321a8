//! The control thread: starts the workers, answers the admin API, replaces what broke, and stops.
//!
//! It never runs guest code and never blocks: plugins are compiled and built on builder threads.

mod conditions;
mod context;
mod discovery;
mod drain;
mod feedback;
mod files;
mod health;
mod outliers;
mod plugins;
mod probation;
mod reload;
mod repair;
mod shadowing;
mod signals;
mod start;
mod superseded;
mod swap;
mod tables;
mod turn;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::watch;

use self::conditions::Conditions;
use self::discovery::{Found, Sources};
use self::outliers::Detection;
use self::plugins::Plugins;
use self::repair::{Rebuilt, Repairs};
use self::signals::Signals;
use self::start::Start;
use self::superseded::Superseded;
use self::tables::{PoolTable, Prepared};
use self::turn::{Operation, Then, Turn};
use super::StartError;
use super::assembly::{self, Definitions, Means, assemble};
use super::faults::Faults;
use super::gate::Gate;
use super::health::{Answer, CheckedPools, Roster};
use super::secret::Secret;
use super::sockets::SocketFiles;
use super::watch::{Digest, Watcher, digest};
use crate::admin::{Order, Overview};
use crate::config::Config;
use crate::decide::Fault;
use crate::plugin::{BuildError, Definition, LoadError, Registry, RegistryOptions, Source, code_cache_folder};
use crate::pool::Backend;
use crate::snapshot::{Event, Slot, Snapshot};
use crate::telemetry::access::Writer;
use crate::worker::Worker;

/// Checks everything that can be checked without listening: loads and configures every plugin once.
///
/// # Errors
/// Everything that is wrong.
pub fn check(config: &Config) -> Result<(), Vec<StartError>> {
    local(async {
        let registry = registry(config, 1)?;
        let secret = Secret::of(config).map_err(|error| vec![error])?;
        let definitions = assembly::load(config, &registry, Definitions::new()).await?;
        admit(&Gate::default(), config, &registry, &definitions).await?;
        let means = Means { registry: &registry, secret: &secret, workers: 1, definitions: &definitions };
        assemble(config, &means, None).await.map(drop)
    })
}

/// Runs until it is told to stop (SIGTERM, SIGINT), and drains. `path` is where the configuration was read, and is read
/// again; none: nowhere.
///
/// # Errors
/// Everything that keeps it from starting; nothing has been started then.
pub fn run(config: Config, path: Option<&Path>) -> Result<(), Vec<StartError>> {
    // Before what takes long: a change since then is one to be noticed.
    let used = path.and_then(digest);
    local(async {
        let workers = config.server.workers;
        let registry = Rc::new(registry(&config, workers)?);
        let secret = Secret::of(&config).map_err(|error| vec![error])?;
        let definitions = assembly::load(&config, &registry, Definitions::new()).await?;
        let gate = Rc::new(Gate::default());
        admit(&gate, &config, &registry, &definitions).await?;
        let means = Means { registry: &registry, secret: &secret, workers, definitions: &definitions };
        let assembly = assemble(&config, &means, None).await?;
        // Before anybody can be served: from then on the process ends by draining.
        let mut signals = Signals::new().map_err(|error| vec![error.into()])?;
        let start = Start {
            config: Arc::new(config),
            path: path.map(Path::to_owned),
            used,
            registry,
            gate,
            secret,
            definitions,
            assembly,
        };
        let mut control = Control::start(start).await.map_err(|error| vec![error])?;
        control.serve(&mut signals).await;
        Ok(())
    })
}

/// Has those pass who have to, before anything else is built of them.
async fn admit(
    gate: &Gate,
    config: &Config,
    registry: &Registry,
    definitions: &Definitions,
) -> Result<(), Vec<StartError>> {
    let unproven = gate.unproven(config, config.server.workers, |plugin| definitions.get(plugin).cloned());
    gate.admit(registry, unproven).await.map_err(|error| vec![error.into()])
}

fn local<T>(work: impl Future<Output = Result<T, Vec<StartError>>>) -> Result<T, Vec<StartError>> {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
    let runtime = runtime.map_err(|error| vec![error.into()])?;
    let done = runtime.block_on(work);
    // A look-up of a name that hangs must not keep the process.
    runtime.shutdown_background();
    done
}

fn registry(config: &Config, workers: usize) -> Result<Registry, Vec<StartError>> {
    let max_instances = config.server.max_instances.unwrap_or_else(|| instances(config, workers));
    let code_cache = code_cache_folder(&config.server.code_cache, |name| std::env::var_os(name));
    let options = RegistryOptions { max_component_size: config.server.max_component_size, max_instances, code_cache };
    Registry::new(options).map_err(|error| vec![error.into()])
}

/// As many as the configuration needs, three times over: those that decide, those that come, those that go.
fn instances(config: &Config, workers: usize) -> u32 {
    const FEWEST: u32 = 256;
    /// Each reserves 16 GiB of an address space of 128 TiB.
    const MOST: u32 = 4000;
    let pools: usize =
        config.pools.values().map(|pool| pool.balancer.len() + usize::from(pool.affinity.is_some())).sum();
    let routers = config.routes.iter().filter(|route| route.router.is_some()).count();
    u32::try_from(3 * workers * (pools + routers)).unwrap_or(MOST).clamp(FEWEST, MOST)
}

struct Control {
    registry: Rc<Registry>,
    gate: Rc<Gate>,
    config: Arc<Config>,
    /// Where the configuration is read again.
    path: Option<PathBuf>,
    /// What it held when the process started, so that no change after that goes unnoticed.
    used: Option<Digest>,
    secret: Rc<Secret>,
    snapshot: Arc<Snapshot>,
    published: watch::Sender<Arc<Snapshot>>,
    workers: Vec<Worker>,
    events: UnboundedReceiver<Event>,
    orders: mpsc::Receiver<Order>,
    /// Changes of backends wait while a reload is put in place.
    holding: bool,
    access_log: Option<Writer>,
    drain_timeout: Duration,
    overview: Overview,
    faults: Faults,
    repairs: Repairs,
    plugins: Plugins,
    turn: Turn,
    /// The configuration is being read, or put in place.
    reloading: bool,
    /// Who asked for it meanwhile.
    reload_again: Vec<reload::Reply>,
    tables: HashMap<Arc<str>, PoolTable>,
    superseded: Superseded,
    conditions: Conditions,
    sources: Sources,
    /// Backends that said something of themselves, which will have to be forgotten.
    said: Vec<Arc<Backend>>,
    detection: Detection,
    /// How pools are checked, and the checks that run.
    checked: CheckedPools,
    roster: Roster,
    /// Files of certificates and keys, as they were when they were read.
    certificates: BTreeMap<PathBuf, Digest>,
    /// Of listeners on Unix sockets.
    socket_files: SocketFiles,
    /// None until there is a file to watch.
    watcher: Option<(Watcher, UnboundedReceiver<Vec<PathBuf>>)>,
    /// What was done elsewhere, and is to be gone on with here.
    done: (UnboundedSender<Done>, UnboundedReceiver<Done>),
}

/// What was done elsewhere, or is due.
enum Done {
    /// A broken instance was built again, or not.
    Rebuilt(Rebuilt),
    /// One worker may try a plugin again.
    Try(Slot, u64),
    /// It has tried for a while.
    Tried(Slot, u64),
    /// A table is ready to be told.
    Prepared(Box<Prepared>),
    /// It is time to prepare this pool's table once more.
    PrepareAgain(Arc<str>),
    /// The workers should be done with what was superseded.
    Sweep,
    /// What has become known of backends is to be published.
    Publish,
    /// A source of backends has answered, or not.
    Found(Box<Found>),
    /// Whether what a backend said of itself still counts is to be looked at.
    Unsaid(Arc<str>, Arc<Backend>),
    /// Sources had long enough to answer for the first time.
    Ready,
    /// Backends that start slowly are to get more.
    Climb,
    /// A backend was checked.
    Checked(Box<Answer>),
    /// The time of an ejection is over.
    Readmit(Arc<str>, Arc<Backend>),
    /// A trial has taken long.
    OfferTrial(Arc<str>, Arc<Backend>),
    /// The success rates of a pool's backends are to be compared.
    Compare(Arc<str>),
    /// A change that is under way can be begun again.
    Due(Operation),
    /// A change can wait for its turn once more: who had to pass for it has.
    Admitted(Operation),
    /// Another generation of a plugin was loaded, or not.
    Loaded { plugin: Arc<str>, loaded: Result<Arc<Definition>, LoadError>, reply: swap::Reply },
    /// It is not admitted.
    Barred(Box<(swap::Swap, BuildError)>),
    /// Its instances were built, or not.
    Built(Box<(swap::Swap, Result<swap::Built, BuildError>)>),
    /// A generation on probation is to be looked at.
    Look(Arc<str>, u64),
    /// A generation was compared for long enough.
    Compared(Arc<str>, u64),
    /// All workers serve another snapshot; some may have refused a generation.
    ChangedOver(Vec<Fault>, Then),
    /// A configuration was read, or not.
    Read(Box<reload::Read>),
    /// It was built, or not.
    Assembled(Box<reload::Built>),
}

/// What may make control act.
enum Wake {
    Event(Event),
    Order(Order),
    Done(Done),
    Files(Vec<PathBuf>),
    Reload,
    Reopen,
    Stop(&'static str),
}

impl Control {
    async fn serve(&mut self, signals: &mut Signals) {
        loop {
            match self.next(signals).await {
                Wake::Event(event) => self.on_event(event),
                Wake::Order(order) => self.on_order(order),
                Wake::Done(done) => self.on_done(done),
                Wake::Files(changed) => self.on_files(changed),
                Wake::Reload => self.reload(None),
                Wake::Reopen => {
                    if let Some(log) = &self.access_log {
                        log.reopen();
                    }
                }
                Wake::Stop(why) => return self.drain(why, signals).await,
            }
        }
    }

    async fn next(&mut self, signals: &mut Signals) -> Wake {
        let files = async {
            match &mut self.watcher {
                Some((_, changes)) => changes.recv().await,
                None => None,
            }
        };
        tokio::select! {
            Some(changed) = files => Wake::Files(changed),
            Some(event) = self.events.recv() => Wake::Event(event),
            Some(order) = self.orders.recv(), if !self.holding => Wake::Order(order),
            Some(done) = self.done.1.recv() => Wake::Done(done),
            _ = signals.reopen.recv() => Wake::Reopen,
            // Without a file to read again, a terminal that is gone ends the process.
            _ = signals.reload.recv() => if self.path.is_some() { Wake::Reload } else { Wake::Stop("SIGHUP") },
            _ = signals.terminate.recv() => Wake::Stop("SIGTERM"),
            _ = signals.interrupt.recv() => Wake::Stop("SIGINT"),
        }
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Faulted { worker, slot, element, fault, wreck } => {
                self.on_fault(worker, slot, &element, &fault, wreck);
            }
            Event::Shadowed { definition, fault, wreck } => self.on_shadowed(&definition, &fault, wreck),
            Event::Retired(wreck) => self.registry.dispose(wreck),
            Event::Vacant { worker, slot, wreck } => self.on_vacant(worker, slot, wreck),
            Event::Slow { pool, rows, cost } => {
                if let Some(table) = self.tables.get_mut(&pool) {
                    table.learn(cost, rows);
                }
            }
            Event::Reported { pool, backend, report } => self.on_report(&pool, &backend, report),
            Event::Started { .. } => {}
            Event::Stopped { worker, .. } => tracing::error!(worker, "a worker has ended"),
        }
    }

    fn on_order(&mut self, order: Order) {
        match order {
            Order::Change(change, reply) => self.on_change(&change, reply),
            Order::Swap(plugin, component, reply) => self.load(&plugin, Source::Bytes(component), Some(reply)),
            Order::RollBack(plugin, reply) => self.roll_back(&plugin, "asked for".to_owned(), Some(reply)),
            Order::Reload(reply) => self.reload(Some(reply)),
        }
    }

    fn on_done(&mut self, done: Done) {
        match done {
            Done::Rebuilt(rebuilt) => self.on_rebuilt(rebuilt),
            Done::Try(slot, epoch) => self.try_again(slot, epoch),
            Done::Tried(slot, epoch) => self.on_tried(slot, epoch),
            Done::Prepared(prepared) => self.on_prepared(*prepared),
            Done::PrepareAgain(pool) => self.prepare_again(&pool),
            Done::Sweep => self.superseded.sweep(&self.registry),
            Done::Publish => self.publish_conditions(),
            Done::Climb => self.climb_on(),
            Done::Unsaid(pool, backend) => self.look_whether_unsaid(&pool, &backend),
            Done::Found(found) => self.on_found(*found),
            Done::Ready => self.overview.set_ready(true),
            Done::Checked(answer) => self.on_checked(*answer),
            Done::Readmit(pool, backend) => self.readmit(&pool, &backend),
            Done::OfferTrial(pool, backend) => self.offer_trial(&pool, &backend),
            Done::Compare(pool) => self.compare_outcomes(&pool),
            Done::Due(operation) => self.begin_again(operation),
            Done::Admitted(operation) => self.enqueue(operation),
            Done::Loaded { plugin, loaded, reply } => self.on_loaded(&plugin, loaded, reply),
            Done::Barred(barred) => self.on_barred(barred.0, barred.1),
            Done::Built(built) => self.on_built(built.0, built.1),
            Done::Look(plugin, generation) => self.look(&plugin, generation),
            Done::Compared(plugin, generation) => self.on_compared(&plugin, generation),
            Done::ChangedOver(refused, then) => self.on_changed_over(refused, then),
            Done::Read(read) => self.on_read(*read),
            Done::Assembled(built) => self.on_assembled(*built),
        }
    }
}

//! The control thread: starts the workers, answers the admin API, replaces what broke, and stops.
//!
//! It never runs guest code and never blocks: plugins are compiled and built on builder threads.

mod plugins;
mod reload;
mod repair;
mod shadowing;
mod superseded;
mod swap;
mod tables;
mod turn;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, LocalOptions};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::task::spawn_local;

use self::plugins::{Plugins, Policy, Record};
use self::repair::{Rebuilt, Repairs};
use self::superseded::Superseded;
use self::tables::{PoolTable, Prepared};
use self::turn::{Then, Turn};
use super::StartError;
use super::assembly::{self, Assembly, Definitions, Means, assemble};
use super::faults::Faults;
use super::secret::Secret;
use super::sockets::listen;
use super::watch::{Watched, Watcher};
use crate::admin::{self, Order, Overview};
use crate::config::Config;
use crate::decide::Fault;
use crate::plugin::{BuildError, Definition, LoadError, Registry, RegistryOptions, Source, code_cache_folder};
use crate::proxy::Clock;
use crate::snapshot::{Event, Slot, Snapshot};
use crate::telemetry::access::Writer;
use crate::worker::{Command, Launch, Worker};

/// Checks everything that can be checked without listening: loads and configures every plugin once.
///
/// # Errors
/// Everything that is wrong.
pub fn check(config: &Config) -> Result<(), Vec<StartError>> {
    local(async {
        let registry = registry(config, 1)?;
        let secret = Secret::of(config).map_err(|error| vec![error])?;
        let definitions = assembly::load(config, &registry, Definitions::new()).await?;
        let means = Means { registry: &registry, secret: &secret, workers: 1, definitions: &definitions };
        assemble(config, &means, None).await.map(drop)
    })
}

/// Runs until it is told to stop (SIGTERM, SIGINT), and drains. `path` is where the configuration was read, and is read
/// again.
///
/// # Errors
/// Everything that keeps it from starting; nothing has been started then.
pub fn run(config: Config, path: &Path) -> Result<(), Vec<StartError>> {
    local(async {
        let workers = config.server.workers;
        let registry = Rc::new(registry(&config, workers)?);
        let secret = Secret::of(&config).map_err(|error| vec![error])?;
        let definitions = assembly::load(&config, &registry, Definitions::new()).await?;
        let means = Means { registry: &registry, secret: &secret, workers, definitions: &definitions };
        let assembly = assemble(&config, &means, None).await?;
        // Before anybody can be served: from then on the process ends by draining.
        let mut signals = Signals::new().map_err(|error| vec![error.into()])?;
        let start = Start { config: Arc::new(config), path: path.to_owned(), registry, secret, definitions, assembly };
        let mut control = Control::start(start).await.map_err(|error| vec![error])?;
        control.serve(&mut signals).await;
        Ok(())
    })
}

fn local<T>(work: impl Future<Output = Result<T, Vec<StartError>>>) -> Result<T, Vec<StartError>> {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
    runtime.map_err(|error| vec![error.into()])?.block_on(work)
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

/// What control starts with.
struct Start {
    config: Arc<Config>,
    path: PathBuf,
    registry: Rc<Registry>,
    secret: Secret,
    definitions: Definitions,
    assembly: Assembly,
}

struct Control {
    registry: Rc<Registry>,
    config: Arc<Config>,
    /// Where the configuration is read again.
    path: PathBuf,
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
    /// Another generation of a plugin was loaded, or not.
    Loaded { plugin: Arc<str>, loaded: Result<Arc<Definition>, LoadError>, reply: swap::Reply },
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
    async fn start(start: Start) -> Result<Self, StartError> {
        let Start { config, path, registry, secret, definitions, assembly } = start;
        let Assembly { snapshot, crews, starts } = assembly;
        let tables = starts.into_iter().map(|(pool, start)| (pool, PoolTable::new(start))).collect();
        let count = config.server.workers;
        let mut sockets: Vec<Vec<_>> = (0..count).map(|_| Vec::new()).collect();
        let mut addresses = Vec::new();
        for listener in &config.listeners {
            let (name, address) = (Arc::clone(&listener.name), listener.address);
            let failed = |error| StartError::Listen { name, address, error };
            let (address, bound) = listen(address, count).map_err(failed)?;
            addresses.push((Arc::clone(&listener.name), address));
            for (worker, socket) in bound.into_iter().enumerate() {
                sockets[worker].push((Arc::clone(&listener.name), socket));
            }
        }
        let access_log = config.log.access.as_ref().map(Writer::start).transpose().map_err(|error| {
            let path = match &config.log.access {
                Some(crate::config::AccessLog::File(path)) => path.clone(),
                _ => "stdout".into(),
            };
            StartError::AccessLog { path, error }
        })?;
        let (published, snapshots) = watch::channel(Arc::clone(&snapshot));
        let (orders_to, orders) = mpsc::channel(64);
        let overview = Overview::new(addresses.clone(), snapshots);
        if let Some(admin) = &config.admin {
            let failed = |error| StartError::Admin { address: admin.listen.to_string(), error };
            let server = admin::bind(admin, overview.clone(), orders_to, config.server.max_component_size);
            let server = server.await.map_err(failed)?;
            spawn_local(server);
        }
        let (events_to, events) = unbounded_channel();
        let clock = Clock::default();
        let mut workers = Vec::new();
        for (worker, (sockets, crew)) in sockets.into_iter().zip(crews).enumerate() {
            let launch = Launch {
                worker,
                snapshot: Arc::clone(&snapshot),
                crew,
                sockets,
                clock: clock.clone(),
                access_log: access_log.as_ref().map(Writer::sink),
                activity: registry.activity(),
                events: events_to.clone(),
            };
            workers.push(Worker::start(launch)?);
        }
        let mut plugins = Plugins::default();
        for (name, definition) in definitions {
            plugins.insert(Record::new(Policy::of(&config, &name), definition));
        }
        let mut control = Self {
            registry,
            path,
            secret: Rc::new(secret),
            snapshot,
            published,
            workers,
            events,
            orders,
            access_log,
            holding: false,
            drain_timeout: config.server.drain_timeout,
            config,
            overview: overview.clone(),
            faults: Faults::default(),
            repairs: Repairs::default(),
            plugins,
            turn: Turn::default(),
            reloading: false,
            reload_again: Vec::new(),
            tables,
            superseded: Superseded::default(),
            watcher: None,
            done: unbounded_channel(),
        };
        control.until_started().await?;
        let names: Vec<_> = control.plugins.iter().map(|(name, _)| Arc::clone(name)).collect();
        names.iter().for_each(|plugin| control.show(plugin));
        control.watch();
        overview.set_ready(true);
        for (name, address) in addresses {
            tracing::info!(listener = %name, %address, workers = count, "listening");
        }
        Ok(control)
    }

    async fn until_started(&mut self) -> Result<(), StartError> {
        let mut started = 0;
        while started < self.workers.len() {
            match self.events.recv().await {
                Some(Event::Started { .. }) => started += 1,
                Some(Event::Stopped { .. }) | None => return Err(std::io::Error::other("a worker has ended").into()),
                Some(event) => self.on_event(event),
            }
        }
        Ok(())
    }

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
            _ = signals.reload.recv() => Wake::Reload,
            _ = signals.terminate.recv() => Wake::Stop("SIGTERM"),
            _ = signals.interrupt.recv() => Wake::Stop("SIGINT"),
        }
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Faulted { worker, slot, element, fault, wreck } => {
                self.on_fault(worker, slot, &element, &fault, wreck);
            }
            Event::Shadowed { plugin, fault, wreck } => self.on_shadowed(&plugin, &fault, wreck),
            Event::Retired(wreck) => self.registry.dispose(wreck),
            Event::Vacant { worker, slot, wreck } => self.on_vacant(worker, slot, wreck),
            Event::Slow { pool, rows, cost } => {
                if let Some(table) = self.tables.get_mut(&pool) {
                    table.learn(cost, rows);
                }
            }
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
            Done::Loaded { plugin, loaded, reply } => self.on_loaded(&plugin, loaded, reply),
            Done::Built(built) => self.on_built(built.0, built.1),
            Done::Look(plugin, generation) => self.look(&plugin, generation),
            Done::Compared(plugin, generation) => self.on_compared(&plugin, generation),
            Done::ChangedOver(refused, then) => self.on_changed_over(refused, then),
            Done::Read(read) => self.on_read(*read),
            Done::Assembled(built) => self.on_assembled(*built),
        }
    }

    /// Watches the files that are to be watched now. Without anything to watch there is no watcher.
    fn watch(&mut self) {
        let mut files = Vec::new();
        if self.config.server.watch {
            files.push(Watched { path: self.path.clone(), used: None });
        }
        for (_, record) in self.plugins.iter().filter(|(_, record)| record.policy.watch) {
            if let Source::File(path) = &record.policy.source {
                files.push(Watched { path: path.clone(), used: Some(record.configured) });
            }
        }
        if self.watcher.is_none() && !files.is_empty() {
            match Watcher::start() {
                Ok(watcher) => self.watcher = Some(watcher),
                Err(error) => tracing::warn!(%error, "files are not watched"),
            }
        }
        if let Some((watcher, _)) = &self.watcher {
            watcher.watch(files);
        }
    }

    /// The configuration is read again, and components of plugins that are watched become their next generation.
    fn on_files(&mut self, changed: Vec<PathBuf>) {
        for path in changed {
            if path == self.path && self.config.server.watch {
                self.reload(None);
            }
            let is_watched = |record: &Record| {
                record.policy.watch && matches!(&record.policy.source, Source::File(file) if *file == path)
            };
            let plugins = self.plugins.iter().filter(|(_, record)| is_watched(record));
            let plugins: Vec<_> = plugins.map(|(plugin, record)| (Arc::clone(plugin), record.busy)).collect();
            for (plugin, busy) in plugins {
                tracing::info!(%plugin, path = %path.display(), "the component has changed");
                match self.plugins.get_mut(&plugin) {
                    Some(record) if busy => record.again = true,
                    _ => self.load(&plugin, Source::File(path.clone()), None),
                }
            }
        }
    }

    /// Waits for the workers, or for a second signal.
    async fn drain(&mut self, why: &str, signals: &mut Signals) {
        tracing::info!(why, timeout = ?self.drain_timeout, "draining");
        self.overview.set_ready(false);
        for worker in &self.workers {
            worker.tell(Command::Drain(self.drain_timeout));
        }
        let mut running = self.workers.len();
        let mut cut_off = 0;
        while running > 0 {
            let event = tokio::select! {
                event = self.events.recv() => event,
                // Who asks for a change is told that we are stopping.
                Some(_) = self.orders.recv() => continue,
                () = stopped_again(signals) => {
                    tracing::warn!("told to stop once more: stopped without draining");
                    return;
                }
            };
            match event {
                Some(Event::Stopped { cut, .. }) => {
                    running -= 1;
                    cut_off += cut;
                }
                Some(Event::Faulted { wreck: Some(wreck), .. } | Event::Retired(wreck)) => {
                    self.registry.dispose(wreck);
                }
                Some(_) => {}
                None => break,
            }
        }
        if let Some(log) = self.access_log.take() {
            log.finish();
        }
        if cut_off > 0 {
            tracing::warn!(connections = cut_off, "stopped; connections were cut off");
        } else {
            tracing::info!("stopped");
        }
    }
}

async fn stopped_again(signals: &mut Signals) {
    tokio::select! {
        _ = signals.terminate.recv() => {}
        _ = signals.interrupt.recv() => {}
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    reopen: Signal,
    reload: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            reopen: signal(SignalKind::user_defined1())?,
            reload: signal(SignalKind::hangup())?,
        })
    }
}

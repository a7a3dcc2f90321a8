//! The control thread: starts the workers, answers the admin API, replaces what broke, and stops.
//!
//! It never runs guest code and never blocks: plugins are compiled and built on builder threads.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, LocalOptions};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::{self, UnboundedReceiver, unbounded_channel};
use tokio::sync::watch;
use tokio::task::spawn_local;
use tokio::time::Instant;

use super::StartError;
use super::assembly::{self, Assembly, assemble};
use super::faults::Faults;
use super::sockets::listen;
use crate::admin::{self, Order, Overview};
use crate::config::{Config, PluginUse};
use crate::decide::Fault;
use crate::plugin::{Instance, Registry, RegistryOptions};
use crate::proxy::Clock;
use crate::snapshot::{Event, Seated, Snapshot};
use crate::telemetry::access::Writer;
use crate::worker::{Command, Launch, Worker};

/// Checks everything that can be checked without listening: loads and configures every plugin once.
///
/// # Errors
/// Everything that is wrong.
pub fn check(config: &Config) -> Result<(), Vec<StartError>> {
    local(async {
        let registry = registry(config)?;
        assemble(config, &registry, 1).await.map(drop)
    })
}

/// Runs until it is told to stop (SIGTERM, SIGINT), and drains.
///
/// # Errors
/// Everything that keeps it from starting; nothing has been started then.
pub fn run(config: Config) -> Result<(), Vec<StartError>> {
    local(async {
        let registry = Rc::new(registry(&config)?);
        let workers = config.server.workers;
        let assembly = assemble(&config, &registry, workers).await?;
        let mut control = Control::start(&config, registry, assembly).await.map_err(|error| vec![error])?;
        control.serve().await;
        Ok(())
    })
}

fn local<T>(work: impl Future<Output = Result<T, Vec<StartError>>>) -> Result<T, Vec<StartError>> {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
    runtime.map_err(|error| vec![error.into()])?.block_on(work)
}

fn registry(config: &Config) -> Result<Registry, Vec<StartError>> {
    let options =
        RegistryOptions { max_component_size: config.server.max_component_size, ..RegistryOptions::default() };
    Registry::new(options).map_err(|error| vec![error.into()])
}

struct Control {
    registry: Rc<Registry>,
    uses: BTreeMap<Arc<str>, PluginUse>,
    snapshot: Arc<Snapshot>,
    published: watch::Sender<Arc<Snapshot>>,
    workers: Vec<Worker>,
    events: UnboundedReceiver<Event>,
    orders: mpsc::Receiver<Order>,
    access_log: Option<Writer>,
    drain_timeout: Duration,
    overview: Overview,
    faults: Faults,
    /// Instances that were built again, for a worker and pool.
    rebuilt: (mpsc::UnboundedSender<Rebuilt>, UnboundedReceiver<Rebuilt>),
}

struct Rebuilt {
    worker: usize,
    pool: Arc<str>,
    instance: Seated,
}

/// What may make control act.
enum Wake {
    Event(Event),
    Order(Order),
    Rebuilt(Rebuilt),
    Reopen,
    Stop(&'static str),
}

impl Control {
    async fn start(config: &Config, registry: Rc<Registry>, assembly: Assembly) -> Result<Self, StartError> {
        let Assembly { snapshot, mut instances, uses } = assembly;
        let count = config.server.workers;
        let mut sockets: Vec<Vec<_>> = (0..count).map(|_| Vec::new()).collect();
        let mut addresses = Vec::new();
        for (number, listener) in config.listeners.iter().enumerate() {
            let (name, address) = (Arc::clone(&listener.name), listener.address);
            let failed = |error| StartError::Listen { name, address, error };
            let (address, bound) = listen(address, count).map_err(failed)?;
            addresses.push((Arc::clone(&listener.name), address));
            for (worker, socket) in bound.into_iter().enumerate() {
                sockets[worker].push((number, socket));
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
            let server = admin::bind(admin, overview.clone(), orders_to).await.map_err(failed)?;
            spawn_local(server);
        }
        let (events_to, events) = unbounded_channel();
        let clock = Clock::default();
        let mut workers = Vec::new();
        for (worker, sockets) in sockets.into_iter().enumerate() {
            let launch = Launch {
                worker,
                snapshot: Arc::clone(&snapshot),
                instances: std::mem::take(&mut instances[worker]),
                sockets,
                clock: clock.clone(),
                access_log: access_log.as_ref().map(Writer::sink),
                activity: registry.activity(),
                events: events_to.clone(),
            };
            workers.push(Worker::start(launch)?);
        }
        let mut control = Self {
            registry,
            uses,
            snapshot,
            published,
            workers,
            events,
            orders,
            access_log,
            drain_timeout: config.server.drain_timeout,
            overview: overview.clone(),
            faults: Faults::default(),
            rebuilt: unbounded_channel(),
        };
        control.until_started().await?;
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

    async fn serve(&mut self) {
        let mut signals = match Signals::new() {
            Ok(signals) => signals,
            Err(error) => {
                tracing::error!(%error, "cannot watch for signals");
                return self.drain("no signals", None).await;
            }
        };
        loop {
            match self.next(&mut signals).await {
                Wake::Event(event) => self.on_event(event),
                Wake::Order(order) => self.on_order(order),
                Wake::Rebuilt(Rebuilt { worker, pool, instance }) => {
                    if let Some(worker) = self.workers.get(worker) {
                        worker.tell(Command::Replace { pool, instance });
                    }
                }
                Wake::Reopen => {
                    if let Some(log) = &self.access_log {
                        log.reopen();
                    }
                }
                Wake::Stop(why) => return self.drain(why, Some(&mut signals)).await,
            }
        }
    }

    async fn next(&mut self, signals: &mut Signals) -> Wake {
        tokio::select! {
            Some(event) = self.events.recv() => Wake::Event(event),
            Some(order) = self.orders.recv() => Wake::Order(order),
            Some(rebuilt) = self.rebuilt.1.recv() => Wake::Rebuilt(rebuilt),
            _ = signals.reopen.recv() => Wake::Reopen,
            _ = signals.terminate.recv() => Wake::Stop("SIGTERM"),
            _ = signals.interrupt.recv() => Wake::Stop("SIGINT"),
        }
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Faulted { worker, pool, fault, instance } => self.on_fault(worker, &pool, &fault, instance),
            Event::Started { .. } => {}
            Event::Stopped { worker, .. } => tracing::error!(worker, "a worker has ended"),
        }
    }

    /// Logs the fault, and has another instance built in place of a broken one.
    fn on_fault(&mut self, worker: usize, pool: &Arc<str>, fault: &Fault, broken: Option<Box<Instance>>) {
        let now = Instant::now();
        let Some(shape) = self.snapshot.pools.iter().find(|known| known.name == *pool).cloned() else { return };
        if let Some(unsaid) = self.faults.say(pool, fault.kind, now) {
            tracing::warn!(
                plugin = %shape.balancer.name(), generation = shape.balancer.generation(), %pool, worker,
                kind = %fault.kind, unsaid, "{}", fault.message
            );
        }
        let Some(broken) = broken else { return };
        self.registry.dispose(*broken);
        let Some(used) = self.uses.get(pool) else { return };
        let seat = assembly::seat(&shape, used, worker, self.workers.len());
        let delay = self.faults.delay(worker, pool, now);
        let (registry, rebuilt, pool) = (Rc::clone(&self.registry), self.rebuilt.0.clone(), Arc::clone(pool));
        spawn_local(async move {
            const AGAIN: Duration = Duration::from_secs(1);
            tokio::time::sleep(delay).await;
            loop {
                match registry.build(seat.clone()).await {
                    Ok(instance) => {
                        let instance = Seated::new(instance, &shape);
                        // Nobody listens any more only when the process ends.
                        let _ = rebuilt.send(Rebuilt { worker, pool, instance });
                        return;
                    }
                    Err(error) => tracing::warn!(worker, %error, "no fresh instance; the fallback goes on"),
                }
                tokio::time::sleep(AGAIN).await;
            }
        });
    }

    fn on_order(&mut self, order: Order) {
        let Order { change, reply } = order;
        let done = self.snapshot.changed(&change, self.workers.len()).map(|(next, changed)| {
            tracing::info!(pool = %change.pool, backend = %change.backend, action = ?change.action, "backend changed");
            self.snapshot = Arc::new(next);
            self.published.send_replace(Arc::clone(&self.snapshot));
            for worker in &self.workers {
                worker.tell(Command::Apply { snapshot: Arc::clone(&self.snapshot), instances: HashMap::new() });
            }
            changed
        });
        // Who asked may have gone.
        let _ = reply.send(done);
    }

    /// Waits for the workers, or for a second signal.
    async fn drain(&mut self, why: &str, mut signals: Option<&mut Signals>) {
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
                () = stopped_again(&mut signals) => {
                    tracing::warn!("told to stop once more: stopped without draining");
                    return;
                }
            };
            match event {
                Some(Event::Stopped { cut, .. }) => {
                    running -= 1;
                    cut_off += cut;
                }
                Some(Event::Faulted { instance: Some(broken), .. }) => self.registry.dispose(*broken),
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

async fn stopped_again(signals: &mut Option<&mut Signals>) {
    match signals {
        Some(signals) => tokio::select! {
            _ = signals.terminate.recv() => {}
            _ = signals.interrupt.recv() => {}
        },
        None => std::future::pending().await,
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    reopen: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            reopen: signal(SignalKind::user_defined1())?,
        })
    }
}

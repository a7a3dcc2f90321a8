//! From an assembly to running workers.

use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::mpsc::{self, unbounded_channel};
use tokio::sync::watch;
use tokio::task::spawn_local;

use super::conditions::Conditions;
use super::discovery::Sources;
use super::outliers::Detection;
use super::plugins::{Plugins, Policy, Record};
use super::repair::Repairs;
use super::superseded::Superseded;
use super::tables::PoolTable;
use super::turn::Turn;
use super::{Control, Done};
use crate::admin::{self, Overview};
use crate::config::Config;
use crate::plugin::Registry;
use crate::proxy::Clock;
use crate::proxy::bells::Bells;
use crate::server::StartError;
use crate::server::assembly::{Assembly, Definitions};
use crate::server::descriptors;
use crate::server::faults::Faults;
use crate::server::gate::Gate;
use crate::server::health::Roster;
use crate::server::secret::Secret;
use crate::server::sockets::{self, SocketFiles};
use crate::server::watch::Digest;
use crate::snapshot::Event;
use crate::telemetry::access::Writer;
use crate::worker::{Launch, Worker};

/// What control starts with.
pub(super) struct Start {
    pub(super) config: Arc<Config>,
    pub(super) path: Option<PathBuf>,
    pub(super) used: Option<Digest>,
    pub(super) registry: Rc<Registry>,
    pub(super) gate: Rc<Gate>,
    pub(super) secret: Secret,
    pub(super) definitions: Definitions,
    pub(super) assembly: Assembly,
}

impl Control {
    /// Binds, starts the workers and waits until they serve.
    pub(super) async fn start(start: Start) -> Result<Self, StartError> {
        let Start { config, path, used, registry, gate, secret, definitions, assembly } = start;
        let Assembly { snapshot, crews, starts, checked, certificates } = assembly;
        descriptors::raise();
        let tables = starts.into_iter().map(|(pool, start)| (pool, PoolTable::new(start))).collect();
        let count = config.server.workers;
        let mut sockets: Vec<Vec<_>> = (0..count).map(|_| Vec::new()).collect();
        let mut addresses = Vec::new();
        let mut socket_files = SocketFiles::default();
        for listener in &config.listeners {
            let (name, address) = (Arc::clone(&listener.name), listener.address.clone());
            let failed = |error| StartError::Listen { name, address, error };
            let bound = sockets::open(listener, count).map_err(failed)?;
            addresses.push((Arc::clone(&listener.name), bound.address));
            socket_files.extend(bound.file);
            for (worker, socket) in bound.sockets.into_iter().enumerate() {
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
        let (clock, bells) = (Clock::default(), Bells::new(count));
        let mut workers = Vec::new();
        for (worker, (sockets, crew)) in sockets.into_iter().zip(crews).enumerate() {
            let launch = Launch {
                worker,
                snapshot: Arc::clone(&snapshot),
                crew,
                sockets,
                clock: clock.clone(),
                bells: bells.clone(),
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
        let done = unbounded_channel();
        // Nobody listens any more only when the process ends.
        let answers = done.0.clone();
        let mut control = Self {
            registry,
            gate,
            used,
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
            conditions: Conditions::default(),
            sources: Sources::default(),
            said: Vec::new(),
            detection: Detection::default(),
            checked,
            roster: Roster::new(move |answer| drop(answers.send(Done::Checked(Box::new(answer))))),
            certificates,
            socket_files,
            watcher: None,
            done,
        };
        control.until_started().await?;
        let names: Vec<_> = control.plugins.iter().map(|(name, _)| Arc::clone(name)).collect();
        names.iter().for_each(|plugin| control.show(plugin));
        control.watch();
        control.detect_outliers();
        control.discover();
        control.follow_health();
        control.be_ready();
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
}

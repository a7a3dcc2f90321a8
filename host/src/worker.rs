//! One serving thread: its sockets, its connections, its plugin instances, its own runtime.
//!
//! Nothing it holds is shared but atomics; control talks to it by [`Command`]s, it answers by [`Event`]s.

mod descriptors;
mod doors;
mod listening;

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep};

use self::doors::Doors;
pub use self::listening::Listening;
use crate::decide::Fault;
use crate::plugin::Activity;
use crate::proxy::bells::Bells;
use crate::proxy::carry::LEAVE;
use crate::proxy::{Clock, Proxy};
use crate::snapshot::{Comparison, Crew, Event, Fresh, Replacement, Seats, Slot, Snapshot, Told, View};
use crate::telemetry::access::Sink;

/// A command that takes longer lets requests through before the next.
const LONG: Duration = Duration::from_micros(500);

/// What control tells a worker.
pub enum Command {
    /// Serve this snapshot from now on, with what is new in it.
    Apply(Arc<Snapshot>, Option<Box<Changeover>>),
    /// Tell a pool's plugins what was prepared for them.
    Tell {
        /// The pool.
        pool: Arc<str>,
        /// The table.
        told: Arc<Told>,
        /// Instances that know it already, in place of those that are there.
        seats: Option<Seats>,
    },
    /// Decide with this instance from now on, in a place that is empty.
    Replace(Slot, Replacement),
    /// Do not ask the plugin in this place until it is replaced.
    Suspend(Slot),
    /// Compare what this plugin's next generation decides in this place.
    Shadow(Slot, Fresh, Arc<Comparison>),
    /// The plugin's generation before and its shadows are not needed any more.
    Settle(Arc<str>),
    /// Accept nothing new, finish what runs within this time, and end.
    Drain(Duration),
}

/// What a snapshot needs that the worker does not have yet.
#[derive(Default)]
pub struct Changeover {
    /// Instances of plugins.
    pub crew: Crew,
    /// Who cannot take over what was saved begins without it; else the one before decides on.
    pub anew: bool,
    /// Sockets of listeners, by name.
    pub sockets: Vec<(Arc<str>, Listening)>,
    /// Listeners that have another name now: before and after.
    pub renamed: Vec<(Arc<str>, Arc<str>)>,
    /// Told when all that holds, with the faults of instances that could not take over.
    pub done: Option<oneshot::Sender<Vec<Fault>>>,
}

/// What a worker starts with.
pub struct Launch {
    /// Its number.
    pub worker: usize,
    /// What it serves first.
    pub snapshot: Arc<Snapshot>,
    /// Its instances.
    pub crew: Crew,
    /// Its own sockets, by the name of their listener.
    pub sockets: Vec<(Arc<str>, Listening)>,
    /// The time of day.
    pub clock: Clock,
    /// Where it logs requests.
    pub access_log: Option<Sink>,
    /// By which workers ask each other for room.
    pub bells: Bells,
    /// Tells the deadlines of plugins when it is awake.
    pub activity: Activity,
    /// Where it reports.
    pub events: UnboundedSender<Event>,
}

/// A running worker. Dropping it drains the worker at once.
pub struct Worker {
    commands: UnboundedSender<Command>,
}

impl Worker {
    /// Starts the thread.
    ///
    /// # Errors
    /// There can be no further thread.
    pub fn start(launch: Launch) -> io::Result<Self> {
        let (commands, receiver) = unbounded_channel();
        thread::Builder::new().name(format!("worker-{}", launch.worker)).spawn(move || run(launch, receiver))?;
        Ok(Self { commands })
    }

    /// Tells it something. A worker that has ended hears nothing.
    pub fn tell(&self, command: Command) {
        let _ = self.commands.send(command);
    }
}

fn run(launch: Launch, commands: UnboundedReceiver<Command>) {
    let worker = launch.worker;
    let events = launch.events.clone();
    let (parked, unparked) = (launch.activity.clone(), launch.activity.clone());
    let runtime = Builder::new_current_thread()
        .enable_all()
        .on_thread_park(move || parked.idle())
        .on_thread_unpark(move || unparked.busy())
        .build_local(LocalOptions::default());
    let cut = match runtime {
        Ok(runtime) => runtime.block_on(serve(launch, commands)),
        Err(error) => {
            tracing::error!(worker, %error, "a worker cannot start");
            0
        }
    };
    let _ = events.send(Event::Stopped { worker, cut });
}

/// Serves until it is told to drain. Answers how many connections were cut off.
async fn serve(launch: Launch, mut commands: UnboundedReceiver<Command>) -> usize {
    let Launch { worker, snapshot, crew, sockets, clock, access_log, bells, activity, events } = launch;
    activity.busy();
    let view = View::first(worker, snapshot, crew, &events);
    let proxy = Proxy::new(worker, view, clock, access_log, bells);
    let mut doors = Doors::default();
    doors.open(&proxy, sockets);
    spawn_local(Rc::clone(&proxy).follow_bell());
    let ticking = Rc::clone(&proxy);
    spawn_local(async move { ticking.deadlines.run(|| ticking.tick()).await });
    let _ = events.send(Event::Started { worker });
    let timeout = loop {
        let command = commands.recv().await;
        let began = Instant::now();
        match command {
            Some(Command::Apply(snapshot, changeover)) => {
                let Changeover { crew, anew, sockets, renamed, done } =
                    changeover.map(|boxed| *boxed).unwrap_or_default();
                let (next, refused) = proxy.view.borrow().next(snapshot, crew, anew);
                let before = proxy.view.replace(Rc::new(next));
                proxy.wake_left(&proxy.view.borrow());
                doors.follow(&proxy, &before, renamed, &sockets);
                doors.open(&proxy, sockets);
                if let Some(done) = done {
                    // Control may have given up on it.
                    let _ = done.send(refused);
                }
            }
            Some(Command::Tell { pool, told, seats }) => {
                if let Some(steering) = proxy.view.borrow().find(&pool) {
                    steering.tell(told, seats);
                }
            }
            Some(Command::Replace(slot, replacement)) => proxy.view.borrow().replace(&slot, replacement),
            Some(Command::Suspend(slot)) => proxy.view.borrow().suspend(&slot),
            Some(Command::Shadow(slot, instance, comparison)) => {
                proxy.view.borrow().shadow(&slot, instance, &comparison);
            }
            Some(Command::Settle(plugin)) => proxy.view.borrow().settle(&plugin),
            Some(Command::Drain(timeout)) => break timeout,
            None => break Duration::ZERO,
        }
        // Of a burst of long changes, requests wait for one at a time.
        if began.elapsed() > LONG {
            tokio::task::yield_now().await;
        }
    };
    drain(&proxy, doors, timeout).await
}

async fn drain(proxy: &Rc<Proxy>, doors: Doors, timeout: Duration) -> usize {
    const POLL: Duration = Duration::from_millis(20);
    doors.close(proxy);
    let deadline = Instant::now() + timeout;
    // Connections that were in an accept queue come in at the next turn of the loop.
    tokio::task::yield_now().await;
    proxy.deadlines.wake_all();
    while proxy.connections.get() > 0 && Instant::now() < deadline {
        sleep(POLL).await;
        proxy.deadlines.wake_all();
    }
    let cut = proxy.connections.get();
    // Tunnels are closed in order: a client is to hear that we left, not that we broke.
    proxy.tunnels.end();
    proxy.deadlines.wake_all();
    let deadline = Instant::now() + LEAVE;
    while proxy.tunnels.open() > 0 && Instant::now() < deadline {
        sleep(POLL).await;
    }
    cut
}

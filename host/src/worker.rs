//! One serving thread: its sockets, its connections, its plugin instances, its own runtime.
//!
//! Nothing it holds is shared but atomics; control talks to it by [`Command`]s, it answers by [`Event`]s.

use std::cell::Cell;
use std::io;
use std::net::TcpListener as StdListener;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep, sleep_until};

use crate::plugin::Activity;
use crate::proxy::{Clock, Proxy, http};
use crate::snapshot::{Crew, Event, Replacement, Seats, Slot, Snapshot, Told, View};
use crate::telemetry::access::Sink;

/// A command that takes longer lets requests through before the next.
const LONG: Duration = Duration::from_micros(500);

/// What control tells a worker.
pub enum Command {
    /// Serve this snapshot from now on.
    Apply(Arc<Snapshot>),
    /// Tell a pool's plugins what was prepared for them.
    Tell {
        /// The pool.
        pool: Arc<str>,
        /// The table.
        told: Arc<Told>,
        /// Instances that know it already, in place of those that are there.
        seats: Option<Seats>,
    },
    /// Decide with this instance from now on, in place of one that broke.
    Replace(Slot, Replacement),
    /// Accept nothing new, finish what runs within this time, and end.
    Drain(Duration),
}

/// What a worker starts with.
pub struct Launch {
    /// Its number.
    pub worker: usize,
    /// What it serves first.
    pub snapshot: Arc<Snapshot>,
    /// Its instances.
    pub crew: Crew,
    /// Its own sockets, with the number of their listener.
    pub sockets: Vec<(usize, StdListener)>,
    /// The time of day.
    pub clock: Clock,
    /// Where it logs requests.
    pub access_log: Option<Sink>,
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
    let Launch { worker, snapshot, crew, sockets, clock, access_log, activity, events } = launch;
    activity.busy();
    let view = View::first(worker, snapshot, crew, &events);
    let proxy = Proxy::new(worker, view, clock, access_log);
    let stop = Rc::new(Stop::default());
    for (listener, socket) in sockets {
        match TcpListener::from_std(socket) {
            Ok(socket) => drop(spawn_local(accept(Rc::clone(&proxy), listener, socket, Rc::clone(&stop)))),
            Err(error) => tracing::error!(worker, %error, "a listener cannot be served"),
        }
    }
    let ticking = Rc::clone(&proxy);
    spawn_local(async move { ticking.deadlines.run(|| ticking.tick()).await });
    let _ = events.send(Event::Started { worker });
    let timeout = loop {
        let command = commands.recv().await;
        let began = Instant::now();
        match command {
            Some(Command::Apply(snapshot)) => {
                let next = proxy.view.borrow().next(snapshot);
                proxy.view.replace(Rc::new(next));
            }
            Some(Command::Tell { pool, told, seats }) => {
                if let Some(steering) = proxy.view.borrow().find(&pool) {
                    steering.tell(told, seats);
                }
            }
            Some(Command::Replace(slot, replacement)) => proxy.view.borrow().replace(&slot, replacement),
            Some(Command::Drain(timeout)) => break timeout,
            None => break Duration::ZERO,
        }
        // Of a burst of long changes, requests wait for one at a time.
        if began.elapsed() > LONG {
            tokio::task::yield_now().await;
        }
    };
    drain(&proxy, &stop, timeout).await
}

async fn drain(proxy: &Rc<Proxy>, stop: &Rc<Stop>, timeout: Duration) -> usize {
    const POLL: Duration = Duration::from_millis(20);
    stop.now();
    proxy.draining.set(true);
    let deadline = Instant::now() + timeout;
    // Connections that were in an accept queue come in at the next turn of the loop.
    tokio::task::yield_now().await;
    proxy.deadlines.wake_all();
    while proxy.connections.get() > 0 && Instant::now() < deadline {
        sleep(POLL).await;
        proxy.deadlines.wake_all();
    }
    proxy.connections.get()
}

/// Says stop to the accept loops.
#[derive(Default)]
struct Stop {
    said: Cell<bool>,
    notify: Notify,
}

impl Stop {
    fn now(&self) {
        self.said.set(true);
        self.notify.notify_waiters();
    }
}

async fn accept(proxy: Rc<Proxy>, listener: usize, socket: TcpListener, stop: Rc<Stop>) {
    const PAUSE: Duration = Duration::from_millis(50);
    loop {
        // After the word to stop, only what waits in the queue is taken: closing the socket would reset it.
        let last = if stop.said.get() { Some(Instant::now()) } else { None };
        let accepted = tokio::select! {
            biased;
            accepted = socket.accept() => accepted,
            () = stop.notify.notified(), if last.is_none() => continue,
            () = sleep_until(last.unwrap_or_else(Instant::now)), if last.is_some() => return,
        };
        match accepted {
            Ok((client, address)) => {
                // Without it, a response in two parts waits for the client's acknowledgement.
                let _ = client.set_nodelay(true);
                spawn_local(http::serve(Rc::clone(&proxy), listener, client, address));
            }
            Err(error) if is_of_the_connection(&error) => {}
            Err(error) => {
                // Out of descriptors or memory: what is in the queue can wait until some are free.
                tracing::warn!(worker = proxy.worker, %error, "cannot accept");
                sleep(PAUSE).await;
            }
        }
    }
}

/// The client went away before it was accepted.
fn is_of_the_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}

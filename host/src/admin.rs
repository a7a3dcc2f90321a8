//! The admin API: what the process is doing, and changes to backends, plugins and the configuration, over HTTP.
//!
//! It reads snapshots and counters, and hands changes to control as [`Order`]s; it decides nothing itself.

mod answer;
mod api;
mod guard;
mod metrics;
mod plugins;
mod report;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::spawn_local;

use crate::config::{Address, Admin, ListenerAddress};
use crate::plugin::{BuildError, LoadError};
use crate::snapshot::change::{Change, ChangeError, Changed};
use crate::snapshot::{Comparison, Slot, Snapshot};
use guard::Guard;

pub use report::{BackendReport, DiscoveryReport, HealthReport, ListenerReport, PluginReport, PoolReport};

/// Slow clients of the admin API are cut off.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// What somebody asks for, and where the answer goes.
pub enum Order {
    /// A change of a backend.
    Change(Change, oneshot::Sender<Result<Changed, ChangeError>>),
    /// Another generation of a plugin, of this component.
    Swap(Arc<str>, Arc<[u8]>, oneshot::Sender<Result<Swapped, SwapError>>),
    /// The generation of a plugin that decided before.
    RollBack(Arc<str>, oneshot::Sender<Result<Swapped, SwapError>>),
    /// The configuration, read again; answered is a summary, or why nothing has changed.
    Reload(oneshot::Sender<Result<String, String>>),
}

/// What became of a swap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Swapped {
    /// It decides everywhere.
    Decides {
        /// Its number.
        generation: u64,
        /// From the end of its compilation.
        placed: Duration,
    },
    /// It is compared first.
    Compared {
        /// Its number.
        generation: u64,
        /// For how long.
        time: Duration,
    },
    /// The generation before decides.
    Returned {
        /// Its number.
        generation: u64,
    },
}

/// A plugin was not swapped, and nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum SwapError {
    /// Nobody uses it.
    #[error("no pool and no route uses the plugin `{0}`")]
    Unused(Arc<str>),
    /// Another swap of it goes on.
    #[error("another swap of the plugin `{0}` goes on")]
    Busy(Arc<str>),
    /// There was no other generation.
    #[error("the plugin `{0}` has no generation to go back to")]
    NoPrevious(Arc<str>),
    /// The component cannot be used.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// It cannot be used where the plugin is.
    #[error(transparent)]
    Build(#[from] BuildError),
}

/// How it is with a plugin, as control sees it.
#[derive(Debug, Clone)]
pub struct PluginStatus {
    /// What is going on.
    pub stage: Stage,
    /// While a generation is compared: where, and how that goes.
    pub comparisons: Vec<(Slot, Arc<Comparison>)>,
    /// The generation that a rollback goes to.
    pub previous: Option<u64>,
    /// It was sent, and holds until its file changes or the process ends.
    pub uploaded: bool,
    /// How the last attempt to replace it went.
    pub last: Option<String>,
}

/// What is going on with a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Nothing.
    Steady,
    /// The next generation is being compiled, tried or built.
    Loading,
    /// The next generation is compared.
    Shadow {
        /// Its number.
        generation: u64,
        /// When that ends.
        until: Instant,
    },
    /// The generation that decides may have to go.
    Probation {
        /// When that ends.
        until: Instant,
    },
}

/// How it is with a pool's source of backends, as control sees it.
#[derive(Debug, Clone, Default)]
pub struct SourceStatus {
    /// Which it is: `dns app.internal:8080`.
    pub source: String,
    /// When it answered last.
    pub answered: Option<Instant>,
    /// What is wrong with it at present, though a part may have been answered.
    pub error: Option<String>,
    /// How often it has answered.
    pub answers: u64,
    /// How often it has not.
    pub failures: u64,
}

/// Names of listeners, and the addresses that were bound for them.
type Listeners = Vec<(Arc<str>, ListenerAddress)>;

/// What the admin API tells of.
#[derive(Clone)]
pub struct Overview {
    listeners: Rc<RefCell<Listeners>>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    plugins: Rc<RefCell<BTreeMap<Arc<str>, PluginStatus>>>,
    sources: Rc<RefCell<BTreeMap<Arc<str>, SourceStatus>>>,
    started: Instant,
    ready: Rc<Cell<bool>>,
}

impl Overview {
    /// `listeners` are the names and the addresses that were bound; `snapshots` is always the newest.
    pub fn new(listeners: Vec<(Arc<str>, ListenerAddress)>, snapshots: watch::Receiver<Arc<Snapshot>>) -> Self {
        let (listeners, plugins, sources) = (Rc::new(RefCell::new(listeners)), Rc::default(), Rc::default());
        Self { listeners, snapshots, plugins, sources, started: Instant::now(), ready: Rc::default() }
    }

    /// Whether `/readyz` says yes.
    pub fn set_ready(&self, ready: bool) {
        self.ready.set(ready);
    }

    /// Names and addresses of listeners.
    pub fn listeners(&self) -> Vec<(Arc<str>, ListenerAddress)> {
        self.listeners.borrow().clone()
    }

    /// Listeners are others now, in the order of the snapshot.
    pub fn set_listeners(&self, listeners: Vec<(Arc<str>, ListenerAddress)>) {
        self.listeners.replace(listeners);
    }

    /// How it is with a plugin now; none: it is not used any more.
    pub fn show_plugin(&self, plugin: &Arc<str>, status: Option<PluginStatus>) {
        let mut plugins = self.plugins.borrow_mut();
        match status {
            Some(status) => drop(plugins.insert(Arc::clone(plugin), status)),
            None => drop(plugins.remove(plugin)),
        }
    }

    /// How it is with a pool's source of backends now; none: it has none any more.
    pub fn show_source(&self, pool: &Arc<str>, status: Option<SourceStatus>) {
        let mut sources = self.sources.borrow_mut();
        match status {
            Some(status) => drop(sources.insert(Arc::clone(pool), status)),
            None => drop(sources.remove(pool)),
        }
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshots.borrow())
    }
}

/// What a request to the admin API works with.
struct State {
    overview: Overview,
    orders: mpsc::Sender<Order>,
    guard: Guard,
    /// Of a component, in bytes.
    max_component_size: usize,
}

enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// Binds the address. The future that is answered serves for ever.
///
/// # Errors
/// The address is in use or not ours; the token file cannot be read.
pub async fn bind(
    admin: &Admin,
    overview: Overview,
    orders: mpsc::Sender<Order>,
    max_component_size: usize,
) -> io::Result<impl Future<Output = ()> + 'static> {
    let guard = Guard::new(admin)?;
    let socket = match &admin.listen {
        Address::Socket(address) => Socket::Tcp(TcpListener::bind(address).await?),
        Address::Name(name, port) => Socket::Tcp(TcpListener::bind((&**name, *port)).await?),
        Address::Unix(path) => {
            remove_stale(path);
            Socket::Unix(UnixListener::bind(path)?)
        }
    };
    let address = match &socket {
        Socket::Tcp(socket) => socket.local_addr()?.to_string(),
        Socket::Unix(_) => admin.listen.to_string(),
    };
    tracing::info!(address, "admin API listening");
    let state = Rc::new(State { overview, orders, guard, max_component_size });
    Ok(accept(socket, state))
}

/// Removes the socket that a process which died has left behind, and nothing else.
fn remove_stale(path: &Path) {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    let refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    if is_socket && UnixStream::connect(path).is_err_and(refused) {
        // If it cannot be removed, binding says so.
        let _ = std::fs::remove_file(path);
    }
}

async fn accept(socket: Socket, state: Rc<State>) {
    const PAUSE: Duration = Duration::from_millis(50);
    loop {
        let accepted = match &socket {
            Socket::Tcp(socket) => socket.accept().await.map(|(client, _)| serve(TokioIo::new(client), &state)),
            Socket::Unix(socket) => socket.accept().await.map(|(client, _)| serve(TokioIo::new(client), &state)),
        };
        if let Err(error) = accepted {
            tracing::warn!(%error, "admin API cannot accept");
            tokio::time::sleep(PAUSE).await;
        }
    }
}

fn serve<I>(io: I, state: &Rc<State>)
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin + 'static,
{
    let state = Rc::clone(state);
    spawn_local(async move {
        let service = service_fn(|request| {
            let state = Rc::clone(&state);
            async move { Ok::<_, std::convert::Infallible>(api::answer(&state, request).await) }
        });
        let served = Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .serve_connection(io, service)
            .await;
        if let Err(error) = served {
            tracing::debug!(%error, "admin API connection");
        }
    });
}

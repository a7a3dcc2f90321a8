//! The admin API: what the process is doing, and changes to its backends, over HTTP.
//!
//! It reads snapshots and counters, and hands changes to control as [`Order`]s; it decides nothing itself.

mod api;
mod guard;
mod metrics;
mod report;

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
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

use crate::config::{Address, Admin};
use crate::snapshot::Snapshot;
use crate::snapshot::change::{Change, ChangeError, Changed};
use guard::Guard;

pub use report::{BackendReport, ListenerReport, PluginReport, PoolReport};

/// Slow clients of the admin API are cut off.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// A change that somebody asks for.
pub struct Order {
    /// What is to be changed.
    pub change: Change,
    /// Where the answer goes.
    pub reply: oneshot::Sender<Result<Changed, ChangeError>>,
}

/// What the admin API tells of.
#[derive(Clone)]
pub struct Overview {
    listeners: Rc<[(Arc<str>, SocketAddr)]>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    started: Instant,
    ready: Rc<Cell<bool>>,
}

impl Overview {
    /// `listeners` are the names and the addresses that were bound; `snapshots` is always the newest.
    pub fn new(listeners: Vec<(Arc<str>, SocketAddr)>, snapshots: watch::Receiver<Arc<Snapshot>>) -> Self {
        Self { listeners: listeners.into(), snapshots, started: Instant::now(), ready: Rc::default() }
    }

    /// Whether `/readyz` says yes.
    pub fn set_ready(&self, ready: bool) {
        self.ready.set(ready);
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
    let state = Rc::new(State { overview, orders, guard });
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

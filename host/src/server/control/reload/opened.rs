//! Sockets of the listeners that a reload adds, before anything else of it holds.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::config::{self, Config, ListenerAddress};
use crate::server::StartError;
use crate::server::assembly;
use crate::server::sockets::{self, Bound, SocketFile};
use crate::worker::Listening;

/// Time after which an address is asked for again that is in use.
const SOON: Duration = Duration::from_millis(10);

/// Sockets of new listeners.
#[derive(Default)]
pub(in crate::server::control) struct Opened {
    /// For each worker.
    pub(super) sockets: Vec<Vec<(Arc<str>, Listening)>>,
    pub(super) addresses: Vec<(Arc<str>, ListenerAddress)>,
    /// Of Unix sockets.
    pub(super) files: Vec<SocketFile>,
}

/// Binds the listeners that are new.
pub(super) async fn open(config: &Config, before: &Config, workers: usize) -> Result<Opened, StartError> {
    let mut opened = Opened { sockets: (0..workers).map(|_| Vec::new()).collect(), ..Opened::default() };
    for listener in &config.listeners {
        if before.listeners.iter().any(|before| assembly::continues(before, listener)) {
            continue;
        }
        let name = &listener.name;
        let failed = |error| StartError::Listen { name: Arc::clone(name), address: listener.address.clone(), error };
        let bound = bind(listener, workers).await.map_err(failed)?;
        opened.addresses.push((Arc::clone(name), bound.address));
        opened.files.extend(bound.file);
        for (sockets, socket) in opened.sockets.iter_mut().zip(bound.sockets) {
            sockets.push((Arc::clone(name), socket));
        }
    }
    Ok(opened)
}

/// Binds an address, which a listener that was just closed may let go of in a moment.
async fn bind(listener: &config::Listener, workers: usize) -> io::Result<Bound> {
    const TRIES: usize = 20;
    for _ in 1..TRIES {
        match sockets::open(listener, workers) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => tokio::time::sleep(SOON).await,
            bound => return bound,
        }
    }
    sockets::open(listener, workers)
}

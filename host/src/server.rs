//! The process: from a configuration to running workers, and down again.
//!
//! `assembly` builds everything before anything starts, [`control`] runs on the thread that called. No
//! request is ever handled here.

mod assembly;
mod breaker;
pub mod control;
mod descriptors;
mod elements;
mod faults;
mod gate;
mod health;
mod membership;
mod preparation;
pub mod secret;
pub mod sockets;
mod tls;
mod trial;
mod watch;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::config::ListenerAddress;
use crate::config::secret::SecretError;
use crate::plugin::{BuildError, LoadError};
use crate::tls::TlsError;

/// Why the process does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A component cannot be used.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A plugin cannot be configured.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// Nobody would see what a shaper answers.
    #[error("pool `{pool}`: `{shaper}` is a shaper, and no balancer comes behind it in the chain")]
    NoBalancer {
        /// The pool.
        pool: Arc<str>,
        /// The plugin.
        shaper: Arc<str>,
    },
    /// A health check cannot be made.
    #[error("health check of pool `{pool}`: {error}")]
    Check {
        /// The pool.
        pool: Arc<str>,
        /// Why not.
        error: TlsError,
    },
    /// Connections cannot come from addresses of clients.
    #[error("pool `{pool}` is `transparent`, and this process may not be (CAP_NET_ADMIN or CAP_NET_RAW): {error}")]
    Transparent {
        /// The pool.
        pool: Arc<str>,
        /// Why not.
        error: io::Error,
    },
    /// An error page, or a fixed response, cannot be read.
    #[error("cannot read the page `{}`: {error}", path.display())]
    Page {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// A listener's TLS cannot be served.
    #[error("TLS of listener `{listener}`: {error}")]
    ListenerTls {
        /// The listener.
        listener: Arc<str>,
        /// Why not.
        error: TlsError,
    },
    /// A pool's backends cannot be connected to.
    #[error("TLS of pool `{pool}`: {error}")]
    PoolTls {
        /// The pool.
        pool: Arc<str>,
        /// Why not.
        error: TlsError,
    },
    /// The secret cannot be used.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// An address cannot be listened on.
    #[error("listener `{name}` cannot listen on {address}: {error}")]
    Listen {
        /// The listener.
        name: Arc<str>,
        /// Where.
        address: ListenerAddress,
        /// Why not.
        error: io::Error,
    },
    /// The admin API cannot be served.
    #[error("admin API on {address}: {error}")]
    Admin {
        /// Where.
        address: String,
        /// Why not.
        error: io::Error,
    },
    /// The access log cannot be opened.
    #[error("access log {}: {error}", path.display())]
    AccessLog {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// The system gives no threads, signals or address space.
    #[error("cannot start: {0}")]
    System(#[from] io::Error),
}

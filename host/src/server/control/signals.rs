//! What the system tells the process.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that are caught.
pub(super) struct Signals {
    /// SIGTERM: drain and end.
    pub(super) terminate: Signal,
    /// SIGINT: the same.
    pub(super) interrupt: Signal,
    /// SIGUSR1: open the access log anew.
    pub(super) reopen: Signal,
    /// SIGHUP: read the configuration again.
    pub(super) reload: Signal,
}

impl Signals {
    /// # Errors
    /// When the system refuses a handler.
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            reopen: signal(SignalKind::user_defined1())?,
            reload: signal(SignalKind::hangup())?,
        })
    }
}

//! Options of TCP sockets: `keepalive` and `tcp_user_timeout` of listeners and pools.

use std::time::Duration;

/// Told to the kernel for each connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TcpOptions {
    /// `keepalive`: after so long of silence the kernel asks whether the other side is still there, and as often again (default:
    /// not at all, and where bytes are carried both ways after two hours, as the system says; whole seconds, 1 s to 9 h).
    pub keepalive: Option<Duration>,
    /// `tcp_user_timeout`: a connection ends when what was sent is not acknowledged for so long (RFC 5482; default: as the system
    /// says, some 15 minutes; 1 ms to 24 h).
    pub user_timeout: Option<Duration>,
}

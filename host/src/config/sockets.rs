//! Options of TCP sockets: `keepalive`, `tcp_user_timeout` and `tcp_fast_open` of listeners and pools.

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
    /// `tcp_fast_open` (RFC 7413, default false): a client that was here before may send with its first packet, and backends get
    /// what is sent first with ours. Who uses it must not mind that this comes twice, as it does when a packet is repeated. It needs
    /// the system's permission (on Linux `net.ipv4.tcp_fastopen`: 1 towards backends, 2 of clients). A backend that is not
    /// there is noticed only with the first bytes then, when no other is tried for a connection that is carried as it is. Where the
    /// backend speaks first, as of `protocol = "tcp"` without TLS it may, the connection is made as ever.
    pub fast_open: bool,
}

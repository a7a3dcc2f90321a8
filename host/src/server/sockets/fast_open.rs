//! TCP Fast Open of sockets that listen (RFC 7413): an option that no library names yet.

use std::fs;

use nix::sys::socket::setsockopt;
use nix::{libc, setsockopt_impl, sockopt_impl};
use socket2::Socket;

/// Connections that may have sent with their first packet, and have not said yet that they are who they say they are.
const MOST: usize = 1024;

/// What the system allows, as bits.
const SYSTEM: &str = "/proc/sys/net/ipv4/tcp_fastopen";

/// The bit of [`SYSTEM`] that allows it of clients.
const OF_CLIENTS: u32 = 2;

sockopt_impl!(
    /// How many may be pending so; 0: nobody may send with the first packet (`TCP_FASTOPEN`).
    Pending,
    SetOnly,
    libc::IPPROTO_TCP,
    libc::TCP_FASTOPEN,
    usize
);

/// Clients may send with their first packet, where the system has such a thing; otherwise they are accepted as ever.
pub(super) fn allow(socket: &Socket) {
    let _ = setsockopt(socket, Pending, &MOST);
}

/// Says so where a listener asks for what the system does not allow.
pub(super) fn warn(listener: &str) {
    let allowed = fs::read_to_string(SYSTEM).ok().and_then(|text| text.trim().parse::<u32>().ok());
    if allowed.is_some_and(|bits| bits & OF_CLIENTS == 0) {
        tracing::warn!(
            listener,
            "tcp_fast_open is not allowed by the system: nobody sends with the first packet before the bit {OF_CLIENTS} of \
             net.ipv4.tcp_fastopen is set"
        );
    }
}

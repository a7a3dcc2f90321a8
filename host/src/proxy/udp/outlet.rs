//! Where datagrams go: from a socket to one address, several by one system call where they are of one length. And how it is heard that
//! nobody is there.

use std::future::pending;
use std::io;
use std::net::{IpAddr, SocketAddr};

use quinn_udp::{Transmit, UdpSocketState};
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::UdpSocket;

use super::batch::Datagrams;
use crate::telemetry::carried::{Carried, Dropped};

/// The longest of which several are given to the kernel at once: they fit an Ethernet frame by IPv6 (RFC 2464, 8200), and what
/// does not cannot be taken apart by it.
const LONGEST_SEGMENT: usize = 1452;

/// `EMSGSIZE` on Linux.
const TOO_LONG: i32 = 90;

/// The way from a socket to an address.
pub(super) struct Outlet<'a> {
    /// It does not block.
    pub(super) socket: &'a UdpSocket,
    /// What the kernel can do.
    pub(super) state: &'a UdpSocketState,
    /// To whom.
    pub(super) to: SocketAddr,
    /// From which of our addresses, where there are several; and whether the socket is connected to `to`.
    pub(super) from: Option<IpAddr>,
    pub(super) is_connected: bool,
}

/// What became of datagrams.
#[derive(Debug, Default)]
pub(super) struct Sent {
    /// How many went, and their bytes.
    pub(super) datagrams: u64,
    pub(super) bytes: u64,
    /// How many did not, for the last reason.
    pub(super) dropped: Option<(u64, Dropped)>,
    /// Nobody is there: what is told of those that went before. This many have not gone for that, and may go elsewhere.
    pub(super) unreached: usize,
}

impl Sent {
    /// Counts what was dropped.
    pub(super) fn count_dropped(&self, carried: &Carried) {
        if let Some((count, why)) = self.dropped {
            carried.dropped[why as usize].add(count);
        }
    }
}

impl Outlet<'_> {
    /// Sends them, in their order.
    pub(super) fn send(&self, datagrams: Datagrams<'_>) -> Sent {
        let mut sent = Sent::default();
        let count = datagrams.count();
        if let Some(segment) = datagrams.segment
            && segment <= LONGEST_SEGMENT
            && count <= self.state.max_gso_segments()
        {
            match self.transmit(datagrams.bytes, Some(segment)) {
                Ok(()) => {
                    (sent.datagrams, sent.bytes) = (count as u64, datagrams.bytes.len() as u64);
                    return sent;
                }
                Err(error) if is_unreachable(&error) => {
                    sent.unreached = count;
                    return sent;
                }
                // A way that cannot take them together takes them one by one.
                Err(_) => {}
            }
        }
        for (position, bytes) in datagrams.each().enumerate() {
            match self.send_one(bytes) {
                Ok(()) => {
                    sent.datagrams += 1;
                    sent.bytes += bytes.len() as u64;
                }
                Err(error) if is_unreachable(&error) => {
                    sent.unreached = count - position;
                    break;
                }
                Err(error) => {
                    let why = match error.kind() {
                        io::ErrorKind::WouldBlock => Dropped::Busy,
                        _ if error.raw_os_error() == Some(TOO_LONG) => Dropped::TooLong,
                        _ => Dropped::Failed,
                    };
                    tracing::debug!(to = %self.to, %error, "a datagram is dropped");
                    sent.dropped = Some((sent.dropped.map_or(0, |(before, _)| before) + 1, why));
                }
            }
        }
        sent
    }

    fn send_one(&self, bytes: &[u8]) -> io::Result<()> {
        if self.is_connected {
            // Without an address, the kernel need not look for the way.
            SockRef::from(self.socket).send(bytes).map(drop)
        } else if self.from.is_none() {
            SockRef::from(self.socket).send_to(bytes, &self.to.into()).map(drop)
        } else {
            self.transmit(bytes, None)
        }
    }

    fn transmit(&self, contents: &[u8], segment_size: Option<usize>) -> io::Result<()> {
        let transmit = Transmit { destination: self.to, ecn: None, contents, segment_size, src_ip: self.from };
        self.state.try_send(self.socket.into(), &transmit)
    }
}

/// Whether it says that nobody is there.
pub(super) fn is_unreachable(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused | io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable
    )
}

/// Ready when the backend's machine has said that nobody is there: what has gone was for nobody.
pub(super) async fn refused(socket: &UdpSocket) {
    loop {
        match socket.ready(Interest::ERROR).await {
            Ok(_) if is_refused(socket) => return,
            // Something else, or said already.
            Ok(_) => {
                drop(socket.try_io(Interest::ERROR, || -> io::Result<()> { Err(io::ErrorKind::WouldBlock.into()) }))
            }
            Err(_) => return pending().await,
        }
    }
}

/// Whether it was said that nobody is there; it is said once.
pub(super) fn is_refused(socket: &UdpSocket) -> bool {
    matches!(socket.take_error(), Ok(Some(error)) if is_unreachable(&error))
}

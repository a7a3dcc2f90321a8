//! Sockets of listeners: of TCP and UDP one per worker and listener, of Unix one per listener; all bound before anything starts.

#[cfg(target_os = "linux")]
mod fast_open;
mod unix;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use socket2::{Domain, Protocol, Socket, Type};

pub use self::unix::{SocketFile, SocketFiles};
use crate::config::{Listener, ListenerAddress};
use crate::worker::Listening;

/// Connections that may wait to be accepted, per socket.
const BACKLOG: i32 = 4096;

/// What was bound for a listener.
pub struct Bound {
    /// Where it listens.
    pub address: ListenerAddress,
    /// For each worker.
    pub sockets: Vec<Listening>,
    /// The file of a Unix socket.
    pub file: Option<SocketFile>,
}

/// Binds what a listener needs.
///
/// # Errors
/// Its address is in use, by another process too, or not ours.
pub fn open(listener: &Listener, workers: usize) -> io::Result<Bound> {
    match &listener.address {
        ListenerAddress::Socket(address) => {
            #[cfg(target_os = "linux")]
            if listener.tcp.fast_open {
                fast_open::warn(&listener.name);
            }
            let bind = if listener.protocol.is_udp() { datagrams } else { connections };
            let (address, sockets) =
                share(*address, workers, |address, shared| bind(address, listener.ipv6_only, shared))?;
            let sockets = match listener.protocol.is_udp() {
                true => grouped(sockets)?,
                false => sockets.into_iter().map(|socket| listening(socket, listener)).collect::<io::Result<_>>()?,
            };
            Ok(Bound { address: ListenerAddress::Socket(address), sockets, file: None })
        }
        ListenerAddress::Unix(path) => {
            let (file, sockets) = unix::listen(path, listener.mode, workers)?;
            let sockets = sockets.into_iter().map(Listening::Unix).collect();
            Ok(Bound { address: listener.address.clone(), sockets, file: Some(file) })
        }
    }
}

/// Binds one socket per worker to the same address, among which the kernel spreads connections, or flows of datagrams
/// (`SO_REUSEPORT`). Port 0 takes one free port for all.
///
/// # Errors
/// The address is in use, by another process too, or not ours.
fn share(
    address: SocketAddr,
    workers: usize,
    bind: impl Fn(SocketAddr, bool) -> io::Result<Socket>,
) -> io::Result<(SocketAddr, Vec<Socket>)> {
    // SO_REUSEPORT would let us share an address with a process that listens on it already. So the first
    // socket asks without it, which that process makes fail.
    let probe = bind(address, false)?;
    let local = probe.local_addr()?.as_socket().unwrap_or(address);
    drop(probe);
    let sockets = (0..workers).map(|_| bind(local, true));
    Ok((local, sockets.collect::<io::Result<_>>()?))
}

/// Each of them with all: see [`Listening::Udp`].
fn grouped(sockets: Vec<Socket>) -> io::Result<Vec<Listening>> {
    let group = sockets.iter().map(|socket| Ok(socket.try_clone()?.into())).collect::<io::Result<Arc<[_]>>>()?;
    Ok(sockets.into_iter().map(|socket| Listening::Udp(socket.into(), Arc::clone(&group))).collect())
}

fn listening(socket: Socket, listener: &Listener) -> io::Result<Listening> {
    #[cfg(target_os = "linux")]
    if listener.tcp.fast_open {
        fast_open::allow(&socket);
    }
    socket.listen(BACKLOG)?;
    Ok(Listening::Tcp(socket.into()))
}

/// Unless `ipv6_only`, `[::]` takes clients of IPv4 too.
fn connections(address: SocketAddr, ipv6_only: bool, shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    // Connections have it from here. Without it, a response in two parts waits for the client's acknowledgement.
    socket.set_tcp_nodelay(true)?;
    bind(socket, address, ipv6_only, shared)
}

fn datagrams(address: SocketAddr, ipv6_only: bool, shared: bool) -> io::Result<Socket> {
    // With SO_REUSEADDR, anybody could have the address too.
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    let socket = bind(socket, address, ipv6_only, shared)?;
    #[cfg(target_os = "linux")]
    {
        use nix::sys::socket::{setsockopt, sockopt};
        if address.ip().is_unspecified() {
            // Where there are many addresses, an answer has to come from the one that was asked.
            match address {
                SocketAddr::V4(_) => setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?,
                SocketAddr::V6(_) => setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?,
            }
        }
        // An old kernel knows no such thing, and everything goes on one by one.
        let _ = setsockopt(&socket, sockopt::UdpGroSegment, &true);
    }
    Ok(socket)
}

fn bind(socket: Socket, address: SocketAddr, ipv6_only: bool, shared: bool) -> io::Result<Socket> {
    socket.set_reuse_port(shared)?;
    if address.is_ipv6() {
        // Where `[::]` takes IPv6 only, `0.0.0.0` can stand beside it.
        socket.set_only_v6(ipv6_only)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::load;

    /// On 127.0.0.1, with these lines.
    fn listener(port: u16, more: &str) -> Listener {
        let text = format!(
            "[[listener]]\naddress = '127.0.0.1:{port}'\npool = 'web'\n{more}\n[pool.web]\nbackends = ['127.0.0.1:1']\n"
        );
        let loaded = load::parse(&text, "test", Path::new("."), &["round-robin"]).expect("a configuration");
        loaded.config.listeners[0].clone()
    }

    #[test]
    fn workers_share_an_address_and_strangers_do_not() {
        for protocol in ["tcp", "udp"] {
            let more = format!("protocol = '{protocol}'");
            let Bound { address, sockets, .. } = open(&listener(0, &more), 3).expect("bound");
            let ListenerAddress::Socket(address) = address else { panic!("{address}") };
            assert_eq!(sockets.len(), 3);
            let local = |socket: &Listening| match socket {
                Listening::Tcp(socket) => socket.local_addr().ok(),
                Listening::Udp(socket, _) => socket.local_addr().ok(),
                Listening::Unix(_) => None,
            };
            assert!(sockets.iter().all(|socket| local(socket) == Some(address)));
            let taken = open(&listener(address.port(), &more), 1).map(|_| ()).expect_err("in use");
            assert_eq!(taken.kind(), io::ErrorKind::AddrInUse, "{protocol}");
        }
    }
}

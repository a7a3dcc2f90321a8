//! Sockets that listen: one per worker and listener, all bound before anything starts.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

/// Connections that may wait to be accepted, per socket.
const BACKLOG: i32 = 4096;

/// Binds one socket per worker to the same address, among which the kernel spreads connections
/// (`SO_REUSEPORT`). Port 0 takes one free port for all. Unless `ipv6_only`, `[::]` takes clients of IPv4 too.
///
/// # Errors
/// The address is in use, by another process too, or not ours.
pub fn listen(address: SocketAddr, ipv6_only: bool, workers: usize) -> io::Result<(SocketAddr, Vec<TcpListener>)> {
    // SO_REUSEPORT would let us share an address with a process that listens on it already. So the first
    // socket asks without it, which that process makes fail.
    let probe = bind(address, ipv6_only, false)?;
    let local = probe.local_addr()?.as_socket().unwrap_or(address);
    drop(probe);
    let sockets = (0..workers).map(|_| {
        let socket = bind(local, ipv6_only, true)?;
        socket.listen(BACKLOG)?;
        Ok(TcpListener::from(socket))
    });
    Ok((local, sockets.collect::<io::Result<_>>()?))
}

fn bind(address: SocketAddr, ipv6_only: bool, shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
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
    use super::*;

    #[test]
    fn workers_share_an_address_and_strangers_do_not() {
        let any = "127.0.0.1:0".parse().expect("address");
        let (address, sockets) = listen(any, true, 3).expect("bound");
        assert_eq!(sockets.len(), 3);
        assert!(sockets.iter().all(|socket| socket.local_addr().expect("bound") == address));
        let taken = listen(address, true, 1).expect_err("in use");
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
    }
}

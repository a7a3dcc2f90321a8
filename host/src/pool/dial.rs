//! A socket for datagrams to and from a backend: nothing is said by it yet, and the backend knows of nothing.

use std::io;
use std::net::{IpAddr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{UdpSocket, lookup_host};

use crate::config::Address;

/// A socket that is connected to `address`: what comes by it is from there, and it hears when nobody is there. A name is resolved
/// now, and its first address is taken that there is a way to. With `from`, datagrams come from that address, whosever it
/// is, where it is of the same family.
///
/// # Errors
/// There is no way, no such name, or no descriptor; or it is no address for datagrams.
pub async fn dial(address: &Address, from: Option<IpAddr>) -> io::Result<(UdpSocket, SocketAddr)> {
    match address {
        Address::Socket(address) => Ok((connect(*address, from)?, *address)),
        Address::Name(name, port) => {
            let mut last = io::Error::new(io::ErrorKind::NotFound, format!("{name} has no address"));
            for address in lookup_host((&**name, *port)).await? {
                match connect(address, from) {
                    Ok(socket) => return Ok((socket, address)),
                    Err(error) => last = error,
                }
            }
            Err(last)
        }
        Address::Unix(_) => Err(io::Error::new(io::ErrorKind::Unsupported, "datagrams do not go to Unix sockets")),
    }
}

fn connect(to: SocketAddr, from: Option<IpAddr>) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(to), Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
    #[cfg(target_os = "linux")]
    if let Some(from) = from.filter(|from| from.is_ipv4() == to.is_ipv4()) {
        match to {
            SocketAddr::V4(_) => socket.set_ip_transparent_v4(true)?,
            SocketAddr::V6(_) => socket.set_ip_transparent_v6(true)?,
        }
        socket.bind(&SocketAddr::new(from, 0).into())?;
    }
    socket.connect(&to.into())?;
    // An old kernel knows no such thing, and everything comes one by one.
    #[cfg(target_os = "linux")]
    let _ = nix::sys::socket::setsockopt(&socket, nix::sys::socket::sockopt::UdpGroSegment, &true);
    UdpSocket::from_std(socket.into())
}

//! Addresses of loopback at which nobody answers.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// An address of loopback that refuses connections, kept for as long as this lives.
pub struct Refusing(socket2::Socket);

impl Refusing {
    /// Takes a port and does not listen on it.
    #[must_use]
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Self(bound())
    }

    /// The address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        address(&self.0)
    }
}

/// An address of loopback on which connections are neither made nor refused: its queue is full.
pub struct Unreachable {
    listener: socket2::Socket,
    _queue: Vec<TcpStream>,
}

impl Unreachable {
    /// Listens with the shortest queue and fills it.
    #[must_use]
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        let listener = bound();
        listener.listen(0).expect("a socket that listens");
        let mut queue = Vec::new();
        loop {
            match TcpStream::connect_timeout(&address(&listener), Duration::from_millis(100)) {
                Ok(stream) => queue.push(stream),
                Err(error) if error.kind() == ErrorKind::TimedOut => break,
                Err(error) => panic!("cannot fill the queue: {error}"),
            }
        }
        Self { listener, _queue: queue }
    }

    /// The address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        address(&self.listener)
    }
}

fn bound() -> socket2::Socket {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a port of loopback");
    socket
}

fn address(socket: &socket2::Socket) -> SocketAddr {
    socket.local_addr().ok().and_then(|a| a.as_socket()).expect("a bound socket has an address")
}

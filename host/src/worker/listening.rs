//! A socket of a listener: TCP, Unix or UDP, as control binds it, and as a worker accepts connections on it.

use std::io;
use std::net::{SocketAddr, TcpListener as StdTcpListener, UdpSocket};
use std::os::unix::net::UnixListener as StdUnixListener;
use std::sync::Arc;

use tokio::net::{TcpListener, UnixListener};

use crate::proxy::bare::Bare;

/// A socket of a listener, which blocks nobody.
#[derive(Debug)]
pub enum Listening {
    /// One worker's own, among which the kernel spreads connections.
    Tcp(StdTcpListener),
    /// One that all workers accept on: a Unix socket has one accept queue.
    Unix(StdUnixListener),
    /// Datagrams: one worker's own, among which the kernel spreads flows; and those of all workers.
    Udp(UdpSocket, Arc<[UdpSocket]>),
}

/// One for connections, on the runtime of a worker.
pub(super) enum Accepting {
    Tcp(TcpListener),
    /// All workers are woken for each connection, and one gets it: whoever is first, so one with nothing to do sooner than one
    /// that is busy. Under full load that is even; with few connections one worker may take most of them.
    Unix(UnixListener),
}

impl Accepting {
    /// The next connection and whom it is from: a Unix socket does not say.
    ///
    /// # Errors
    /// As the socket's.
    pub(super) async fn accept(&self) -> io::Result<(Bare, Option<SocketAddr>)> {
        match self {
            Self::Tcp(socket) => {
                let (client, address) = socket.accept().await?;
                Ok((Bare::Tcp(client), Some(address)))
            }
            Self::Unix(socket) => {
                let (client, _) = socket.accept().await?;
                Ok((Bare::Unix(client), None))
            }
        }
    }
}

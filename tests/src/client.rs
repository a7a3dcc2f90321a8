//! A client of one connection: writes what it is told, byte for byte, and reads responses.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;

use socket2::{Domain, Socket, Type};

use crate::message::{self, Response};
use crate::wire::Wire;

/// One connection to a listener.
pub struct Client {
    /// For what needs single bytes, chunks, or the end of the connection.
    pub wire: Wire,
    /// Our own end; the unspecified address for a Unix socket.
    pub local: SocketAddr,
}

impl Client {
    /// Connects.
    #[must_use]
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap_or_else(|error| panic!("cannot connect to {address}: {error}"));
        let local = stream.local_addr().expect("a connected socket has an address");
        Self { wire: Wire::tcp(stream), local }
    }

    /// Connects by way of a Unix socket.
    #[must_use]
    pub fn connect_unix(path: &Path) -> Self {
        let stream = UnixStream::connect(path);
        Self::over(Wire::unix(stream.unwrap_or_else(|error| panic!("cannot connect to {}: {error}", path.display()))))
    }

    /// Over a connection that has no address.
    pub(crate) fn over(wire: Wire) -> Self {
        Self { wire, local: SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0) }
    }

    /// Connects from an address of this machine.
    #[must_use]
    pub fn connect_from(from: IpAddr, to: SocketAddr) -> Self {
        let socket = Socket::new(Domain::for_address(to), Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::new(from, 0).into()).unwrap_or_else(|error| panic!("{from} is not ours: {error}"));
        socket.connect(&to.into()).unwrap_or_else(|error| panic!("cannot connect to {to}: {error}"));
        let stream = TcpStream::from(socket);
        let local = stream.local_addr().expect("a connected socket has an address");
        Self { wire: Wire::tcp(stream), local }
    }

    /// Writes all of it.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.wire.send(bytes).expect("the listener takes what we send");
        self
    }

    /// The next response, whole; interim ones are passed over and remembered.
    pub fn response(&mut self) -> Response {
        self.try_response("GET").unwrap_or_else(|error| panic!("no response: {error}"))
    }

    /// The same, to a request of this method (that of `HEAD` has no body).
    pub fn response_to(&mut self, method: &str) -> Response {
        self.try_response(method).unwrap_or_else(|error| panic!("no response to {method}: {error}"))
    }

    /// The same, where there may be none.
    ///
    /// # Errors
    /// As the connection's; `UnexpectedEof` when it ends before the whole response.
    pub fn try_response(&mut self, method: &str) -> io::Result<Response> {
        let (mut response, framing) = self.head(method)?;
        (response.body, response.trailers) = self.wire.body(framing)?;
        Ok(response)
    }

    /// The head of the next response alone; its body is still to be read from `wire`.
    ///
    /// # Errors
    /// As the connection's; `UnexpectedEof` when it ends before.
    pub fn head(&mut self, method: &str) -> io::Result<(Response, message::Framing)> {
        let mut interim = Vec::new();
        loop {
            let head = self.wire.head()?.ok_or(io::ErrorKind::UnexpectedEof)?;
            let (mut response, framing) = message::response(&head, method)?;
            if (100..200).contains(&response.status) && response.status != 101 {
                interim.push(response.status);
                continue;
            }
            response.interim = interim;
            return Ok((response, framing));
        }
    }

    /// `GET` on this connection, which stays open.
    pub fn get(&mut self, target: &str) -> Response {
        self.send(format!("GET {target} HTTP/1.1\r\nhost: test\r\n\r\n")).response()
    }

    /// `GET` on this connection, where there may be no answer, or none that can be asked for.
    pub fn try_get(&mut self) -> Option<Response> {
        self.wire.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n").ok()?;
        self.try_response("GET").ok()
    }

    /// `GET` with further header lines (each with its line end).
    pub fn get_with(&mut self, target: &str, lines: &str) -> Response {
        self.send(format!("GET {target} HTTP/1.1\r\nhost: test\r\n{lines}\r\n")).response()
    }

    /// `POST` with a body of known length.
    pub fn post(&mut self, target: &str, body: impl AsRef<[u8]>) -> Response {
        let body = body.as_ref();
        let head = format!("POST {target} HTTP/1.1\r\nhost: test\r\ncontent-length: {}\r\n\r\n", body.len());
        self.send([head.as_bytes(), body].concat()).response_to("POST")
    }
}

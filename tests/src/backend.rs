//! Named backends in this process, and ways for a backend to be of no use.
//!
//! A backend answers each request with its handler, a closure over an [`Exchange`]: whatever HTTP/1.1
//! or no HTTP at all can do on a connection, a test can write there. The handler of [`Backend::echo`]
//! describes the request that it saw.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use rustls::ServerConfig;
use serde_json::json;

use crate::message::{self, Framing, Request};
use crate::wire::Wire;

/// What becomes of the connection after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It is kept for the next request.
    Keep,
    /// It is closed in order.
    Close,
    /// It is reset.
    Reset,
}

type Handler = dyn Fn(&mut Exchange<'_>) -> io::Result<Next> + Send + Sync;

/// A server that listens until it is dropped.
pub struct Backend {
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

struct Shared {
    name: String,
    address: SocketAddr,
    handler: Box<Handler>,
    tls: Option<Arc<ServerConfig>>,
    stopped: AtomicBool,
    connections: AtomicUsize,
    requests: AtomicUsize,
    open: Mutex<Vec<(usize, TcpStream)>>,
    seen: Mutex<Vec<Request>>,
}

impl Backend {
    /// Answers 200 with a description of the request as JSON (see [`Exchange::echo`]).
    #[must_use]
    pub fn echo(name: &str) -> Self {
        Self::new(name, |exchange| exchange.echo())
    }

    /// The same on a listener that was made elsewhere.
    #[must_use]
    pub fn echo_on(name: &str, listener: TcpListener) -> Self {
        Self::serving(name, listener, |exchange| exchange.echo())
    }

    /// Answers every request with this status and no more than its name.
    #[must_use]
    pub fn status(name: &str, status: u16) -> Self {
        Self::new(name, move |exchange| {
            exchange.body()?;
            exchange.respond(status, "", exchange.name())
        })
    }

    /// Reads requests and never answers.
    #[must_use]
    pub fn silent(name: &str) -> Self {
        Self::new(name, |exchange| {
            exchange.body()?;
            exchange.wire.patience(crate::wait::PATIENCE * 6);
            exchange.wire.ended();
            Ok(Next::Close)
        })
    }

    /// Listens on all of 127.0.0.0/8, and is as many backends as a test wants: each answers with its own address as
    /// name, and closes the connection, so that few descriptors are open.
    #[must_use]
    pub fn everywhere() -> Self {
        let listener = TcpListener::bind("0.0.0.0:0").expect("a port");
        Self::serving("everywhere", listener, |exchange| {
            exchange.body()?;
            let lines = format!("x-backend: {}\r\nconnection: close", exchange.local);
            exchange.wire.send(format!("HTTP/1.1 200 OK\r\n{lines}\r\ncontent-length: 0\r\n\r\n"))?;
            Ok(Next::Close)
        })
    }

    /// Answers as `handler` does. An error of the handler closes the connection.
    #[must_use]
    pub fn new(name: &str, handler: impl Fn(&mut Exchange<'_>) -> io::Result<Next> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port of loopback");
        Self::serving(name, listener, handler)
    }

    /// The same with TLS.
    #[must_use]
    pub fn secured(
        name: &str,
        tls: Arc<ServerConfig>,
        handler: impl Fn(&mut Exchange<'_>) -> io::Result<Next> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port of loopback");
        Self::serving_with(name, listener, Some(tls), handler)
    }

    fn serving(
        name: &str,
        listener: TcpListener,
        handler: impl Fn(&mut Exchange<'_>) -> io::Result<Next> + Send + Sync + 'static,
    ) -> Self {
        Self::serving_with(name, listener, None, handler)
    }

    fn serving_with(
        name: &str,
        listener: TcpListener,
        tls: Option<Arc<ServerConfig>>,
        handler: impl Fn(&mut Exchange<'_>) -> io::Result<Next> + Send + Sync + 'static,
    ) -> Self {
        let shared = Arc::new(Shared {
            name: name.to_owned(),
            address: listener.local_addr().expect("a listener has an address"),
            handler: Box::new(handler),
            tls,
            stopped: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
            requests: AtomicUsize::new(0),
            open: Mutex::default(),
            seen: Mutex::default(),
        });
        let acceptor = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.accept(&listener)
        });
        Self { shared, acceptor: Some(acceptor) }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.shared.address
    }

    /// It as an entry of `backends = […]`, with its name as id.
    #[must_use]
    pub fn entry(&self) -> String {
        self.entry_with("")
    }

    /// The same with further keys, such as `weight = 5`.
    #[must_use]
    pub fn entry_with(&self, keys: &str) -> String {
        entry(self.name(), self.address(), keys)
    }

    /// Connections accepted so far.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Connections open now.
    #[must_use]
    pub fn open(&self) -> usize {
        lock(&self.shared.open).len()
    }

    /// Requests of which the head came, so far.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::SeqCst)
    }

    /// The requests that were handled, with what was read of their bodies.
    #[must_use]
    pub fn seen(&self) -> Vec<Request> {
        lock(&self.shared.seen).clone()
    }

    /// Closes all connections in order, as a server does with those that were idle too long.
    pub fn close_connections(&self) {
        for (_, stream) in lock(&self.shared.open).iter() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Stops listening and closes everything: connections are refused from now on.
    pub fn stop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.shared.address);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
        self.close_connections();
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        for stream in listener.incoming() {
            if self.stopped.load(Ordering::SeqCst) {
                return;
            }
            let Ok(stream) = stream else { continue };
            let Ok(handle) = stream.try_clone() else { continue };
            let number = self.connections.fetch_add(1, Ordering::SeqCst);
            lock(&self.open).push((number, handle));
            let shared = Arc::clone(self);
            std::thread::spawn(move || {
                let closing = stream.try_clone();
                let next = shared.serve(stream, number);
                if let (Ok(stream), Ok(Next::Reset)) = (&closing, &next) {
                    let _ = socket2::SockRef::from(stream).set_linger(Some(std::time::Duration::ZERO));
                }
                // Dropping the last handle closes; a handler's error ends in the same way.
                lock(&shared.open).retain(|(n, _)| *n != number);
            });
        }
    }

    fn serve(&self, stream: TcpStream, connection: usize) -> io::Result<Next> {
        let local = stream.local_addr()?;
        let mut wire = match &self.tls {
            None => Wire::tcp(stream),
            Some(tls) => Wire::tls_server(stream, Arc::clone(tls))?,
        };
        wire.patience(crate::wait::PATIENCE * 6);
        for nth in 0.. {
            let Some(head) = wire.head()? else { break };
            let (request, framing) = message::request(&head)?;
            self.requests.fetch_add(1, Ordering::SeqCst);
            let mut exchange = Exchange {
                request,
                wire: &mut wire,
                local,
                connection,
                nth,
                shared: self,
                framing,
                unread: true,
                noted: None,
            };
            let next = (self.handler)(&mut exchange);
            let kept = if matches!(next, Ok(Next::Keep)) { exchange.body() } else { Ok(()) };
            let noted = exchange.note();
            lock(&self.seen)[noted] = exchange.request;
            kept?;
            match next? {
                Next::Keep => {}
                Next::Close => {
                    wire.finish();
                    return Ok(Next::Close);
                }
                end => return Ok(end),
            }
        }
        Ok(Next::Close)
    }
}

/// One request at a backend, and the connection that it came on.
pub struct Exchange<'a> {
    /// Its head; its body and trailers after [`body`](Self::body).
    pub request: Request,
    /// The connection, for whatever no method here does.
    pub wire: &'a mut Wire,
    /// The address that the connection was made to.
    pub local: SocketAddr,
    /// The connection's number at this backend, from 0.
    pub connection: usize,
    /// The request's number on its connection, from 0.
    pub nth: usize,
    /// How long the request's body is.
    pub framing: Framing,
    shared: &'a Shared,
    unread: bool,
    /// Where it is among those that were seen.
    noted: Option<usize>,
}

impl<'a> Exchange<'a> {
    /// The backend's name.
    #[must_use]
    pub fn name(&self) -> &'a str {
        &self.shared.name
    }

    /// Reads the body, once, after a `100 Continue` where the request waits for one.
    ///
    /// # Errors
    /// As the connection's.
    pub fn body(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.unread) {
            if self.request.headers.get("expect").is_some() {
                self.wire.send("HTTP/1.1 100 Continue\r\n\r\n")?;
            }
            (self.request.body, self.request.trailers) = self.wire.body(self.framing)?;
        }
        Ok(())
    }

    /// Leaves the body unread, for handlers that read it from `wire` themselves or never.
    pub fn leave_body(&mut self) {
        self.unread = false;
    }

    /// Whoever has the answer must find the request among those that were seen.
    fn note(&mut self) -> usize {
        *self.noted.get_or_insert_with(|| {
            let mut seen = lock(&self.shared.seen);
            seen.push(self.request.clone());
            seen.len() - 1
        })
    }

    /// Answers with a body of known length and further header lines (each with its line end).
    ///
    /// # Errors
    /// As the connection's.
    pub fn respond(&mut self, status: u16, lines: &str, body: impl AsRef<[u8]>) -> io::Result<Next> {
        self.note();
        let (body, name) = (body.as_ref(), self.name());
        let length = body.len();
        let head = format!("HTTP/1.1 {status} Told\r\nx-backend: {name}\r\ncontent-length: {length}\r\n{lines}\r\n");
        let bodiless = self.request.method == "HEAD";
        self.wire.send([head.as_bytes(), if bodiless { &[] } else { body }].concat())?;
        Ok(Next::Keep)
    }

    /// Starts a chunked answer; chunks follow by `wire`, and `finish_chunks` ends it.
    ///
    /// # Errors
    /// As the connection's.
    pub fn start_chunks(&mut self, lines: &str) -> io::Result<()> {
        let name = self.name();
        self.wire.send(format!("HTTP/1.1 200 OK\r\nx-backend: {name}\r\ntransfer-encoding: chunked\r\n{lines}\r\n"))
    }

    /// Ends a chunked answer, with trailer lines (each with its line end).
    ///
    /// # Errors
    /// As the connection's.
    pub fn finish_chunks(&mut self, trailers: &str) -> io::Result<Next> {
        self.wire.send(format!("0\r\n{trailers}\r\n"))?;
        Ok(Next::Keep)
    }

    /// Reads the body and answers 200 with `{backend, method, uri, version, headers, body_length,
    /// body_hash, trailers}`, where `body_hash` is that of [`hash`].
    ///
    /// # Errors
    /// As the connection's.
    pub fn echo(&mut self) -> io::Result<Next> {
        self.body()?;
        let request = &self.request;
        let description = json!({
            "backend": self.name(),
            "method": request.method,
            "uri": request.target,
            "version": request.version,
            "headers": request.headers.0,
            "body_length": request.body.len(),
            "body_hash": hash(&request.body),
            "trailers": request.trailers.0,
        });
        self.respond(200, "content-type: application/json\r\n", description.to_string())
    }
}

/// Hash of a body as the echo tells it.
#[must_use]
pub fn hash(body: &[u8]) -> String {
    format!("{:016x}", xxhash_rust::xxh64::xxh64(body, 0))
}

/// `{ id = …, address = … }`, as in `backends = […]`.
#[must_use]
pub fn entry(id: &str, address: SocketAddr, keys: &str) -> String {
    let comma = if keys.is_empty() { "" } else { ", " };
    format!(r#"{{ id = "{id}", address = "{address}"{comma}{keys} }}"#)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

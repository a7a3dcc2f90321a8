//! Backends that speak no HTTP: each connection is a closure over its bytes.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rustls::ServerConfig;

use crate::backend::entry;
use crate::wire::Wire;

type Handler = dyn Fn(&mut Wire) -> io::Result<()> + Send + Sync;

/// A server that listens until it is dropped, which resets what is open.
pub struct Greeter {
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

struct Shared {
    name: String,
    address: SocketAddr,
    handler: Box<Handler>,
    tls: Option<Arc<ServerConfig>>,
    stopped: AtomicBool,
    accepted: AtomicUsize,
    open: Mutex<Vec<(usize, TcpStream)>>,
}

impl Greeter {
    /// Says its name and a line end, and then what it is told, until the client ends.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let greeting = format!("{name}\n");
        Self::with(name, move |wire| {
            wire.send(&greeting)?;
            echo(wire)
        })
    }

    /// The same, with TLS.
    #[must_use]
    pub fn secured(name: &str, tls: Arc<ServerConfig>) -> Self {
        let greeting = format!("{name}\n");
        let handler = move |wire: &mut Wire| {
            wire.send(&greeting)?;
            echo(wire)
        };
        Self::serving(name, Some(tls), handler)
    }

    /// Does this with each connection, which ends in order where that is well, and by a reset else.
    #[must_use]
    pub fn with(name: &str, handler: impl Fn(&mut Wire) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self::serving(name, None, handler)
    }

    fn serving(
        name: &str,
        tls: Option<Arc<ServerConfig>>,
        handler: impl Fn(&mut Wire) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let shared = Arc::new(Shared {
            name: name.to_owned(),
            address: listener.local_addr().expect("bound"),
            handler: Box::new(handler),
            tls,
            stopped: AtomicBool::new(false),
            accepted: AtomicUsize::new(0),
            open: Mutex::default(),
        });
        let accepting = Arc::clone(&shared);
        let acceptor = std::thread::spawn(move || accepting.accept(&listener));
        Self { shared, acceptor: Some(acceptor) }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.shared.address
    }

    /// It as an entry of `backends = […]`, with its name as id.
    #[must_use]
    pub fn entry(&self) -> String {
        entry(&self.shared.name, self.shared.address, "")
    }

    /// Connections that it has accepted.
    #[must_use]
    pub fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// Connections that are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.shared.open().len()
    }

    /// Resets what is open.
    pub fn reset(&self) {
        for (_, stream) in &*self.shared.open() {
            let _ = socket2::SockRef::from(stream).set_linger(Some(std::time::Duration::ZERO));
            let _ = stream.shutdown(std::net::Shutdown::Read);
        }
    }
}

/// Says what it is told, until the client ends.
///
/// # Errors
/// As the socket's.
pub fn echo(wire: &mut Wire) -> io::Result<()> {
    loop {
        let bytes = wire.some()?;
        if bytes.is_empty() {
            return Ok(());
        }
        wire.send(bytes)?;
    }
}

impl Shared {
    fn open(&self) -> std::sync::MutexGuard<'_, Vec<(usize, TcpStream)>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        for stream in listener.incoming().flatten() {
            if self.stopped.load(Ordering::SeqCst) {
                return;
            }
            let number = self.accepted.fetch_add(1, Ordering::SeqCst);
            if let Ok(copy) = stream.try_clone() {
                self.open().push((number, copy));
            }
            let shared = Arc::clone(self);
            // Tests hold thousands: a thread needs little.
            let serving = std::thread::Builder::new().stack_size(256 << 10);
            let served = serving.spawn(move || {
                let _ = shared.serve(stream);
                shared.open().retain(|(known, _)| *known != number);
            });
            drop(served.expect("a thread"));
        }
    }

    fn serve(&self, stream: TcpStream) -> io::Result<()> {
        let mut wire = match &self.tls {
            Some(tls) => Wire::tls_server(stream, Arc::clone(tls))?,
            None => Wire::tcp(stream),
        };
        let served = (self.handler)(&mut wire);
        match served {
            Ok(()) => wire.finish(),
            Err(_) => wire.reset_on_drop(),
        }
        served
    }
}

impl Drop for Greeter {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        self.reset();
        // Nobody else comes: the acceptor is woken to see that it is over.
        let _ = TcpStream::connect(self.shared.address);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

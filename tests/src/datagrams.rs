//! Both ends of datagrams: backends that answer them, and clients that ask.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::backend::entry;

/// More than the longest datagram.
const ROOM: usize = 64 << 10;

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

type Handler = dyn Fn(&[u8]) -> Vec<Vec<u8>> + Send + Sync;

/// A backend that answers datagrams until it is dropped.
pub struct Reflector {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    name: String,
    address: SocketAddr,
    stopped: AtomicBool,
    heard: Mutex<Vec<(SocketAddr, Vec<u8>)>>,
}

impl Reflector {
    /// Answers each with its name, a colon, and what it was told.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let prefix = format!("{name}:").into_bytes();
        Self::with(name, move |told| vec![[&prefix, told].concat()])
    }

    /// Answers each with these, on a free port of 127.0.0.1.
    #[must_use]
    pub fn with(name: &str, handler: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + Sync + 'static) -> Self {
        Self::at(name, SocketAddr::from(([127, 0, 0, 1], 0)), handler)
    }

    /// The same at this address.
    #[must_use]
    pub fn at(
        name: &str,
        address: SocketAddr,
        handler: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        let socket = UdpSocket::bind(address).expect("a free port");
        socket.set_read_timeout(Some(Duration::from_millis(20))).expect("a timeout");
        let address = socket.local_addr().expect("bound");
        let (stopped, heard) = Default::default();
        let shared = Arc::new(Shared { name: name.to_owned(), address, stopped, heard });
        let answering = Arc::clone(&shared);
        let thread = std::thread::spawn(move || answering.answer(&socket, &handler));
        Self { shared, thread: Some(thread) }
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

    /// What it was told, in its order.
    #[must_use]
    pub fn heard(&self) -> Vec<Vec<u8>> {
        self.shared.heard().iter().map(|(_, told)| told.clone()).collect()
    }

    /// From where it was told anything: each flow comes from a port of its own.
    #[must_use]
    pub fn flows(&self) -> BTreeSet<SocketAddr> {
        self.shared.heard().iter().map(|(from, _)| *from).collect()
    }
}

impl Shared {
    fn heard(&self) -> MutexGuard<'_, Vec<(SocketAddr, Vec<u8>)>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, socket: &UdpSocket, handler: &Handler) {
        let mut room = vec![0; ROOM];
        while !self.stopped.load(Ordering::SeqCst) {
            let Ok((count, from)) = socket.recv_from(&mut room) else { continue };
            self.heard().push((from, room[..count].to_vec()));
            for answer in handler(&room[..count]) {
                let _ = socket.send_to(&answer, from);
            }
        }
    }
}

impl Drop for Reflector {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A client with an address and port of its own.
pub struct Asker(UdpSocket);

impl Asker {
    /// Of 127.0.0.1 or, by IPv6, of `::1`.
    #[must_use]
    pub fn new(to: SocketAddr) -> Self {
        let from: IpAddr = if to.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() };
        Self::from(from, to)
    }

    /// Of this address.
    #[must_use]
    pub fn from(from: IpAddr, to: SocketAddr) -> Self {
        let socket = UdpSocket::bind((from, 0)).expect("loopback has many addresses");
        socket.connect(to).expect("connected");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Self(socket)
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.0.local_addr().expect("bound")
    }

    /// Sends a datagram.
    pub fn tell(&self, what: impl AsRef<[u8]>) {
        self.0.send(what.as_ref()).expect("sent");
    }

    /// The next datagram that comes.
    ///
    /// # Errors
    /// None comes for long.
    pub fn hear(&self) -> io::Result<Vec<u8>> {
        let mut room = vec![0; ROOM];
        let count = self.0.recv(&mut room)?;
        Ok(room[..count].to_vec())
    }

    /// Whether nothing comes within this time.
    #[must_use]
    pub fn hears_nothing_for(&self, time: Duration) -> bool {
        self.0.set_read_timeout(Some(time)).expect("a timeout");
        let heard = self.hear();
        self.0.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        heard.is_err()
    }

    /// Sends a datagram, and answers what comes for it.
    #[must_use]
    pub fn ask(&self, what: impl AsRef<[u8]>) -> Vec<u8> {
        self.tell(what);
        self.hear().expect("an answer")
    }

    /// The name of the [`Reflector`] that answers.
    #[must_use]
    pub fn served(&self) -> String {
        let answer = String::from_utf8(self.ask("?")).expect("text");
        answer.split(':').next().unwrap_or_default().to_owned()
    }
}

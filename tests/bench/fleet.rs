//! Loads of the benchmark's own clients: many that each do the same again and again, and many that do nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::runtime::{Builder, Runtime};
use tokio::task::{JoinSet, LocalSet};
use tokio::time::timeout;

use crate::dial::{Dial, Wire, echo, get};
use crate::proxy::Proxy;

/// As many as wrk has here.
const THREADS: usize = 2;

/// Connections that are opened at a time, where many are to be held.
const AT_A_TIME: usize = 64;

/// What clients do again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// A new connection with TLS, one request on it, and its end.
    Handshake,
    /// A message of 64 bytes and its echo, on a WebSocket that stays.
    Echo,
    /// A new connection without TLS, 64 bytes on it, and its end.
    Connection,
    /// A mebibyte of many, on a connection that stays.
    Mebibyte,
    /// A datagram of this length there, or back: some are on their way at a time.
    Datagram(usize),
}

/// What they did.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Done {
    pub(crate) units: u64,
    pub(crate) failed: u64,
}

/// So many clients do it for so long.
pub(crate) fn load(dial: &Arc<Dial>, unit: Unit, clients: usize, length: Duration) -> Result<Done> {
    let over = Arc::new(AtomicBool::new(false));
    let counts = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let (dial, over, counts) = (Arc::clone(dial), Arc::clone(&over), Arc::clone(&counts));
            thread::spawn(move || -> Result<()> {
                let local = LocalSet::new();
                for _ in 0..clients / THREADS {
                    local.spawn_local(repeat(Arc::clone(&dial), unit, Arc::clone(&over), Arc::clone(&counts)));
                }
                runtime()?.block_on(local);
                Ok(())
            })
        })
        .collect();
    trimtab_tests::wait::until(std::time::Instant::now() + length);
    over.store(true, Relaxed);
    for thread in threads {
        thread.join().map_err(|_| anyhow!("a client panicked"))??;
    }
    Ok(Done { units: counts[0].load(Relaxed), failed: counts[1].load(Relaxed) })
}

async fn repeat(dial: Arc<Dial>, unit: Unit, over: Arc<AtomicBool>, counts: Arc<[AtomicU64; 2]>) {
    let (mut kept, mut window) = (None, None);
    while !over.load(Relaxed) {
        let done = match unit {
            Unit::Handshake => handshake(&dial).await.map(|()| 1),
            Unit::Connection => connection(&dial).await.map(|()| 1),
            Unit::Echo => match &mut kept {
                Some(stream) => echo(stream).await.map(|()| 1),
                None => dial.websocket().await.map(|stream| {
                    kept = Some(stream);
                    0
                }),
            },
            Unit::Mebibyte => match &mut kept {
                Some(stream) => much(stream).await,
                None => dial.tcp().await.map(|stream| {
                    kept = Some(stream);
                    0
                }),
            },
            Unit::Datagram(size) => match &mut window {
                Some(window) => Window::turn(window).await,
                None => Window::open(&dial, size).await.map(|opened| {
                    window = Some(opened);
                    0
                }),
            },
        };
        match done {
            Ok(units) => counts[0].fetch_add(units, Relaxed),
            Err(_) => {
                kept = None;
                counts[1].fetch_add(1, Relaxed)
            }
        };
    }
}

/// Asks a backend for so many bytes.
async fn ask(stream: &mut TcpStream, bytes: u64) -> Result<()> {
    Ok(stream.write_all(&bytes.to_be_bytes()).await?)
}

async fn connection(dial: &Dial) -> Result<()> {
    let mut stream = dial.tcp().await?;
    ask(&mut stream, 64).await?;
    stream.read_exact(&mut [0; 64]).await?;
    stream.shutdown().await?;
    match stream.read(&mut [0]).await? {
        0 => Ok(()),
        _ => bail!("more than was asked for"),
    }
}

/// Takes some mebibytes. Answers how many.
async fn much(stream: &mut TcpStream) -> Result<u64> {
    const MEBIBYTES: u64 = 64;
    ask(stream, MEBIBYTES << 20).await?;
    let (mut room, mut left) = (vec![0; 256 << 10], MEBIBYTES << 20);
    while left > 0 {
        match stream.read(&mut room).await? {
            0 => bail!("closed too early"),
            count => left -= count as u64,
        }
    }
    Ok(MEBIBYTES)
}

/// A client of which some datagrams are on their way.
struct Window {
    socket: UdpSocket,
    datagram: Vec<u8>,
    room: Vec<u8>,
}

impl Window {
    const WIDTH: usize = 4;
    /// What has not come back within this is lost.
    const LOST: Duration = Duration::from_millis(500);

    async fn open(dial: &Dial, size: usize) -> Result<Self> {
        let socket = dial.udp().await?;
        let opened = Self { socket, datagram: vec![7; size], room: vec![0; size + 1] };
        for _ in 0..Self::WIDTH {
            opened.socket.send(&opened.datagram).await?;
        }
        Ok(opened)
    }

    /// One comes back, and another goes.
    async fn turn(&mut self) -> Result<u64> {
        let Ok(came) = timeout(Self::LOST, self.socket.recv(&mut self.room)).await else {
            for _ in 0..Self::WIDTH {
                self.socket.send(&self.datagram).await?;
            }
            bail!("lost")
        };
        if came? != self.datagram.len() {
            bail!("another echo");
        }
        self.socket.send(&self.datagram).await?;
        Ok(2)
    }
}

async fn handshake(dial: &Dial) -> Result<()> {
    let mut stream = dial.tls().await?;
    get(&mut stream).await?;
    stream.shutdown().await?;
    Ok(())
}

/// Connections on which nothing moves.
pub(crate) struct Idle {
    runtime: Runtime,
    held: Vec<Box<dyn Wire + Send>>,
}

impl Idle {
    /// KiB that the proxy takes for each of so many; it is one that has just been started.
    pub(crate) fn memory(proxy: &Proxy, dial: &Arc<Dial>, unit: Unit, count: usize) -> Result<f64> {
        // What the first connections make it allocate for good is not theirs.
        Self::open(dial, unit, 100)?.close();
        let before = proxy.memory()?;
        let idle = Self::open(dial, unit, count)?;
        let each = proxy.memory()?.saturating_sub(before) as f64 / idle.held.len() as f64 / 1024.0;
        eprintln!("{}: {each:.1} KiB for each {unit:?}", proxy.kind().name());
        idle.close();
        Ok(each)
    }

    /// So many, each after a first exchange: of a request with TLS, of a message on a WebSocket, or of some bytes.
    fn open(dial: &Arc<Dial>, unit: Unit, count: usize) -> Result<Self> {
        let runtime = runtime()?;
        let held = runtime.block_on(async {
            let (mut opening, mut held) = (JoinSet::new(), Vec::with_capacity(count));
            for begun in 0..count {
                if begun >= AT_A_TIME {
                    held.push(next(&mut opening).await?);
                }
                opening.spawn(first(Arc::clone(dial), unit));
            }
            while !opening.is_empty() {
                held.push(next(&mut opening).await?);
            }
            anyhow::Ok(held)
        })?;
        Ok(Self { runtime, held })
    }

    /// Closes all of them.
    fn close(self) {
        // Sockets are closed within the runtime that has them.
        let _entered = self.runtime.enter();
        drop(self.held);
    }
}

async fn next(opening: &mut JoinSet<Result<Box<dyn Wire + Send>>>) -> Result<Box<dyn Wire + Send>> {
    opening.join_next().await.ok_or_else(|| anyhow!("none is being opened"))??
}

async fn first(dial: Arc<Dial>, unit: Unit) -> Result<Box<dyn Wire + Send>> {
    Ok(match unit {
        Unit::Handshake => {
            let mut stream = dial.tls().await?;
            get(&mut stream).await?;
            Box::new(stream)
        }
        Unit::Echo => {
            let mut stream = dial.websocket().await?;
            echo(&mut stream).await?;
            Box::new(stream)
        }
        _ => {
            let mut stream = dial.tcp().await?;
            ask(&mut stream, 64).await?;
            stream.read_exact(&mut [0; 64]).await?;
            Box::new(stream)
        }
    })
}

fn runtime() -> Result<Runtime> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

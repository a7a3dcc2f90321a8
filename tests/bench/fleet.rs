//! Loads of the benchmark's own clients: many that each do the same again and again, and many that do nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use anyhow::{Result, anyhow};
use tokio::io::AsyncWriteExt;
use tokio::runtime::{Builder, Runtime};
use tokio::task::{JoinSet, LocalSet};

use crate::dial::{Dial, Wire, echo, get};

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
    let mut kept = None;
    while !over.load(Relaxed) {
        let done = match unit {
            Unit::Handshake => handshake(&dial).await,
            Unit::Echo => match &mut kept {
                Some(stream) => echo(stream).await,
                None => dial.websocket().await.map(|stream| kept = Some(stream)),
            },
        };
        if done.is_err() {
            kept = None;
        }
        counts[usize::from(done.is_err())].fetch_add(1, Relaxed);
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
    /// So many, each after a first exchange: of a request with TLS, or of a message on a WebSocket.
    pub(crate) fn open(dial: &Arc<Dial>, unit: Unit, count: usize) -> Result<Self> {
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

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.held.len()
    }

    /// Closes all of them.
    pub(crate) fn close(self) {
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
    })
}

fn runtime() -> Result<Runtime> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

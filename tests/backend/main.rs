//! A named backend as a process of its own, for tests that kill, stop and restart one, or want more connections than a
//! process can have on both sides. With `http` it answers as [`Backend::echo`] does until it is killed; with `bytes` it
//! says what it is told.

use std::io::Write;
use std::net::TcpListener;

use anyhow::{Context, Result, bail};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::task::{LocalSet, spawn_local};
use trimtab_tests::Backend;

/// Listens as NAME on ADDRESS, and prints the address when it does.
fn main() -> Result<()> {
    const USAGE: &str = "usage: test-backend http|bytes NAME ADDRESS";
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [does, name, address] = &arguments[..] else { bail!(USAGE) };
    let listener = TcpListener::bind(address).with_context(|| address.clone())?;
    let bound = listener.local_addr()?;
    match does.as_str() {
        "http" => {
            let _backend = Backend::echo_on(name, listener);
            writeln!(std::io::stdout(), "{bound}")?;
            loop {
                std::thread::park();
            }
        }
        "bytes" => {
            writeln!(std::io::stdout(), "{bound}")?;
            echo(listener)
        }
        _ => bail!(USAGE),
    }
}

/// On one thread, with as many descriptors as it may have.
fn echo(listener: TcpListener) -> Result<()> {
    let limits = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limits.maximum, ..limits })?;
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    LocalSet::new().block_on(&runtime, async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        loop {
            let (mut stream, _) = listener.accept().await?;
            spawn_local(async move {
                let (mut from, mut to) = stream.split();
                // Broken or not, it is over.
                let _ = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    })
}

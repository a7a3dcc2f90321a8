//! A named backend as a process of its own, for tests that kill, stop and restart one. It answers as
//! [`Backend::echo`] does until it is killed.

use std::io::Write;
use std::net::TcpListener;

use anyhow::{Context, Result};
use trimtab_tests::Backend;

/// Listens as NAME on ADDRESS, and prints the address when it does.
fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (name, address) = arguments.next().zip(arguments.next()).context("usage: test-backend NAME ADDRESS")?;
    let backend = Backend::echo_on(&name, TcpListener::bind(&address).with_context(|| address.clone())?);
    writeln!(std::io::stdout(), "{}", backend.address())?;
    loop {
        std::thread::park();
    }
}

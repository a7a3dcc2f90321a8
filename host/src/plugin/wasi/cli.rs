//! `wasi:cli`: no environment, no arguments, no folder, no terminal; the standard streams; and an exit that is a fault.

use wasmtime::Error;
use wasmtime::component::{LinkerInstance, Resource, ResourceType};

use super::Guest;
use super::streams::{InputStream, OutputStream};
use crate::plugin::sandbox::Sandbox;

type Offered<'a> = LinkerInstance<'a, Sandbox>;

/// A terminal, of which there is none.
enum Terminal {}

pub(super) fn environment(environment: &mut Offered<'_>) -> wasmtime::Result<()> {
    environment.func_wrap("get-environment", |_: Guest<'_>, ()| Ok((Vec::<(String, String)>::new(),)))?;
    environment.func_wrap("get-arguments", |_: Guest<'_>, ()| Ok((Vec::<String>::new(),)))?;
    environment.func_wrap("initial-cwd", |_: Guest<'_>, ()| Ok((None::<String>,)))
}

/// The instance ends with the trap, and lines that it had begun are said before.
pub(super) fn exit(exit: &mut Offered<'_>) -> wasmtime::Result<()> {
    exit.func_wrap("exit", |mut guest: Guest<'_>, (status,): (Result<(), ()>,)| {
        finish(guest.data_mut());
        let how = if status.is_ok() { "success" } else { "failure" };
        Err::<(), _>(Error::msg(format!("exited with {how}, which a plugin may not")))
    })?;
    exit.func_wrap("exit-with-code", |mut guest: Guest<'_>, (code,): (u8,)| {
        finish(guest.data_mut());
        Err::<(), _>(Error::msg(format!("exited with code {code}, which a plugin may not")))
    })
}

fn finish(sandbox: &mut Sandbox) {
    let Sandbox { wasi, voice, .. } = sandbox;
    wasi.stdout.finish(voice);
    wasi.stderr.finish(voice);
}

pub(super) fn stdin(stdin: &mut Offered<'_>) -> wasmtime::Result<()> {
    stdin.func_wrap("get-stdin", |_: Guest<'_>, ()| Ok((InputStream::stdin(),)))
}

pub(super) fn stdout(stdout: &mut Offered<'_>) -> wasmtime::Result<()> {
    stdout.func_wrap("get-stdout", |_: Guest<'_>, ()| Ok((OutputStream::stdout(),)))
}

pub(super) fn stderr(stderr: &mut Offered<'_>) -> wasmtime::Result<()> {
    stderr.func_wrap("get-stderr", |_: Guest<'_>, ()| Ok((OutputStream::stderr(),)))
}

pub(super) fn terminal_input(terminal: &mut Offered<'_>) -> wasmtime::Result<()> {
    terminal.resource("terminal-input", ResourceType::host::<Terminal>(), |_, _| Ok(()))
}

pub(super) fn terminal_output(terminal: &mut Offered<'_>) -> wasmtime::Result<()> {
    terminal.resource("terminal-output", ResourceType::host::<Terminal>(), |_, _| Ok(()))
}

pub(super) fn terminal_stdin(terminal: &mut Offered<'_>) -> wasmtime::Result<()> {
    no_terminal(terminal, "get-terminal-stdin")
}

pub(super) fn terminal_stdout(terminal: &mut Offered<'_>) -> wasmtime::Result<()> {
    no_terminal(terminal, "get-terminal-stdout")
}

pub(super) fn terminal_stderr(terminal: &mut Offered<'_>) -> wasmtime::Result<()> {
    no_terminal(terminal, "get-terminal-stderr")
}

fn no_terminal(offered: &mut Offered<'_>, function: &str) -> wasmtime::Result<()> {
    offered.func_wrap(function, |_: Guest<'_>, ()| Ok((None::<Resource<Terminal>>,)))
}

//! `wasi:io/streams` and `error`: an input that is at its end, and outputs that become lines of the log.
//!
//! Nothing here ever waits or fails: a write is taken at once, and dropped where the plugin says too much.

use wasmtime::Error;
use wasmtime::component::{ComponentType, LinkerInstance, Lower, Resource, ResourceType, WasmList};

use super::Guest;
use super::output::Output;
use super::poll::Pollable;
use crate::plugin::sandbox::Sandbox;

/// Bytes of one write; more is a trap. It is the bound that WASI sets for writes that wait.
const WRITE: u64 = 4096;

/// What can be read: stdin.
pub(super) enum InputStream {}

/// What can be written to: stdout and stderr, by these numbers.
pub(super) enum OutputStream {}

const STDIN: u32 = 0;
const STDOUT: u32 = 1;
const STDERR: u32 = 2;

/// What happened to a stream, of which there is none.
enum IoError {}

#[derive(ComponentType, Lower)]
#[component(variant)]
enum StreamError {
    #[component(name = "last-operation-failed")]
    #[expect(dead_code, reason = "nothing fails here")]
    LastOperationFailed(Resource<IoError>),
    #[component(name = "closed")]
    Closed,
}

type Bytes = WasmList<u8>;
type Written = (Result<(), StreamError>,);
type Count = (Result<u64, StreamError>,);

impl InputStream {
    /// A handle of the only one.
    pub(super) fn stdin() -> Resource<Self> {
        Resource::new_own(STDIN)
    }
}

impl OutputStream {
    /// A handle of stdout.
    pub(super) fn stdout() -> Resource<Self> {
        Resource::new_own(STDOUT)
    }

    /// A handle of stderr.
    pub(super) fn stderr() -> Resource<Self> {
        Resource::new_own(STDERR)
    }
}

/// Offers the resource of `error`.
pub(super) fn error(error: &mut LinkerInstance<'_, Sandbox>) -> wasmtime::Result<()> {
    error.resource("error", ResourceType::host::<IoError>(), |_, _| Ok(()))
}

/// Offers the functions and resources of `streams`.
pub(super) fn offer(streams: &mut LinkerInstance<'_, Sandbox>) -> wasmtime::Result<()> {
    streams.resource("input-stream", ResourceType::host::<InputStream>(), |_, _| Ok(()))?;
    streams.resource("output-stream", ResourceType::host::<OutputStream>(), |_, _| Ok(()))?;
    for read in ["read", "blocking-read"] {
        let read = format!("[method]input-stream.{read}");
        streams.func_wrap(&read, |_: Guest<'_>, _: (Resource<InputStream>, u64)| {
            Ok((Err::<Vec<u8>, _>(StreamError::Closed),))
        })?;
    }
    for skip in ["skip", "blocking-skip"] {
        let skip = format!("[method]input-stream.{skip}");
        streams.func_wrap(&skip, |_: Guest<'_>, _: (Resource<InputStream>, u64)| {
            Ok::<Count, _>((Err(StreamError::Closed),))
        })?;
    }
    streams.func_wrap("[method]input-stream.subscribe", |mut guest: Guest<'_>, _: (Resource<InputStream>,)| {
        subscribe(&mut guest)
    })?;
    output(streams)
}

fn output(streams: &mut LinkerInstance<'_, Sandbox>) -> wasmtime::Result<()> {
    streams.func_wrap("[method]output-stream.check-write", |_: Guest<'_>, _: (Resource<OutputStream>,)| {
        Ok::<Count, _>((Ok(WRITE),))
    })?;
    for write in ["write", "blocking-write-and-flush"] {
        let write = format!("[method]output-stream.{write}");
        streams.func_wrap(&write, |mut guest: Guest<'_>, (stream, bytes): (Resource<OutputStream>, Bytes)| {
            within(bytes.len() as u64)?;
            let bytes = bytes.as_le_slice(&guest).to_vec();
            say(&mut guest, &stream, &bytes)
        })?;
    }
    for write in ["write-zeroes", "blocking-write-zeroes-and-flush"] {
        let write = format!("[method]output-stream.{write}");
        streams.func_wrap(&write, |mut guest: Guest<'_>, (stream, len): (Resource<OutputStream>, u64)| {
            within(len)?;
            say(&mut guest, &stream, &[0; WRITE as usize][..usize::try_from(len)?])
        })?;
    }
    // A line is said when it ends: a runtime that flushes after each word would tear it.
    for flush in ["flush", "blocking-flush"] {
        let flush = format!("[method]output-stream.{flush}");
        streams.func_wrap(&flush, |_: Guest<'_>, _: (Resource<OutputStream>,)| Ok::<Written, _>((Ok(()),)))?;
    }
    // All that can be spliced is stdin.
    for splice in ["splice", "blocking-splice"] {
        let splice = format!("[method]output-stream.{splice}");
        streams.func_wrap(&splice, |_: Guest<'_>, _: (Resource<OutputStream>, Resource<InputStream>, u64)| {
            Ok::<Count, _>((Err(StreamError::Closed),))
        })?;
    }
    streams.func_wrap("[method]output-stream.subscribe", |mut guest: Guest<'_>, _: (Resource<OutputStream>,)| {
        subscribe(&mut guest)
    })
}

fn subscribe(guest: &mut Guest<'_>) -> wasmtime::Result<(Resource<Pollable>,)> {
    Ok((guest.data_mut().wasi.pollables.of_stream()?,))
}

fn within(len: u64) -> wasmtime::Result<()> {
    if len <= WRITE {
        return Ok(());
    }
    Err(Error::msg(format!("wrote {len} bytes to a stream at once; {WRITE} are allowed")))
}

fn say(guest: &mut Guest<'_>, stream: &Resource<OutputStream>, bytes: &[u8]) -> wasmtime::Result<Written> {
    let Sandbox { wasi, voice, .. } = guest.data_mut();
    let output: &mut Output = if stream.rep() == STDERR { &mut wasi.stderr } else { &mut wasi.stdout };
    output.write(bytes, voice);
    Ok((Ok(()),))
}

//! `wasi:io/poll`: a pollable is ready or it is not, and waiting for one is a trap.
//!
//! Time stands still within a call and streams are always ready, so that what is not ready now would never be.

use slab::Slab;
use wasmtime::Error;
use wasmtime::component::{LinkerInstance, Resource, ResourceType};

use super::Guest;
use super::clocks::now_ns;
use crate::plugin::sandbox::Sandbox;

/// What a guest can ask whether it is ready.
pub(super) enum Pollable {}

/// The pollables of a guest: for each the time from which it is ready, in nanoseconds since 1970. There are never
/// more than the handles that a store allows, and one.
#[derive(Default)]
pub(super) struct Pollables(Slab<u64>);

impl Pollables {
    /// One that is ready from `when`, in nanoseconds since 1970.
    pub(super) fn of_time(&mut self, when: u64) -> wasmtime::Result<Resource<Pollable>> {
        Ok(Resource::new_own(u32::try_from(self.0.insert(when))?))
    }

    /// One of a stream, which is always ready.
    pub(super) fn of_stream(&mut self) -> wasmtime::Result<Resource<Pollable>> {
        self.of_time(0)
    }

    fn is_ready(&self, pollable: u32, now: u64) -> bool {
        self.0.get(pollable as usize).is_some_and(|when| *when <= now)
    }
}

/// Offers the functions and the resource of `poll`.
pub(super) fn offer(poll: &mut LinkerInstance<'_, Sandbox>) -> wasmtime::Result<()> {
    poll.resource("pollable", ResourceType::host::<Pollable>(), |mut guest: Guest<'_>, pollable| {
        guest.data_mut().wasi.pollables.0.try_remove(pollable as usize);
        Ok(())
    })?;
    poll.func_wrap("[method]pollable.ready", |guest: Guest<'_>, (pollable,): (Resource<Pollable>,)| {
        Ok((is_ready(&guest, &pollable),))
    })?;
    poll.func_wrap(
        "[method]pollable.block",
        |guest: Guest<'_>, (pollable,): (Resource<Pollable>,)| {
            if is_ready(&guest, &pollable) { Ok(()) } else { Err(would_wait()) }
        },
    )?;
    poll.func_wrap("poll", |guest: Guest<'_>, (pollables,): (Vec<Resource<Pollable>>,)| {
        let ready = (0..).zip(&pollables).filter(|(_, pollable)| is_ready(&guest, pollable));
        let ready: Vec<u32> = ready.map(|(i, _)| i).collect();
        if ready.is_empty() { Err(would_wait()) } else { Ok((ready,)) }
    })
}

fn is_ready(guest: &Guest<'_>, pollable: &Resource<Pollable>) -> bool {
    guest.data().wasi.pollables.is_ready(pollable.rep(), now_ns(guest.data()))
}

fn would_wait() -> Error {
    Error::msg("would wait (`wasi:io/poll`), which a plugin may not")
}

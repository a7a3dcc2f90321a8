//! `wasi:clocks`: both clocks answer the time of the call that runs, so that replays give the same bytes.
//!
//! A clock's pollable is ready when its time has come by then. Nobody can wait for it: see [`poll`](super::poll).

use wasmtime::component::{ComponentType, Lift, LinkerInstance, Lower};

use super::Guest;
use crate::plugin::sandbox::Sandbox;

/// Nanoseconds between two times that the clocks can tell apart.
const RESOLUTION: u32 = 1_000;

#[derive(ComponentType, Lift, Lower, Clone, Copy)]
#[component(record)]
struct Datetime {
    seconds: u64,
    nanoseconds: u32,
}

/// Unix time too: within a process it never goes back, and a runtime may not expect 0.
pub(super) fn monotonic(clock: &mut LinkerInstance<'_, Sandbox>) -> wasmtime::Result<()> {
    clock.func_wrap("now", |guest: Guest<'_>, ()| Ok((now_ns(guest.data()),)))?;
    clock.func_wrap("resolution", |_: Guest<'_>, ()| Ok((u64::from(RESOLUTION),)))?;
    clock.func_wrap("subscribe-instant", |mut guest: Guest<'_>, (when,): (u64,)| {
        Ok((guest.data_mut().wasi.pollables.of_time(when)?,))
    })?;
    clock.func_wrap("subscribe-duration", |mut guest: Guest<'_>, (duration,): (u64,)| {
        let when = now_ns(guest.data()).saturating_add(duration);
        Ok((guest.data_mut().wasi.pollables.of_time(when)?,))
    })
}

pub(super) fn wall(clock: &mut LinkerInstance<'_, Sandbox>) -> wasmtime::Result<()> {
    clock.func_wrap("now", |guest: Guest<'_>, ()| {
        let now_us = guest.data().now_us;
        let nanoseconds = u32::try_from(now_us % 1_000_000).unwrap_or(0) * 1_000;
        Ok((Datetime { seconds: now_us / 1_000_000, nanoseconds },))
    })?;
    clock.func_wrap("resolution", |_: Guest<'_>, ()| Ok((Datetime { seconds: 0, nanoseconds: RESOLUTION },)))
}

/// Time of the call that runs, in nanoseconds since 1970. They fit until the year 2554.
pub(super) fn now_ns(sandbox: &Sandbox) -> u64 {
    sandbox.now_us.saturating_mul(1_000)
}

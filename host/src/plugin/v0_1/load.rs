//! The import `load`: numbers of the pool and of the backends in the table last given.

use wasmtime::StoreContextMut;
use wasmtime::component::{LinkerInstance, WasmStr};

use crate::decide::BackendLoad;
use crate::plugin::sandbox::Sandbox;

type Guest<'a> = StoreContextMut<'a, Sandbox>;

/// Offers the functions of `load`.
pub(super) fn offer(load: &mut LinkerInstance<'_, Sandbox>) -> wasmtime::Result<()> {
    load.func_wrap("in-flight", |guest: Guest<'_>, (backend,): (u32,)| {
        Ok((of(&guest, backend).map_or(0, BackendLoad::in_flight),))
    })?;
    load.func_wrap("in-flight-all", |guest: Guest<'_>, ()| {
        Ok((guest.data().loads.iter().map(|load| load.in_flight()).collect::<Vec<_>>(),))
    })?;
    load.func_wrap("in-flight-total", |guest: Guest<'_>, ()| Ok((guest.data().pool.in_flight(),)))?;
    load.func_wrap("latency-us", |guest: Guest<'_>, (backend,): (u32,)| {
        Ok((of(&guest, backend).and_then(BackendLoad::latency_us),))
    })?;
    load.func_wrap("failures", |guest: Guest<'_>, (backend,): (u32,)| {
        Ok((of(&guest, backend).map_or(0, BackendLoad::failures),))
    })?;
    load.func_wrap("metric", |guest: Guest<'_>, (backend, name): (u32, WasmStr)| {
        let Some(load) = of(&guest, backend) else { return Ok((None::<f64>,)) };
        Ok((load.metrics.get(&name.to_str(&guest)?),))
    })?;
    load.func_wrap("turn", |guest: Guest<'_>, ()| Ok((guest.data().pool.turn(),)))
}

fn of<'a>(guest: &'a Guest<'_>, backend: u32) -> Option<&'a BackendLoad> {
    guest.data().loads.get(backend as usize).map(|load| &**load)
}

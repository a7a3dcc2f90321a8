//! The import `pools`: numbers of the pools that a router chooses between.

use wasmtime::StoreContextMut;
use wasmtime::component::LinkerInstance;

use crate::decide::PoolLoad;
use crate::plugin::sandbox::Sandbox;

type Guest<'a> = StoreContextMut<'a, Sandbox>;

/// Offers the functions of `pools`.
pub(super) fn offer(pools: &mut LinkerInstance<'_, Sandbox>) -> wasmtime::Result<()> {
    pools.func_wrap("ready", |guest: Guest<'_>, (pool,): (u32,)| Ok((of(&guest, pool).map_or(0, PoolLoad::ready),)))?;
    pools.func_wrap("in-flight", |guest: Guest<'_>, (pool,): (u32,)| {
        Ok((of(&guest, pool).map_or(0, PoolLoad::in_flight),))
    })
}

fn of<'a>(guest: &'a Guest<'_>, pool: u32) -> Option<&'a PoolLoad> {
    guest.data().pools.get(pool as usize).map(|load| &**load)
}

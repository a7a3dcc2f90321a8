//! The import `table`: what the plugin shares over workers, for its pool.
//!
//! Keys and values are read where they lie in the guest's memory and copied once, into the table; a value that is
//! read is copied once, into the guest's memory. What the table holds, and for how long, is its own affair.

use wasmtime::StoreContextMut;
use wasmtime::component::{LinkerInstance, WasmList};

use crate::plugin::sandbox::Sandbox;

type Guest<'a> = StoreContextMut<'a, Sandbox>;
type Bytes = WasmList<u8>;

/// Offers the functions of `table`.
pub(super) fn offer(table: &mut LinkerInstance<'_, Sandbox>) -> wasmtime::Result<()> {
    table.func_wrap("get", |guest: Guest<'_>, (key,): (Bytes,)| {
        let Sandbox { table, now_us, .. } = guest.data();
        Ok((table.get(key.as_le_slice(&guest), *now_us),))
    })?;
    table.func_wrap("put", |guest: Guest<'_>, (key, value, ttl_ms): (Bytes, Bytes, u64)| {
        let Sandbox { table, now_us, .. } = guest.data();
        Ok((table.put(key.as_le_slice(&guest), value.as_le_slice(&guest), ttl_ms, *now_us),))
    })?;
    table.func_wrap("put-new", |guest: Guest<'_>, (key, value, ttl_ms): (Bytes, Bytes, u64)| {
        let Sandbox { table, now_us, .. } = guest.data();
        Ok((table.put_new(key.as_le_slice(&guest), value.as_le_slice(&guest), ttl_ms, *now_us),))
    })?;
    table.func_wrap("add", |guest: Guest<'_>, (key, delta, ttl_ms): (Bytes, i64, u64)| {
        let Sandbox { table, now_us, .. } = guest.data();
        Ok((table.add(key.as_le_slice(&guest), delta, ttl_ms, *now_us),))
    })?;
    table.func_wrap("remove", |guest: Guest<'_>, (key,): (Bytes,)| {
        guest.data().table.remove(key.as_le_slice(&guest));
        Ok(())
    })
}

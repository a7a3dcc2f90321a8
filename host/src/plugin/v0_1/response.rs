//! The import `response`: the head that the client is about to get. Traps outside `bind`.

use wasmtime::StoreContextMut;
use wasmtime::component::{LinkerInstance, WasmStr};

use super::request::text;
use crate::decide::Head;
use crate::plugin::sandbox::Sandbox;

type Guest<'a> = StoreContextMut<'a, Sandbox>;

/// Offers the functions of `response`.
pub(super) fn offer(response: &mut LinkerInstance<'_, Sandbox>) -> wasmtime::Result<()> {
    response.func_wrap("status", |guest: Guest<'_>, ()| Ok((head(&guest)?.status,)))?;
    response.func_wrap("header", |guest: Guest<'_>, (name,): (WasmStr,)| {
        let headers = &head(&guest)?.headers;
        Ok((headers.get(&*name.to_str(&guest)?).map(|value| text(value.as_bytes())),))
    })?;
    response.func_wrap("headers", |guest: Guest<'_>, (name,): (WasmStr,)| {
        let headers = &head(&guest)?.headers;
        let values = headers.get_all(&*name.to_str(&guest)?);
        Ok((values.iter().map(|value| text(value.as_bytes())).collect::<Vec<_>>(),))
    })?;
    response.func_wrap("set-cookie", |guest: Guest<'_>, (name,): (WasmStr,)| {
        Ok((head(&guest)?.set_cookie(&name.to_str(&guest)?).map(text),))
    })
}

fn head<'a>(guest: &'a Guest<'_>) -> wasmtime::Result<&'a Head> {
    guest.data().head.as_deref().ok_or_else(|| wasmtime::Error::msg("`response` was called outside `bind`"))
}

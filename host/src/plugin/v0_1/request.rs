//! The import `request`: facts of what is being decided. Traps outside a decision.
//!
//! Parameters are read in the guest's memory and constant or shared strings are handed over as they are:
//! a call allocates only for the values of headers, cookies and URIs.

use std::borrow::Cow;
use std::sync::Arc;

use wasmtime::StoreContextMut;
use wasmtime::component::{LinkerInstance, WasmStr};

use crate::decide::{Facts, key};
use crate::plugin::sandbox::Sandbox;

type Guest<'a> = StoreContextMut<'a, Sandbox>;

/// Offers the functions of `request`.
pub(super) fn offer(request: &mut LinkerInstance<'_, Sandbox>) -> wasmtime::Result<()> {
    request.func_wrap("protocol", |guest: Guest<'_>, ()| Ok((facts(&guest)?.protocol,)))?;
    request.func_wrap("listener", |guest: Guest<'_>, ()| Ok((Arc::clone(&facts(&guest)?.listener),)))?;
    request.func_wrap("client-address", |guest: Guest<'_>, ()| {
        let client = facts(&guest)?.client;
        Ok((client.map(|client| client.ip().to_canonical().to_string()).unwrap_or_default(),))
    })?;
    request.func_wrap("client-port", |guest: Guest<'_>, ()| {
        Ok((facts(&guest)?.client.map_or(0, |client| client.port()),))
    })?;
    request.func_wrap("host", |guest: Guest<'_>, ()| Ok((facts(&guest)?.host().into_owned(),)))?;
    request.func_wrap("method", |guest: Guest<'_>, ()| Ok((Box::<str>::from(facts(&guest)?.method()),)))?;
    request.func_wrap("path", |guest: Guest<'_>, ()| Ok((facts(&guest)?.path().to_owned(),)))?;
    request.func_wrap("query", |guest: Guest<'_>, ()| Ok((facts(&guest)?.query().to_owned(),)))?;
    request.func_wrap("header", |guest: Guest<'_>, (name,): (WasmStr,)| {
        let headers = &facts(&guest)?.headers;
        Ok((headers.get(&*name.to_str(&guest)?).map(|value| text(value.as_bytes())),))
    })?;
    request.func_wrap("headers", |guest: Guest<'_>, (name,): (WasmStr,)| {
        let headers = &facts(&guest)?.headers;
        let values = headers.get_all(&*name.to_str(&guest)?);
        Ok((values.iter().map(|value| text(value.as_bytes())).collect::<Vec<_>>(),))
    })?;
    request.func_wrap("cookie", |guest: Guest<'_>, (name,): (WasmStr,)| {
        Ok((facts(&guest)?.cookie(&name.to_str(&guest)?).map(text),))
    })?;
    request.func_wrap("sni", |guest: Guest<'_>, ()| Ok((facts(&guest)?.sni.clone(),)))?;
    request.func_wrap("alpn", |guest: Guest<'_>, ()| Ok((facts(&guest)?.alpn.clone(),)))?;
    request.func_wrap("key-bytes", |guest: Guest<'_>, ()| {
        Ok((key::bytes(&guest.data().keys, facts(&guest)?).map(Cow::into_owned),))
    })?;
    request.func_wrap("tried", |guest: Guest<'_>, (backend,): (u32,)| Ok((facts(&guest)?.tried.contains(&backend),)))
}

fn facts<'a>(guest: &'a Guest<'_>) -> wasmtime::Result<&'a Facts> {
    guest.data().facts.as_deref().ok_or_else(|| wasmtime::Error::msg("`request` was called outside a decision"))
}

/// Text of a header or a cookie, as far as it is UTF-8.
pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

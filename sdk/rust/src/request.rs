//! Facts of what is being decided: the request, or the connection for TCP, TLS passthrough and UDP.
//!
//! To be called within a decision only; elsewhere each call is a trap. Each costs a way out of the sandbox,
//! and a string a copy into it (`cargo bench -p trimtab --bench decision` says how much), so ask for what
//! you need only. The facts of HTTP on a connection that is not HTTP are empty strings and none. Names of
//! headers are compared without case.

#[cfg(not(target_arch = "wasm32"))]
use crate::testing::facts::request as source;

#[cfg(target_arch = "wasm32")]
use crate::bindings::trimtab::plugin::request as source;

/// `http/1.1`, `h2`, `tcp`, `tls-passthrough` or `udp`.
pub fn protocol() -> String {
    source::protocol()
}

/// Name of the listener that accepted the client.
pub fn listener() -> String {
    source::listener()
}

/// The client's IP address as text, after trusted proxies and the PROXY protocol; empty on a Unix socket.
pub fn client_address() -> String {
    source::client_address()
}

/// The client's port; 0 where it is not known.
pub fn client_port() -> u16 {
    source::client_port()
}

/// The host asked for, lower case, without port and trailing dot.
pub fn host() -> String {
    source::host()
}

/// The method, such as `GET`.
pub fn method() -> String {
    source::method()
}

/// The path as sent, percent-encoding included, without the query.
pub fn path() -> String {
    source::path()
}

/// The query as sent, without `?`.
pub fn query() -> String {
    source::query()
}

/// The first value of this header.
pub fn header(name: &str) -> Option<String> {
    source::header(name)
}

/// All values of this header, in order.
pub fn headers(name: &str) -> Vec<String> {
    source::headers(name)
}

/// The first cookie of this name, without quotes.
pub fn cookie(name: &str) -> Option<String> {
    source::cookie(name)
}

/// Server name of the client's TLS handshake, lower case.
pub fn sni() -> Option<String> {
    source::sni()
}

/// Protocol agreed on (or, in passthrough, first offered) by ALPN.
pub fn alpn() -> Option<String> {
    source::alpn()
}

/// The bytes that `moment.key` is the hash of.
pub fn key_bytes() -> Option<Vec<u8>> {
    source::key_bytes()
}

/// Whether an earlier attempt of this request went to this backend. False when out of range.
#[inline]
pub fn tried(backend: u32) -> bool {
    source::tried(backend)
}

/// The value of this parameter of the path: `1` for `id` in `/cart;id=1/items`. As sent, without
/// percent-decoding; compared with case.
pub fn path_parameter(name: &str) -> Option<String> {
    let path = path();
    let parameters = path.split('/').flat_map(|segment| segment.split(';').skip(1));
    value_of(parameters, name)
}

/// The first value of this name in the query: `1` for `id` in `?a=b&id=1`. As sent, without
/// percent-decoding; compared with case.
pub fn query_value(name: &str) -> Option<String> {
    value_of(query().split('&'), name)
}

fn value_of<'a>(mut pairs: impl Iterator<Item = &'a str>, name: &str) -> Option<String> {
    pairs.find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).map(str::to_owned)
}

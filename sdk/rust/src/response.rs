//! Facts of the response head that the client is about to get. To be called within
//! [`Affinity::bind`](crate::Affinity::bind) only; elsewhere each call is a trap.

#[cfg(not(target_arch = "wasm32"))]
use crate::testing::facts::response as source;

#[cfg(target_arch = "wasm32")]
use crate::affinity::bindings::trimtab::plugin::response as source;

/// The status, such as 200; 0 for TCP and UDP.
#[inline]
pub fn status() -> u16 {
    source::status()
}

/// The first value of this header.
pub fn header(name: &str) -> Option<String> {
    source::header(name)
}

/// All values of this header, in order.
pub fn headers(name: &str) -> Vec<String> {
    source::headers(name)
}

/// The value of this cookie, if the response sets it.
pub fn set_cookie(name: &str) -> Option<String> {
    source::set_cookie(name)
}

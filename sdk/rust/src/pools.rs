//! Numbers of the pools that a [`Router`](crate::Router) chooses between, by position in the list
//! given to `configure`. A position out of range reads as 0.

#[cfg(not(target_arch = "wasm32"))]
use crate::testing::facts::pools as source;

#[cfg(target_arch = "wasm32")]
use crate::router::bindings::trimtab::plugin::pools as source;

/// Backends that are ready.
#[inline]
pub fn ready(pool: u32) -> u32 {
    source::ready(pool)
}

/// Requests in flight.
#[inline]
pub fn in_flight(pool: u32) -> u32 {
    source::in_flight(pool)
}

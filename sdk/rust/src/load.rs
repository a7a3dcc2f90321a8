//! Numbers of the pool, owned by the host and exact over all workers at the moment of the call.
//!
//! An index out of range reads as 0 or none.

#[cfg(not(target_arch = "wasm32"))]
use crate::testing::facts::load as source;

#[cfg(target_arch = "wasm32")]
use crate::bindings::trimtab::plugin::load as source;

/// Requests (or connections, flows) in flight at this backend.
#[inline]
pub fn in_flight(backend: u32) -> u32 {
    source::in_flight(backend)
}

/// The same for every backend, by index. Cheaper than single calls from about five backends on.
pub fn in_flight_all() -> Vec<u32> {
    source::in_flight_all()
}

/// The sum over the pool.
#[inline]
pub fn in_flight_total() -> u32 {
    source::in_flight_total()
}

/// Latency to the response head in microseconds: a peak-sensitive average with a decay of 10 s. None until measured.
#[inline]
pub fn latency_us(backend: u32) -> Option<u32> {
    source::latency_us(backend)
}

/// Attempts of this backend in a row that ended in server-error, connect-error, reset or timeout.
#[inline]
pub fn failures(backend: u32) -> u32 {
    source::failures(backend)
}

/// A number that the backend reported of itself, by name.
pub fn metric(backend: u32, name: &str) -> Option<f64> {
    source::metric(backend, name)
}

/// Takes the next value of a counter of the pool, from 0: one sequence over workers, reloads and swaps.
#[inline]
pub fn turn() -> u64 {
    source::turn()
}

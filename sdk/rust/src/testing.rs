//! The test kit: what a plugin sees when it is tested natively.
//!
//! [`Pool`] plays the host for a balancer, [`BoundPool`] with [`Client`]s for an affinity, [`Route`]
//! for a router and [`Shaping`] for a shaper: they give a plugin its tables and moments and check its
//! answers. The facts behind [`request`](crate::request), [`load`](crate::load),
//! [`table`](crate::table) and so on are those of the running thread, set by these and by
//! [`with_request`], [`set_load`] and [`with_load`]. Time is the test's own: see [`pass`]. It measures
//! nothing and sandboxes nothing.
//!
//! ```
//! # use trimtab_sdk::{Backend, Balancer, Instance, Moment, Plan, Verdict};
//! # struct First;
//! # impl Balancer for First {
//! #     fn configure(_: &str, _: &Instance) -> Result<(Self, Plan), String> { Ok((First, Plan::default())) }
//! #     fn update(&mut self, _: &[Backend]) {}
//! #     fn pick(&mut self, _: Moment) -> Verdict { Verdict::Backend(0) }
//! # }
//! use trimtab_sdk::testing::Pool;
//!
//! let mut pool = Pool::<First>::new("{}", &[("a", 5), ("b", 1)]);
//! assert_eq!(pool.picks(3), "a a a");
//! ```

mod bound_pool;
mod client;
mod clock;
mod contract;
#[doc(hidden)]
pub mod facts;
mod handoff;
pub mod hashing;
mod key;
mod pool;
mod route;
mod shaping;
pub mod spread;
mod workers;

pub use bound_pool::{BoundPool, Visit};
pub use client::Client;
pub use clock::{now_us, pass};
pub use contract::{assert_answers, assert_large_tables, assert_shapes, large_table};
pub use facts::load::{Load, set_load, with_load};
pub use facts::log::lines;
pub use facts::pools::PoolNumbers;
pub use facts::request::{Request, with_request};
pub use facts::response::{Response, with_response};
pub use facts::table::{clear as clear_table, entries as table_entries};
pub use handoff::assert_hands_over;
pub use pool::Pool;
pub use route::Route;
pub use shaping::Shaping;
pub use spread::Keys;

use crate::draw::mix;
use crate::{Backend, Instance, Moment, Outcome, OutcomeKind, Readiness};

/// A table of ready backends of these ids and weights.
pub fn backends(rows: &[(&str, u32)]) -> Vec<Backend> {
    let backend = |(id, weight): &(&str, u32)| Backend {
        id: (*id).to_owned(),
        address: format!("{id}.test:80"),
        weight: *weight,
        readiness: Readiness::Ready,
        labels: Vec::new(),
    };
    rows.iter().map(backend).collect()
}

/// The instance of this worker, of the pool `test`.
pub fn instance(worker: u32, workers: u32) -> Instance {
    Instance { pool: "test".to_owned(), worker, workers, generation: 1 }
}

/// First tries a millisecond apart, without a key, the same for the same seed.
pub fn moments(seed: u64) -> impl Iterator<Item = Moment> {
    (0u64..).map(move |n| Moment {
        key: None,
        random: mix(seed.wrapping_add(n.wrapping_mul(0x9e37_79b9_7f4a_7c15))),
        now_us: 1_700_000_000_000_000 + n * 1_000,
        attempt: 0,
    })
}

/// Uniform keys, the same for the same seed.
pub fn keys(seed: u64) -> impl Iterator<Item = u64> {
    moments(!seed).map(|moment| moment.random)
}

/// A first attempt at this backend that ends now: the status is 200, 404 or 503, as its kind says, or 0.
pub fn outcome(backend: u32, kind: OutcomeKind, latency_us: u32) -> Outcome {
    let status = match kind {
        OutcomeKind::Success => 200,
        OutcomeKind::ClientError => 404,
        OutcomeKind::ServerError => 503,
        _ => 0,
    };
    Outcome { backend, kind, status, latency_us, attempt: 0, key: None, at_us: now_us() }
}

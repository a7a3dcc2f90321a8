//! The test kit: what a plugin sees when it is tested natively.
//!
//! [`Pool`] plays the host: it gives a balancer its tables and moments and checks its answers. The
//! facts behind [`request`](crate::request) and [`load`](crate::load) are those of the running
//! thread, set by [`Pool`], [`with_request`] and [`set_load`]. It measures nothing and sandboxes
//! nothing.
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

#[doc(hidden)]
pub mod facts;
mod pool;

pub use facts::{Load, Request, lines, set_load, with_request};
pub use pool::Pool;

use crate::{Backend, Instance, Moment, Readiness};

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

/// The finalizer of SplitMix64: uniform bits of a counter.
fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

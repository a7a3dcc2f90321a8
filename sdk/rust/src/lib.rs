//! What a Trimtab plugin written in Rust links.
//!
//! A plugin implements a trait ([`Balancer`], [`Affinity`], [`Router`] or [`Shaper`], [`Observer`] beside
//! one of the first two, [`Handoff`] beside one of the first three) and names the type in an export macro
//! (such as [`export_balancer!`]).
//! What it may know beside its arguments are the facts of [`request`], [`response`], [`load`] and
//! [`pools`]; what all workers are to know goes to [`table`], what it has to say to [`log`]. Natively the
//! same code runs against the test kit in `testing`, so a plugin is tested with `cargo test` and no sandbox.
//!
//! It does not build components (that is `cargo plugins`). A plugin with settings takes the feature `json` and reads
//! them by [`settings`]; without it no JSON parser is linked. Building blocks: [`draw`], [`in_flight`] and [`tiers`]
//! for plugins that weigh; [`walk`], [`bounded`] and [`rendezvous`] for those that hash keys.
//!
//! ```
//! use trimtab_sdk::{Backend, Balancer, Instance, Moment, Plan, Verdict, load, settings};
//!
//! /// Any ready backend, by chance.
//! struct Chance(Vec<u32>);
//!
//! impl Balancer for Chance {
//!     fn configure(settings: &str, _: &Instance) -> Result<(Self, Plan), String> {
//!         settings::none(settings)?;
//!         Ok((Self(Vec::new()), Plan::default()))
//!     }
//!
//!     fn update(&mut self, backends: &[Backend]) {
//!         self.0 = (0..).zip(backends).filter(|(_, b)| b.is_candidate()).map(|(i, _)| i).collect();
//!     }
//!
//!     fn pick(&mut self, moment: Moment) -> Verdict {
//!         match self.0.len() as u64 {
//!             0 => Verdict::Pass,
//!             n => Verdict::Backend(self.0[(moment.random % n) as usize]),
//!         }
//!     }
//! }
//!
//! trimtab_sdk::export_balancer!(Chance);
//! ```

pub mod affinity;
pub mod balancer;
#[doc(hidden)]
pub mod bindings;
pub mod bounded;
pub mod draw;
mod exports;
pub mod handoff;
pub mod in_flight;
pub mod load;
pub mod log;
pub mod observer;
#[doc(hidden)]
pub mod panic;
pub mod pools;
pub mod remembered;
pub mod rendezvous;
pub mod request;
pub mod response;
pub mod router;
pub mod settings;
pub mod shaper;
#[doc(hidden)]
pub mod slot;
pub mod table;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
pub mod tiers;
mod types;
pub mod walk;

pub use affinity::Affinity;
pub use balancer::Balancer;
pub use handoff::Handoff;
pub use observer::Observer;
pub use router::{Destination, Router};
pub use shaper::Shaper;
pub use types::{Backend, Instance, Moment, Outcome, OutcomeKind, Plan, Readiness, Verdict};

//! What a Trimtab plugin written in Rust links.
//!
//! A plugin implements a trait ([`Balancer`]) and names the type in an export macro
//! ([`export_balancer!`]). What it may know beside its arguments are the facts of [`request`] and
//! [`load`]; what it has to say goes to [`log`]. Natively the same code runs against the test kit in
//! `testing`, so a plugin is tested with `cargo test` and no sandbox.
//!
//! It does not build components (that is `cargo plugins`). A plugin with settings takes the feature `json` and reads
//! them by [`settings`]; without it no JSON parser is linked.
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

pub mod balancer;
#[doc(hidden)]
pub mod bindings;
pub mod load;
pub mod log;
#[doc(hidden)]
pub mod panic;
pub mod request;
pub mod settings;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
mod types;

pub use balancer::Balancer;
pub use types::{Backend, Instance, Moment, Plan, Readiness, Verdict};

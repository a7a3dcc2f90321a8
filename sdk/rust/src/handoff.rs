//! The handoff side: the trait of a plugin whose state goes to the next generation, and how it is exported.
//!
//! It is no plugin by itself, but the second export of a balancer, an affinity or a router, on the same state:
//! `export_balancer!(Mine, handoff)`. When the state goes over is the host's affair.
//!
//! ```
//! use trimtab_sdk::testing::{Pool, assert_hands_over};
//! use trimtab_sdk::{Backend, Balancer, Handoff, Instance, Moment, Plan, Verdict};
//!
//! /// In turn, each worker on its own.
//! struct InTurn {
//!     next: u64,
//!     backends: u64,
//! }
//!
//! impl Balancer for InTurn {
//!     fn configure(_: &str, _: &Instance) -> Result<(Self, Plan), String> {
//!         Ok((Self { next: 0, backends: 0 }, Plan::default()))
//!     }
//!
//!     fn update(&mut self, backends: &[Backend]) {
//!         self.backends = backends.len() as u64;
//!     }
//!
//!     fn pick(&mut self, _: Moment) -> Verdict {
//!         self.next = self.next.wrapping_add(1);
//!         self.next.checked_rem(self.backends).map_or(Verdict::Pass, |index| Verdict::Backend(index as u32))
//!     }
//! }
//!
//! impl Handoff for InTurn {
//!     /// The version of this form, and then the position.
//!     fn save(&mut self) -> Vec<u8> {
//!         [&[1][..], &self.next.to_le_bytes()[..]].concat()
//!     }
//!
//!     fn restore(&mut self, state: &[u8]) -> Result<(), String> {
//!         match state {
//!             [1, next @ ..] => {
//!                 self.next = u64::from_le_bytes(next.try_into().map_err(|_| "a position has 8 bytes".to_owned())?);
//!                 Ok(())
//!             }
//!             _ => Err("the state is of another version".to_owned()),
//!         }
//!     }
//! }
//!
//! trimtab_sdk::export_balancer!(InTurn, handoff);
//!
//! assert_hands_over::<InTurn>("{}");
//! let mut pool = Pool::<InTurn>::new("{}", &[("a", 1), ("b", 1), ("c", 1)]);
//! assert_eq!(pool.picks(4), "b c a b");
//! pool.hand_over();
//! assert_eq!(pool.picks(4), "c a b c");
//! ```

/// Hands what an instance learned to the next generation on the same worker; used where both export it. Calls never come
/// within a decision.
///
/// Let a state begin with its version: what saved it may be older than what restores it or, after a roll back, newer.
pub trait Handoff {
    /// The state, at most 1 MiB. This instance goes on deciding if the next one does not come to it.
    fn save(&mut self) -> Vec<u8>;

    /// Takes a state up, after `configure` and the first `update`. The table may be another than that of the instance
    /// that saved, so what belongs to a backend goes by its `id`.
    ///
    /// # Errors
    ///
    /// A sentence for the person who replaces the plugin: the state cannot be read. It stops the swap, and the
    /// generation before stays.
    fn restore(&mut self, state: &[u8]) -> Result<(), String>;
}

/// The generated bindings of a world with this one export: it adds itself to that of the decision.
#[doc(hidden)]
pub mod bindings {
    #![allow(missing_docs, unreachable_pub, clippy::all)]

    wit_bindgen::generate!({
        path: "../../wit",
        inline: "
            package trimtab:sdk@0.1.0;

            world handoff-beside {
                export trimtab:plugin/handoff@0.1.0;
            }
        ",
        pub_export_macro: true,
        export_macro_name: "export_bindings",
        default_bindings_module: "trimtab_sdk::handoff::bindings",
    });
}

//! State from one generation to the next, for an instance whose component exports `handoff`.
//!
//! When it is handed over, and what follows from a failure, is for the owner to say.

use wasmtime::component::Instance;

use super::BuildReason;
use crate::decide::Fault;
use crate::plugin::fault;
use crate::plugin::guarded::Guarded;
use crate::plugin::v0_1::HandoffExports;

/// Bytes of a saved state.
const MOST_BYTES: usize = 1 << 20;

/// The exports, where the component has them.
pub(super) struct Handoff(Option<HandoffExports>);

impl Handoff {
    /// Looks for them.
    pub(super) fn find(guest: &mut Guarded, instance: &Instance) -> Result<Self, BuildReason> {
        Ok(Self(HandoffExports::find(guest.store(), instance)?))
    }

    /// Whether they are there.
    pub(super) fn is_there(&self) -> bool {
        self.0.is_some()
    }

    /// The guest's state; none where it does not export `handoff`.
    pub(super) fn save(&self, guest: &mut Guarded) -> Result<Option<Vec<u8>>, Fault> {
        let Some(exports) = &self.0 else { return Ok(None) };
        let (state,) = guest.call(guest.definition().limits().update_deadline, |store| exports.save.call(store, ()))?;
        if state.len() > MOST_BYTES {
            return Err(Fault::invalid(format!("saved {} bytes; at most {MOST_BYTES} are handed over", state.len())));
        }
        Ok(Some(state))
    }

    /// Gives it a state. Nothing happens where it does not export `handoff`.
    pub(super) fn restore(&self, guest: &mut Guarded, state: &[u8]) -> Result<(), Fault> {
        let Some(exports) = &self.0 else { return Ok(()) };
        let deadline = guest.definition().limits().update_deadline;
        let restored = guest.call(deadline, |store| exports.restore(store, state))?;
        restored.map_err(|text| {
            Fault::invalid(format!("`restore` does not accept the state: {}", fault::one_line(&text, 1024)))
        })
    }
}

/// Implements the public side of it, for an instance with the accessor `handoff`: the exports and the guest.
macro_rules! hands_over {
    ($instance:ident, $($part:ident).*) => {
        impl $instance {
            /// Whether its component exports `handoff`, so that it can save its state and restore that of others.
            pub fn hands_over(&self) -> bool {
                self.$($part.)*handoff.is_there()
            }

            /// Its state for the next generation on the same worker, at most 1 MiB; none where the component does not
            /// export `handoff`. For the worker that it sits on, between two decisions.
            ///
            /// # Errors
            /// When it trapped or took too long, and when the state is larger (it may be entered again then).
            pub fn save(&mut self) -> Result<Option<Vec<u8>>, crate::decide::Fault> {
                self.$($part.)*handoff.save(&mut self.$($part.)*guest)
            }

            /// Hands it the state that the generation before saved. To be called before its first decision; nothing
            /// happens where the component does not export `handoff`.
            ///
            /// # Errors
            /// When it trapped or took too long, and when it does not accept the state.
            pub fn restore(&mut self, state: &[u8]) -> Result<(), crate::decide::Fault> {
                self.$($part.)*handoff.restore(&mut self.$($part.)*guest, state)
            }
        }
    };
}

pub(super) use hands_over;

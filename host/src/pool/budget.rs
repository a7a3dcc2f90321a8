//! How many retries a pool can afford on one worker: a share of its requests (Finagle's retry budget), as pure state.
//!
//! Each worker has its own, so that no atomic is shared for it; the sum keeps to the same share.

use std::cell::Cell;

use crate::config::Retry;

/// One retry, in the unit of the balance: a percent of a request.
const RETRY: u64 = 100;

/// Retries that a process has to begin with, as a part of the reserve.
const FIRST: u64 = 10;

/// What is left of it.
#[derive(Debug, Default)]
pub struct Budget(Cell<u64>);

impl Budget {
    /// With a tenth of the reserve.
    pub fn new(policy: &Retry) -> Self {
        Self(Cell::new(most(policy) / FIRST))
    }

    /// A request has come.
    pub fn earn(&self, policy: &Retry) {
        self.0.set((self.0.get() + u64::from(policy.budget)).min(most(policy)));
    }

    /// Whether a request could be sent again now.
    pub fn has(&self) -> bool {
        self.0.get() >= RETRY
    }

    /// A request is to be sent again. Whether it may.
    pub fn spend(&self) -> bool {
        let left = self.0.get().checked_sub(RETRY);
        left.is_some_and(|left| {
            self.0.set(left);
            true
        })
    }
}

/// The most that can be saved up. Less than one retry could never be spent.
fn most(policy: &Retry) -> u64 {
    (u64::from(policy.reserve) * RETRY).max(if policy.budget > 0 { RETRY } else { 0 })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_reserve_is_saved_up_and_spent() {
        let policy = Retry { budget: 20, reserve: 10, ..Retry::default() };
        let budget = Budget::new(&policy);
        let spent = |budget: &Budget| (0..1000).take_while(|_| budget.spend()).count();
        assert_eq!(spent(&budget), 1, "a tenth of the reserve");
        (0..4).for_each(|_| budget.earn(&policy));
        assert_eq!(spent(&budget), 0, "four requests are no retry yet");
        budget.earn(&policy);
        assert_eq!(spent(&budget), 1);
        (0..1000).for_each(|_| budget.earn(&policy));
        assert_eq!(spent(&budget), 10, "no more than the reserve is kept");
    }

    proptest! {
        /// Whatever comes: never more retries than the share of the requests and the reserve, and in a calm time all
        /// that were promised.
        #[test]
        fn it_keeps_to_its_share(budget in 0u8..=100, reserve in 0u32..50, asked in prop::collection::vec(0usize..4, 1..400)) {
            let policy = Retry { budget, reserve, ..Retry::default() };
            let (state, mut spent, mut model) = (Budget::new(&policy), 0u64, most(&policy) / FIRST);
            for (requests, retries) in (1u64..).zip(asked) {
                state.earn(&policy);
                model = (model + u64::from(budget)).min(most(&policy));
                for _ in 0..retries {
                    let may = state.spend();
                    prop_assert_eq!(may, model >= RETRY);
                    if may {
                        model -= RETRY;
                        spent += 1;
                    }
                }
                prop_assert!(spent * RETRY <= requests * u64::from(budget) + most(&policy) / FIRST);
            }
        }
    }
}

//! Bounded loads: how much of the pool's work one backend may hold, for a plugin that prefers one.
//!
//! Consistent hashing with bounded loads (Mirrokni, Thorup and Zadimoghaddam, 2016), as HAProxy's
//! `hash-balance-factor` and Envoy's `hash_balance_factor`: no backend holds more than a factor times
//! the mean in flight, and what is too much goes to the next in the plugin's order. Only the limit is
//! here; [`Walk`](crate::walk::Walk) applies it.

use crate::load;

/// The setting `bounded_load`: a factor, or none for no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Bound(Option<f64>);

impl Bound {
    /// From the setting.
    ///
    /// # Errors
    ///
    /// A factor below 1: together the backends could not hold what is in flight.
    pub fn new(factor: Option<f64>) -> Result<Self, String> {
        match factor {
            Some(factor) if !(1.0..f64::INFINITY).contains(&factor) => Err(format!(
                "`bounded_load` is {factor}, and must be 1 or more: 1.25 lets a backend hold 1.25 times the mean"
            )),
            factor => Ok(Self(factor)),
        }
    }

    /// Whether there is a limit.
    pub fn is_set(self) -> bool {
        self.0.is_some()
    }

    /// What a unit of weight may hold once this request is placed, where all candidates together have
    /// this weight: the factor times their mean, by weight. None without a limit. Asks the host once.
    pub fn per_weight(self, weight: u64) -> Option<f64> {
        self.0.map(|factor| factor * (f64::from(load::in_flight_total()) + 1.0) / weight as f64)
    }
}

/// Whether a backend of this weight may take one more. A limit that is no whole number is rounded up,
/// as in the paper: else a small pool could not place its first request.
///
/// Exact for one worker. Workers that decide in the same instant do not see each other's request yet,
/// so a backend may hold as many more as there are other workers.
#[inline]
pub fn admits(per_weight: f64, weight: u32, in_flight: u32) -> bool {
    f64::from(in_flight) < per_weight * f64::from(weight)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Load, set_load};

    #[test]
    fn a_factor_below_one_is_refused() {
        for factor in [0.99, 0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(Bound::new(Some(factor)).expect_err("refused").contains("must be 1 or more"), "{factor}");
        }
        assert!(Bound::new(Some(1.0)).expect("a factor").is_set());
        assert!(!Bound::new(None).expect("no factor").is_set());
    }

    #[test]
    fn the_request_being_placed_counts_and_the_limit_is_rounded_up() {
        // 7 in flight and the new one over a weight of 4: 2 a unit, 2.5 with the factor.
        set_load(Load { in_flight: vec![7], ..Load::default() });
        let per_weight = Bound::new(Some(1.25)).expect("a factor").per_weight(4).expect("a limit");
        assert_eq!(per_weight, 2.5);
        assert!(admits(per_weight, 1, 2) && !admits(per_weight, 1, 3));
        assert!(admits(per_weight, 2, 4) && !admits(per_weight, 2, 5));
        assert!(!admits(per_weight, 0, 0));
        set_load(Load::default());
        let first = Bound::new(Some(1.0)).expect("a factor").per_weight(1000).expect("a limit");
        assert!(admits(first, 1, 0), "an idle pool takes its first request anywhere");
    }
}

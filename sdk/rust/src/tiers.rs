//! Tiers of backends, for shapers: what each tier takes when those before it are short, and weights that say so.
//!
//! Which backend is in which tier, and what a tier can take, is for the shaper to say.

use crate::Backend;

/// The lowest weight that is aimed at, so that rounding moves nobody by more than half a percent.
const FINE: f64 = 100.0;
/// A share of everything that is none.
const CRUMB: f64 = 1e-9;
/// The highest weight there is.
const HIGHEST: f64 = 65_535.0;

/// The backends of a table by tier, and what each tier weighs.
#[derive(Debug, Clone)]
pub struct Tiers {
    /// By backend.
    tier_of: Vec<usize>,
    /// By tier.
    weights: Vec<TierWeight>,
}

/// What the backends of a tier weigh together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TierWeight {
    /// The candidates.
    pub ready: u64,
    /// All, ready or not.
    pub total: u64,
}

impl TierWeight {
    /// The part of the weight that is ready, 0 to 1; 0 for a tier without any weight.
    pub fn ready_share(&self) -> f64 {
        if self.total == 0 { 0.0 } else { self.ready as f64 / self.total as f64 }
    }
}

impl Tiers {
    /// So many tiers, and for each backend the tier that it is in. Backends of no such tier are left out.
    pub fn new(backends: &[Backend], tiers: usize, tier_of: Vec<usize>) -> Self {
        let mut weights = vec![TierWeight::default(); tiers];
        for (backend, tier) in backends.iter().zip(&tier_of) {
            if let Some(tier) = weights.get_mut(*tier) {
                tier.total += u64::from(backend.weight);
                tier.ready += if backend.is_candidate() { u64::from(backend.weight) } else { 0 };
            }
        }
        Self { tier_of, weights }
    }

    /// What each tier weighs.
    pub fn weights(&self) -> &[TierWeight] {
        &self.weights
    }

    /// Weights for these backends, those that the tiers were made of: a tier gets its share (see [`spill`]), and in it a
    /// ready backend what its weight says; others get 0. Where one tier takes everything the weights stay as they are.
    /// Otherwise they are scaled: a weight is off by half a percent at most, or by half of 1 where the highest
    /// would be above 65535, and at least 1.
    pub fn shape(&self, backends: &[Backend], shares: &[f64]) -> Vec<u32> {
        let factor =
            |(weight, share): (&TierWeight, &f64)| if weight.ready == 0 { 0.0 } else { share / weight.ready as f64 };
        let factors: Vec<f64> = self.weights.iter().zip(shares).map(factor).collect();
        let highest = factors.iter().copied().fold(0.0, f64::max);
        let part = |(backend, tier): (&Backend, &usize)| match factors.get(*tier) {
            Some(factor) if backend.is_candidate() && *factor > 0.0 => f64::from(backend.weight) * (factor / highest),
            _ => 0.0,
        };
        let parts: Vec<f64> = backends.iter().zip(&self.tier_of).map(part).collect();
        let is_scaled = factors.iter().any(|factor| *factor > 0.0 && *factor < highest);
        if is_scaled { scale(&parts) } else { parts.iter().map(|part| part.min(HIGHEST) as u32).collect() }
    }
}

/// The share of each tier, in order of preference, where `capacities` says what each can take of all, 0 to 1. The
/// first takes what it can, the next what is left, and so on. When all together cannot take everything, they share it by
/// capacity. That is how Envoy spreads load over priority levels. All zero where nobody can take anything.
pub fn spill(capacities: &[f64]) -> Vec<f64> {
    let together = capacities.iter().sum::<f64>().min(1.0);
    let mut left = 1.0;
    let share = |capacity: &f64| {
        let share = if together > 0.0 { (capacity / together).min(left) } else { 0.0 };
        // What rounding leaves over is no work for another tier.
        left = if left - share < CRUMB { 0.0 } else { left - share };
        share
    };
    capacities.iter().map(share).collect()
}

/// Integers in proportion to these parts.
fn scale(parts: &[f64]) -> Vec<u32> {
    let positive = || parts.iter().copied().filter(|part| *part > 0.0);
    let (lowest, highest) = (positive().fold(f64::MAX, f64::min), positive().fold(0.0, f64::max));
    let scale = (FINE / lowest).max(1.0).min(HIGHEST / highest);
    let weight = |part: &f64| if *part > 0.0 { (part * scale).round().clamp(1.0, HIGHEST) as u32 } else { 0 };
    parts.iter().map(weight).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Readiness;
    use crate::testing::backends;

    fn assert_near(shares: &[f64], expected: &[f64]) {
        assert_eq!(shares.len(), expected.len());
        let is_near = shares.iter().zip(expected).all(|(share, expected)| (share - expected).abs() < 1e-9);
        assert!(is_near, "{shares:?}, not {expected:?}");
    }

    /// As in the tables of Envoy's documentation on priority levels (overprovisioning factor 1.4).
    #[test]
    fn shares_are_those_of_envoy() {
        let spill_of = |ready: [f64; 3]| spill(&ready.map(|ready| f64::min(1.0, 1.4 * ready)));
        assert_near(&spill_of([1.0, 1.0, 1.0]), &[1.0, 0.0, 0.0]);
        assert_near(&spill_of([0.72, 0.72, 1.0]), &[1.0, 0.0, 0.0]);
        assert_near(&spill_of([0.71, 0.71, 1.0]), &[0.994, 0.006, 0.0]);
        assert_near(&spill_of([0.5, 0.5, 1.0]), &[0.7, 0.3, 0.0]);
        assert_near(&spill_of([0.25, 0.65, 1.0]), &[0.35, 0.65, 0.0]);
        assert_near(&spill_of([0.25, 0.25, 1.0]), &[0.35, 0.35, 0.3]);
        assert_near(&spill_of([0.25, 0.25, 0.2]), &[0.35 / 0.98, 0.35 / 0.98, 0.28 / 0.98]);
        assert_near(&spill_of([0.0, 0.0, 0.0]), &[0.0, 0.0, 0.0]);
    }

    #[test]
    fn rounding_leaves_no_crumbs_to_the_next_tier() {
        for ready in 1..1_000 {
            let first = f64::from(ready) / 1_000.0;
            let shares = spill(&[first, 1.0 - first, 1.0]);
            assert_eq!(shares[2], 0.0, "{shares:?}");
        }
        assert_eq!(spill(&[0.1, 0.2, 0.7, 1.0])[3], 0.0);
    }

    #[test]
    fn one_tier_keeps_its_weights() {
        let table = backends(&[("a", 5), ("b", 2), ("c", 7)]);
        let tiers = Tiers::new(&table, 2, vec![0, 0, 1]);
        assert_eq!(tiers.weights(), [TierWeight { ready: 7, total: 7 }, TierWeight { ready: 7, total: 7 }]);
        assert_eq!(tiers.shape(&table, &[1.0, 0.0]), [5, 2, 0]);
        assert_eq!(tiers.shape(&table, &[0.0, 1.0]), [0, 0, 7]);
        assert_eq!(tiers.shape(&table, &[0.5, 0.5]), [5, 2, 7], "tiers of equal factors need no scale");
        assert_eq!(tiers.shape(&table, &[0.0, 0.0]), [0, 0, 0]);
        assert!(Tiers::new(&[], 2, Vec::new()).shape(&[], &[1.0, 0.0]).is_empty());
    }

    #[test]
    fn weights_are_the_shares_and_off_by_half_a_percent_at_most() {
        let mut table = backends(&[("a", 5), ("b", 2), ("c", 7), ("d", 7), ("e", 0)]);
        table[3].readiness = Readiness::Down;
        let tiers = Tiers::new(&table, 2, vec![0, 0, 1, 1, 1]);
        assert_eq!(tiers.weights()[1], TierWeight { ready: 7, total: 14 });
        for share in [0.1, 0.3, 0.5, 0.77, 0.999] {
            let weights = tiers.shape(&table, &[share, 1.0 - share]);
            let unit = f64::from(weights[2]) / (1.0 - share);
            assert_eq!(weights[3..], [0, 0], "who is not ready gets nothing");
            for (weight, exact) in [(weights[0], share * 5.0 / 7.0), (weights[1], share * 2.0 / 7.0)] {
                let expected = exact * unit;
                assert!((f64::from(weight) - expected).abs() <= expected * 0.011 + 0.5, "{weight} of {expected}");
            }
        }
    }

    #[test]
    fn the_range_is_kept() {
        let table = backends(&[("a", 65_535), ("b", 1)]);
        let tiers = Tiers::new(&table, 2, vec![0, 1]);
        assert_eq!(tiers.shape(&table, &[0.999_999, 0.000_001]), [65_535, 1]);
        assert_eq!(tiers.shape(&table, &[0.000_001, 0.999_999]), [1, 65_535]);
    }
}

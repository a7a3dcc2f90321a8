//! Weighted rendezvous hashing: a key goes to the backend with the highest score, so that of all keys
//! only those of a backend that leaves move, and a new backend takes its share from all alike.
//!
//! Thaler and Ravishankar, "A Name-Based Mapping Scheme for Rendezvous" (1996); weights by exponential
//! variates, as in Schindelhauer and Schomaker, "Weighted Distributed Hash Tables" (2005). A look at
//! each candidate: for keys that are new, since the answer is remembered.

use crate::Backend;

/// What makes 64 bits a fraction of 1.
const UNIT: f64 = 1.0 / 18_446_744_073_709_551_616.0;

/// A backend that a new key may be bound to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    index: u32,
    /// A hash of its id.
    seed: u64,
    /// One by its weight.
    scale: f64,
}

/// Those of these backends that may take a new client.
pub(super) fn candidates(backends: &[Backend]) -> Vec<Candidate> {
    let candidates = (0..).zip(backends).filter(|(_, backend)| backend.is_candidate());
    let candidate = |(index, backend): (u32, &Backend)| Candidate {
        index,
        seed: super::hash(backend.id.as_bytes(), 0),
        scale: 1.0 / f64::from(backend.weight),
    };
    candidates.map(candidate).collect()
}

/// The index of the key's candidate among those that are not out.
pub(super) fn choose(key: u64, candidates: &[Candidate], out: impl Fn(u32) -> bool) -> Option<u32> {
    let (mut best, mut shortest) = (None, f64::INFINITY);
    for candidate in candidates {
        let bits = mix(key ^ candidate.seed);
        // -ln(u) is at least 1 - u: most candidates are out of the race before their logarithm.
        if (!bits as f64) * UNIT * candidate.scale >= shortest {
            continue;
        }
        let time = exponential(bits) * candidate.scale;
        if time < shortest && !out(candidate.index) {
            (best, shortest) = (Some(candidate.index), time);
        }
    }
    best
}

/// The finalizer of SplitMix64: uniform bits.
pub(super) fn mix(mut bits: u64) -> u64 {
    bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// -ln of uniform bits read as a fraction of 1, by the series of the inverse hyperbolic tangent. To one in a million,
/// which is enough for shares, and in a fraction of the time of `ln`.
fn exponential(bits: u64) -> f64 {
    let bits = bits | 1;
    let mut halvings = bits.leading_zeros() + 1;
    // The first one is the implied bit of a float in 1..2.
    let mut mantissa = f64::from_bits(0x3ff0_0000_0000_0000 | (bits << (halvings - 1) << 1 >> 12));
    if mantissa > std::f64::consts::SQRT_2 {
        mantissa *= 0.5;
        halvings -= 1;
    }
    let t = (mantissa - 1.0) / (mantissa + 1.0);
    let square = t * t;
    let atanh = t * (1.0 + square * (1.0 / 3.0 + square * (1.0 / 5.0 + square / 7.0)));
    f64::from(halvings) * std::f64::consts::LN_2 - 2.0 * atanh
}

#[cfg(test)]
mod tests {
    use super::{candidates, choose, exponential, mix};
    use crate::testing::backends;

    #[test]
    fn the_logarithm_is_one() {
        let near_one = (1..60).map(|shift| u64::MAX - (1 << shift));
        for bits in [1, 3, 1 << 40 | 1, u64::MAX / 2, u64::MAX / 3].into_iter().chain(near_one).chain((0..999).map(mix))
        {
            let rest = !bits as f64 * super::UNIT;
            let exact = if rest < 0.5 { -(-rest).ln_1p() } else { -(bits as f64 * super::UNIT).ln() };
            let error = (exponential(bits) - exact).abs() / exact;
            assert!(error < 1e-6 || !bits < 1 << 32, "{bits:x}: {error}");
            assert!(exponential(bits) >= rest * (1.0 - 1e-6), "{bits:x}");
        }
    }

    #[test]
    fn shares_are_weights_and_only_those_of_who_leaves_move() {
        let rows = [("a", 1), ("b", 2), ("c", 3), ("d", 4)];
        let all = candidates(&backends(&rows));
        let mut counts = [0u32; 4];
        for key in (0..100_000).map(mix) {
            let at = choose(key, &all, |_| false).expect("a candidate");
            counts[at as usize] += 1;
            let without = choose(key, &all, |index| index == 3).expect("a candidate");
            assert!(without == at || at == 3, "{key} moved from {at} to {without}");
        }
        for (count, (id, weight)) in counts.iter().zip(rows) {
            let share = f64::from(*count) / 10_000.0;
            assert!((share - f64::from(weight)).abs() < 0.05, "{id}: {share} of 10");
        }
        assert_eq!(choose(1, &[], |_| false), None);
    }
}

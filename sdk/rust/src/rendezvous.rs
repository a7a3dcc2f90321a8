//! Rendezvous hashing: a score for each pair of key and backend, and the best one wins.
//!
//! Highest random weight (Thaler and Ravishankar, 1998), weighted by the logarithmic method (Schindelhauer and
//! Schomaker, 2005): a backend draws an exponential variate from the key, divided by its weight, and the lowest
//! wins. Shares are exactly those of the weights, and without a backend only its own keys move, each to the
//! second of its order. The price is a look at every backend.
//!
//! It is data and arithmetic: who may be picked is asked of the caller.

use xxhash_rust::xxh64::xxh64;

use crate::Backend;
use crate::draw::mix;

/// The backends as scores see them.
#[derive(Debug)]
pub struct Rendezvous {
    /// XXH64 of the ids, in table order.
    seeds: Vec<u64>,
    /// Those with a weight.
    rows: Vec<Row>,
    equal: bool,
}

#[derive(Debug)]
struct Row {
    seed: u64,
    index: u32,
    /// 1 ÷ weight.
    scale: f64,
}

impl Default for Rendezvous {
    fn default() -> Self {
        Self { seeds: Vec::new(), rows: Vec::new(), equal: true }
    }
}

impl Rendezvous {
    /// Takes over a new table. A backend is known by its id, wherever it stands.
    pub fn update(&mut self, backends: &[Backend]) {
        self.seeds.clear();
        self.seeds.extend(backends.iter().map(|backend| xxh64(backend.id.as_bytes(), 0)));
        self.adjust(backends);
    }

    /// Takes over the weights; the backends are those of the last `update`. Readiness does not matter here.
    pub fn adjust(&mut self, backends: &[Backend]) {
        self.rows.clear();
        let weighted = (0..).zip(backends).zip(&self.seeds).filter(|((_, backend), _)| backend.weight > 0);
        let row = |((index, backend), seed): ((u32, &Backend), &u64)| Row {
            seed: *seed,
            index,
            scale: 1.0 / f64::from(backend.weight),
        };
        self.rows.extend(weighted.map(row));
        self.equal = self.rows.windows(2).all(|pair| pair[0].scale == pair[1].scale);
    }

    /// The best for this key among those that take it. `takes` is asked of those only that are better
    /// than the best found so far: of about as many as the logarithm of the number of backends.
    #[inline]
    pub fn best(&self, key: u64, takes: impl FnMut(u32) -> bool) -> Option<u32> {
        if self.equal { self.best_of_equals(key, takes) } else { self.best_by_weight(key, takes) }
    }

    /// Where weights are equal the lowest hash is the lowest variate: no logarithm, no floats.
    #[inline]
    fn best_of_equals(&self, key: u64, mut takes: impl FnMut(u32) -> bool) -> Option<u32> {
        let (mut best, mut lowest) = (None, u64::MAX);
        for row in &self.rows {
            let hash = mix(key ^ row.seed);
            if hash <= lowest && takes(row.index) {
                (best, lowest) = (Some(row.index), hash);
            }
        }
        best
    }

    /// With u uniform in [0, 1) the variate is -ln(1 - u), which is never below u. So u alone rules
    /// out nearly everyone, and the logarithm is for the few that may win. (1 - u is exact: no digit of a small u
    /// is lost.)
    #[inline]
    fn best_by_weight(&self, key: u64, mut takes: impl FnMut(u32) -> bool) -> Option<u32> {
        let (mut best, mut lowest) = (None, f64::INFINITY);
        for row in &self.rows {
            // Mixing makes one of two hashes; a hash for bytes would cost several times that for each backend.
            let u = unit(mix(key ^ row.seed));
            if u * row.scale < lowest {
                let variate = -(1.0 - u).ln() * row.scale;
                if variate < lowest && takes(row.index) {
                    (best, lowest) = (Some(row.index), variate);
                }
            }
        }
        best
    }
}

/// A uniform number in [0, 1) of the upper 53 bits, as many as an f64 holds.
#[inline]
fn unit(hash: u64) -> f64 {
    // Through i64, where a conversion is one instruction.
    (hash >> 11) as i64 as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::backends;

    fn of(rows: &[(&str, u32)]) -> Rendezvous {
        let mut rendezvous = Rendezvous::default();
        rendezvous.update(&backends(rows));
        rendezvous
    }

    /// The definition, without what makes it cheap.
    fn defined(rendezvous: &Rendezvous, key: u64) -> Option<u32> {
        let variate = |row: &Row| -(1.0 - unit(mix(key ^ row.seed))).ln() * row.scale;
        rendezvous.rows.iter().min_by(|a, b| variate(a).total_cmp(&variate(b))).map(|row| row.index)
    }

    #[test]
    fn the_short_cuts_change_nothing() {
        for rows in [&[("a", 1), ("b", 1), ("c", 1)][..], &[("a", 1), ("b", 7), ("c", 65_535), ("d", 0)]] {
            let rendezvous = of(rows);
            for key in 0..20_000u64 {
                let key = mix(key);
                assert_eq!(rendezvous.best(key, |_| true), defined(&rendezvous, key));
            }
        }
    }

    #[test]
    fn weights_and_no_weights_rank_alike() {
        let (equal, mut forced) = (of(&[("a", 3), ("b", 3), ("c", 3)]), of(&[("a", 3), ("b", 3), ("c", 3)]));
        forced.equal = false;
        for key in (0..20_000u64).map(mix) {
            assert_eq!(equal.best(key, |_| true), forced.best(key, |_| true));
        }
    }

    #[test]
    fn nobody_is_a_fine_answer() {
        assert_eq!(of(&[]).best(1, |_| true), None);
        assert_eq!(of(&[("a", 0)]).best(1, |_| true), None);
        assert_eq!(of(&[("a", 1), ("b", 2)]).best(1, |_| false), None);
    }
}

//! Split: shares the requests of a route between pools, such as 5 % to a canary; sticky where requests have a key.
//!
//! Each pool has a score of the key's hash and its weight, and the best score of those with ready backends wins
//! (weighted rendezvous hashing: Schindelhauer and Schomaker, "Weighted distributed hash tables", 2005). That gives
//! exact shares, and where a weight grows or a pool is lost, only the keys move that have to.

use serde::Deserialize;
use trimtab_sdk::draw::mix;
use trimtab_sdk::{Destination, Instance, Moment, Plan, Router, pools, settings};

/// The pools with a share.
#[derive(Debug)]
pub struct Split {
    shares: Vec<Share>,
    /// Scores of the decision at hand.
    scores: Vec<(f64, u32)>,
}

#[derive(Debug)]
struct Share {
    /// Position among the pools.
    pool: u32,
    /// Above 0.
    weight: f64,
    /// Makes the hash of a key one of the pool's own.
    salt: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    percent: Option<f64>,
    weights: Option<Vec<f64>>,
}

impl Router for Split {
    fn configure(settings: &str, _instance: &Instance, pools: &[String]) -> Result<(Self, Plan), String> {
        let weights = weights(settings::parse(settings)?, pools.len())?;
        // The salts are of positions: a pool that is renamed keeps its keys.
        let share = |(pool, weight): (u32, f64)| Share { pool, weight, salt: mix(u64::from(pool) + 1) };
        let shares: Vec<_> = (0..).zip(weights).filter(|(_, weight)| *weight > 0.0).map(share).collect();
        Ok((Self { scores: Vec::with_capacity(shares.len()), shares }, Plan::default()))
    }

    fn route(&mut self, moment: Moment) -> Destination {
        let hash = moment.key.unwrap_or(moment.random);
        self.scores.clear();
        self.scores.extend(self.shares.iter().map(|share| (share.score(hash), share.pool)));
        while let Some(best) = lowest(&self.scores) {
            let (_, pool) = self.scores.swap_remove(best);
            if pools::ready(pool) > 0 {
                return Destination::Pool(pool);
            }
        }
        Destination::Pass
    }
}

impl Share {
    /// The time to the first event of a process with this rate: of several, each is the first in proportion to its rate.
    fn score(&self, hash: u64) -> f64 {
        // 53 bits are what an f64 holds; the half keeps the logarithm finite. The pools' balancers hash the same key,
        // so the bits are mixed anew: keys that come to a canary shall not all be neighbours on its ring.
        let fraction = ((mix(hash ^ self.salt) >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
        -fraction.ln() / self.weight
    }
}

fn lowest(scores: &[(f64, u32)]) -> Option<usize> {
    (0..scores.len()).min_by(|a, b| scores[*a].0.total_cmp(&scores[*b].0))
}

/// One weight for each pool, some above 0.
fn weights(settings: Settings, pools: usize) -> Result<Vec<f64>, String> {
    let weights = match settings {
        Settings { percent: Some(percent), weights: None } => {
            if pools != 2 {
                return Err(format!("`percent` splits between 2 pools, and `pools` has {pools}: use `weights`"));
            }
            if !(0.0..=100.0).contains(&percent) {
                return Err(format!("`percent` is {percent}: it must be 0 to 100"));
            }
            vec![100.0 - percent, percent]
        }
        Settings { percent: None, weights: Some(weights) } => weights,
        Settings { percent: None, weights: None } => {
            return Err("neither `percent` nor `weights` says how to split".to_owned());
        }
        Settings { percent: Some(_), weights: Some(_) } => {
            return Err("`percent` and `weights` both say how to split: remove one of them".to_owned());
        }
    };
    if weights.len() != pools {
        return Err(format!("`weights` has {} numbers, and `pools` has {pools}: one for each", weights.len()));
    }
    if weights.iter().any(|weight| !(weight.is_finite() && *weight >= 0.0)) {
        return Err("a number of `weights` is below 0".to_owned());
    }
    if weights.iter().all(|weight| *weight == 0.0) {
        return Err("all `weights` are 0: no pool would get anything".to_owned());
    }
    Ok(weights)
}

trimtab_sdk::export_router!(Split);

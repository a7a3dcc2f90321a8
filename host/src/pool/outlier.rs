//! Which backends of a pool their own outcomes speak against, as pure state: ejections, their length and their number.
//!
//! Envoy's outlier detection (ejection times, share of the pool), with a trial by one request at its end. What an
//! ejection means for a table is done elsewhere; time is an argument.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use crate::config::OutlierPolicy;

/// The backends of one pool, by some key.
#[derive(Debug)]
pub struct Outliers<K> {
    policy: OutlierPolicy,
    records: HashMap<K, Record>,
}

/// What is known of one.
#[derive(Debug, Default, Clone, Copy)]
struct Record {
    state: State,
    /// Ejections lately: what the next one is multiplied by. Each interval without one takes one away.
    times: u32,
    /// It was ejected since success rates were compared last.
    lately: bool,
    /// Successes and attempts when success rates were compared last.
    seen: Counts,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    In,
    Out,
    Trial,
}

/// Attempts of a backend since it is there.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// That succeeded.
    pub successes: u64,
    /// That succeeded or failed.
    pub attempts: u64,
}

impl<K: Copy + Eq + Hash> Outliers<K> {
    /// Nobody is out.
    pub fn new(policy: OutlierPolicy) -> Self {
        Self { policy, records: HashMap::new() }
    }

    /// What holds from now on. Who is out stays out as long as was said.
    pub fn set_policy(&mut self, policy: OutlierPolicy) {
        self.policy = policy;
    }

    /// Forgets who is not in the pool any more.
    pub fn retain(&mut self, is_there: impl Fn(&K) -> bool) {
        self.records.retain(|key, _| is_there(key));
    }

    /// One is to be ejected, of a pool of `size`. Answers for how long; none if it is out already, or too many are.
    pub fn eject(&mut self, key: K, size: usize) -> Option<Duration> {
        let out = self.records.values().filter(|record| record.state != State::In).count();
        let record = self.records.entry(key).or_default();
        if record.state != State::In || (out + 1) * 100 > size * usize::from(self.policy.max_ejected) {
            return None;
        }
        Some(record.put_out(&self.policy))
    }

    /// The time of an ejection is over. Whether one request is to try it.
    pub fn is_due(&mut self, key: K) -> bool {
        match self.records.get_mut(&key) {
            Some(record) if record.state == State::Out => {
                record.state = State::Trial;
                true
            }
            _ => false,
        }
    }

    /// Whether it is to be tried.
    pub fn is_on_trial(&self, key: K) -> bool {
        self.records.get(&key).is_some_and(|record| record.state == State::Trial)
    }

    /// How that request went. Answers how long it is out again, or that it is in; none if nobody was to try it.
    pub fn tried(&mut self, key: K, well: bool) -> Option<Verdict> {
        let record = self.records.get_mut(&key).filter(|record| record.state == State::Trial)?;
        if well {
            record.state = State::In;
            return Some(Verdict::In);
        }
        Some(Verdict::Out(record.put_out(&self.policy)))
    }

    /// Compares success rates; to be called after each interval, with what all have counted since they are there.
    /// Answers who has too low a one: a share of the rest of the pool's.
    pub fn compare(&mut self, counts: &[(K, Counts)]) -> Vec<K> {
        let mut lately = Vec::new();
        for (key, now) in counts {
            let record = self.records.entry(*key).or_default();
            let since = Counts {
                successes: now.successes.saturating_sub(record.seen.successes),
                attempts: now.attempts.saturating_sub(record.seen.attempts),
            };
            record.seen = *now;
            if !std::mem::take(&mut record.lately) && record.state == State::In {
                record.times = record.times.saturating_sub(1);
            }
            if record.state == State::In {
                lately.push((*key, since));
            }
        }
        let Some(least) = self.policy.success_rate else { return Vec::new() };
        let sum = lately.iter().fold(Counts::default(), |sum, (_, one)| Counts {
            successes: sum.successes + one.successes,
            attempts: sum.attempts + one.attempts,
        });
        let is_outlier = |(_, one): &&(K, Counts)| {
            let rest = Counts { successes: sum.successes - one.successes, attempts: sum.attempts - one.attempts };
            // As products: rate(one) * 100 < rate(rest) * least.
            let (own, others) = (u128::from(one.successes) * u128::from(rest.attempts), u128::from(rest.successes));
            one.attempts >= self.policy.requests
                && rest.attempts > 0
                && own * 100 < others * u128::from(one.attempts) * u128::from(least)
        };
        lately.iter().filter(is_outlier).map(|(key, _)| *key).collect()
    }
}

/// What comes of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is back.
    In,
    /// It is out again, for so long.
    Out(Duration),
}

impl Record {
    fn put_out(&mut self, policy: &OutlierPolicy) -> Duration {
        self.state = State::Out;
        self.lately = true;
        self.times = self.times.saturating_add(1);
        policy.ejection.saturating_mul(self.times).min(policy.max_ejection)
    }
}

#[cfg(test)]
mod tests;

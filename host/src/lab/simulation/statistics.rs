//! What is counted of a world.

use std::sync::Arc;

use hdrhistogram::Histogram;

/// Parts of the time for which there are figures of their own.
pub(super) const SLICES: usize = 120;

/// Figures of one entrant.
#[derive(Debug, Clone)]
pub struct Figures {
    /// What it is called.
    pub title: String,
    /// Requests that came, and ended within the time or after it.
    pub requests: u64,
    /// That got no response.
    pub failed: u64,
    /// That a plugin refused.
    pub refused: u64,
    /// Attempts after the first.
    pub retries: u64,
    /// Faults of plugins.
    pub faults: u64,
    /// Decisions that the fallback made.
    pub fallbacks: u64,
    /// From arrival to response, in microseconds.
    pub latency: Histogram<u64>,
    /// The same by time, for what arrived then.
    pub slices: Vec<Histogram<u32>>,
    /// Responses of each backend.
    pub served: Vec<u64>,
    /// The busiest of those that are ready by their mean, each by its weight: of responses between two changes of the table, and
    /// of what is in flight, over time.
    pub imbalance: (f64, f64),
    /// The mean in flight at each backend, by time.
    pub in_flight: Vec<Vec<f32>>,
    /// Requests of keys that came before, and those of them that went elsewhere although their backend was ready.
    pub returns: (u64, u64),
    /// What each change has moved.
    pub disruptions: Vec<Disruption>,
}

/// What a change has moved, of the most popular keys, for what goes by keys.
#[derive(Debug, Clone)]
pub struct Disruption {
    /// When, in microseconds.
    pub at_us: u64,
    /// What has changed.
    pub what: Arc<str>,
    /// The share of keys that have another backend, 0 to 1.
    pub moved: f64,
    /// Of these, whose backend is still ready.
    pub needless: f64,
}

/// Latencies, to three figures.
pub(super) fn latencies() -> Histogram<u64> {
    of_any_length(3)
}

/// The same to two, for a slice.
pub(super) fn coarse() -> Histogram<u32> {
    of_any_length(2)
}

fn of_any_length<T: hdrhistogram::Counter>(figures: u8) -> Histogram<T> {
    Histogram::new(figures).unwrap_or_else(|_| unreachable!("one to five figures"))
}

/// The highest by the mean, each by its weight; 1 where there is nothing.
pub(super) fn over_mean(values: impl Iterator<Item = (f64, u32)> + Clone) -> f64 {
    let weighted = values.filter(|(_, weight)| *weight > 0);
    let (sum, weights) =
        weighted.clone().fold((0.0, 0.0), |(sum, weights), (value, weight)| (sum + value, weights + f64::from(weight)));
    let highest = weighted.map(|(value, weight)| value / f64::from(weight)).fold(0.0, f64::max);
    if sum > 0.0 { highest * weights / sum } else { 1.0 }
}

//! When a backend's own outcomes speak against it: `outlier`.

use std::time::Duration;

/// `outlier = true` or a table: backends are taken out of the pool by how requests to them end.
///
/// As Envoy's outlier detection, but for the success rate: that is held against the rest of the pool and not against
/// mean and deviation, which cannot tell one among three.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutlierPolicy {
    /// `consecutive_errors`: responses of 500 to 599 in a row (default 5; `false`, none: any number).
    pub errors: Option<u32>,
    /// `consecutive_connect_errors`: failed connections, and connections that broke before a response, in a row (default 5).
    pub connect_errors: Option<u32>,
    /// `consecutive_timeouts` in a row (default 5).
    pub timeouts: Option<u32>,
    /// `success_rate`: least share of successful requests, in percent of what the rest of the pool has (default 80;
    /// 1 to 100).
    pub success_rate: Option<u8>,
    /// `interval` after which success rates are compared (default 10 s, 100 ms to 1 h).
    pub interval: Duration,
    /// `requests` within the interval that a backend must have had for that (default 100).
    pub requests: u64,
    /// `ejection`: how long a backend is out the first time; as many times longer as it was ejected lately (default
    /// 30 s, 100 ms to 1 h).
    pub ejection: Duration,
    /// `max_ejection`: the longest that grows to (default 5 min, or `ejection` if that is more; up to 24 h).
    pub max_ejection: Duration,
    /// `max_ejected`: largest share of the pool that may be out, in percent, rounded down (default 50; 0 to 100).
    pub max_ejected: u8,
}

impl Default for OutlierPolicy {
    fn default() -> Self {
        Self {
            errors: Some(5),
            connect_errors: Some(5),
            timeouts: Some(5),
            success_rate: Some(80),
            interval: Duration::from_secs(10),
            requests: 100,
            ejection: Duration::from_secs(30),
            max_ejection: Duration::from_secs(300),
            max_ejected: 50,
        }
    }
}

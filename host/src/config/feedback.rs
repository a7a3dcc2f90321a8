//! What backends may say of themselves in the headers of their responses: `feedback`.

use std::sync::Arc;
use std::time::Duration;

/// `feedback = true`, or a table of what is listened to. What is not written in the table is not listened to.
///
/// The headers are for the balancer: clients do not get them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feedback {
    /// `weight`: the header with the weight that the backend wants, 0 to 65535, in place of the configured one
    /// (`true`: `x-backend-weight`; lower case here).
    pub weight: Option<Arc<str>>,
    /// `state`: the header with `draining` (no new clients, please) or `ready` (`true`: `x-backend-state`; lower case
    /// here).
    pub state: Option<Arc<str>>,
    /// `orca`: load reports as Envoy takes them, in `endpoint-load-metrics` (forms `TEXT`, `JSON` and `BIN`) and
    /// `endpoint-load-metrics-bin`. Plugins read them by `load.metric`, under the names `cpu_utilization`,
    /// `mem_utilization`, `application_utilization`, `rps_fractional`, `eps`, `named_metrics.NAME`, `utilization.NAME` and
    /// `request_cost.NAME`. Numbers that are none, infinite or negative are ignored.
    pub orca: bool,
    /// `hold`: how long weight and state count after a backend last said them (default 60 s, 1 s to 24 h). Who said that
    /// it gets nothing more cannot take that back, for it is not asked again.
    pub hold: Duration,
}

/// What `true` is.
impl Default for Feedback {
    fn default() -> Self {
        Self {
            weight: Some("x-backend-weight".into()),
            state: Some("x-backend-state".into()),
            orca: true,
            hold: Duration::from_secs(60),
        }
    }
}

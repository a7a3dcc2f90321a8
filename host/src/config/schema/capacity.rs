//! `limits` of a pool.

use super::value::Value;
use super::values;
use crate::config::Capacity;

/// What a limit may be. One of nothing would be an outage.
pub(super) const LIMIT: std::ops::RangeInclusive<u64> = 1..=1_000_000_000;

/// `{ requests = 1000, backend_requests = 100 }`
pub(super) fn limits(value: Value<'_>) -> Option<Capacity> {
    let mut table = value.table("`limits = { … }`")?;
    let default = Capacity::default();
    let requests = table.optional("requests", values::whole(LIMIT));
    let backend_requests = table.optional("backend_requests", values::whole(LIMIT));
    let backend_connections = table.optional("backend_connections", values::whole(LIMIT));
    let connections = table.optional("connections", values::whole(LIMIT));
    let queue = table.or("queue", default.queue, values::whole(0..=1_000_000));
    let queue_timeout = table.or("queue_timeout", default.queue_timeout, values::duration(values::TIMEOUT));
    let bound = |value: Value<'_>| {
        let timeout = values::duration(values::WAIT)(value)?;
        if timeout <= queue_timeout {
            return Some(timeout);
        }
        value.reject_with("`bound_timeout` is longer than `queue_timeout`", "it is a part of it")
    };
    let bound_timeout = table.or("bound_timeout", queue_timeout / 2, bound);
    table.finish();
    let limits = Capacity { requests, backend_requests, backend_connections, connections, ..default };
    Some(Capacity { queue, queue_timeout, bound_timeout, ..limits })
}

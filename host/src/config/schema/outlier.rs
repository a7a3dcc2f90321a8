//! When a backend's own outcomes speak against it: `outlier`.
//!
//! Only what may be written; who acts on it is not known here.

use std::time::Duration;

use super::table::Table;
use super::value::Value;
use super::values::{self, or_false};
use crate::config::OutlierPolicy;

const SHORTEST: Duration = Duration::from_millis(100);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// `true`, `false`, or `{ consecutive_errors = 5, ejection = "30s" }`.
pub(super) fn outlier(value: Value<'_>) -> Option<Option<OutlierPolicy>> {
    let default = OutlierPolicy::default();
    or_false(|value| values::switched(value, default, "{ consecutive_errors = 5, ejection = \"30s\" }", policy))(value)
}

fn policy(mut table: Table<'_>) -> Option<OutlierPolicy> {
    let default = OutlierPolicy::default();
    let in_a_row = || or_false(values::whole(1..=1_000_000));
    let errors = table.or("consecutive_errors", default.errors, in_a_row());
    let connect_errors = table.or("consecutive_connect_errors", default.connect_errors, in_a_row());
    let timeouts = table.or("consecutive_timeouts", default.timeouts, in_a_row());
    let success_rate = table.or("success_rate", default.success_rate, or_false(values::percent(1..=100)));
    let interval = table.or("interval", default.interval, values::duration(SHORTEST..=HOUR));
    let requests = table.or("requests", default.requests, values::whole(1..=1_000_000_000));
    let ejection = table.or("ejection", default.ejection, values::duration(SHORTEST..=HOUR));
    let longest = default.max_ejection.max(ejection);
    let written = table.take("max_ejection");
    let max_ejection = written.and_then(values::duration(SHORTEST..=DAY)).unwrap_or(longest);
    let max_ejected = table.or("max_ejected", default.max_ejected, values::percent(0..=100));
    table.finish();
    if let (Some(written), true) = (written, max_ejection < ejection) {
        let help = "an ejection grows from `ejection` to `max_ejection`";
        return written.reject_with("`max_ejection` is shorter than `ejection`", help);
    }
    Some(OutlierPolicy {
        errors,
        connect_errors,
        timeouts,
        success_rate,
        interval,
        requests,
        ejection,
        max_ejection,
        max_ejected,
    })
}

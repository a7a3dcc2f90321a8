//! How a plugin is replaced and what happens when it fails: `watch`, `shadow`, `probation`, `breaker`, `conformance`.
//!
//! Only what may be written; who acts on it is not known here.

use std::time::Duration;

use super::table::Table;
use super::value::Value;
use super::values::{self, or_false};
use crate::config::report::Finding;
use crate::config::{BreakerPolicy, Conformance, Plugin};

const CONFORMANCE: [(&str, Conformance); 2] = [("off", Conformance::Off), ("strict", Conformance::Strict)];
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const SECOND: Duration = Duration::from_secs(1);

/// Takes the keys from `[plugin.NAME]` and puts what they say into `plugin`. `has_file`: a component is named, well or
/// badly.
pub(super) fn replacement(table: &mut Table<'_>, has_file: bool, plugin: &mut Plugin) {
    let watch = table.take("watch");
    plugin.watch = watch.and_then(|value| value.boolean()).unwrap_or_default();
    if let (Some(watch), true, false) = (watch, plugin.watch, has_file) {
        let finding = Finding::error(watch.span(), "`watch` without `component`: there is no file to watch");
        table.sink().push(finding.absence().help("add `component`, or remove it"));
    }
    let or_none = || or_false(values::duration(SECOND..=HOUR));
    plugin.shadow = table.or("shadow", plugin.shadow, or_none());
    plugin.probation = table.or("probation", plugin.probation, or_none());
    plugin.breaker = table.or("breaker", plugin.breaker, breaker);
    plugin.conformance = table.or("conformance", plugin.conformance, values::word(&CONFORMANCE));
}

/// `true`, `false`, or `{ faults = 10, window = "10s", delay = "1s", max_delay = "60s" }`.
fn breaker(value: Value<'_>) -> Option<Option<BreakerPolicy>> {
    let default = BreakerPolicy::default();
    or_false(|value| values::switched(value, default, "{ faults = 10, window = \"10s\" }", policy))(value)
}

fn policy(mut table: Table<'_>) -> Option<BreakerPolicy> {
    let default = BreakerPolicy::default();
    let faults = table.or("faults", default.faults, values::whole(1..=1_000_000));
    let window = table.or("window", default.window, values::duration(SECOND..=HOUR));
    let delay = table.or("delay", default.delay, values::duration(Duration::from_millis(100)..=HOUR));
    // A long delay that stands alone is meant: it does not grow then.
    let longest = default.max_delay.max(delay);
    let written = table.take("max_delay");
    let max_delay = written.and_then(values::duration(Duration::from_millis(100)..=DAY)).unwrap_or(longest);
    table.finish();
    if let (Some(written), true) = (written, max_delay < delay) {
        return written.reject_with("`max_delay` is shorter than `delay`", "a delay grows from `delay` to `max_delay`");
    }
    Some(BreakerPolicy { faults, window, delay, max_delay })
}

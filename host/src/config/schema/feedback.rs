//! What backends may say of themselves: `feedback`.
//!
//! Only what may be written; who listens is not known here.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use toml::de::DeValue;

use super::table::Table;
use super::value::Value;
use super::values::{self, or_false};
use crate::config::Feedback;

const HOLD: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(24 * 60 * 60);
const EXAMPLE: &str = "{ weight = \"x-backend-weight\", state = \"x-backend-state\", orca = true }";
/// Headers that a response cannot do without, or that mean something else.
const TAKEN: [&str; 8] = [
    "connection",
    "content-length",
    "content-type",
    "date",
    "endpoint-load-metrics",
    "endpoint-load-metrics-bin",
    "set-cookie",
    "transfer-encoding",
];

/// `true`, `false`, or `{ weight = "x-backend-weight", state = "x-backend-state", orca = true }`.
pub(super) fn feedback(value: Value<'_>) -> Option<Option<Feedback>> {
    or_false(|value| values::switched(value, Feedback::default(), EXAMPLE, |table| read(table, value)))(value)
}

fn read(mut table: Table<'_>, whole: Value<'_>) -> Option<Feedback> {
    let default = Feedback::default();
    let [weight, state] = [("weight", &default.weight), ("state", &default.state)].map(|(key, name)| {
        let written = table.take(key);
        // Outer none: it has errors.
        written.map_or(Some(None), or_false(|value| header(value, name.as_ref())))
    });
    let orca = table.take("orca").map_or(Some(false), |value| value.boolean());
    let hold = table.or("hold", default.hold, values::duration(HOLD));
    table.finish();
    let (weight, state, orca) = (weight?, state?, orca?);
    if weight.is_some() && weight == state {
        return whole.reject_with("`weight` and `state` are in the same header", "give each a header of its own");
    }
    if weight.is_none() && state.is_none() && !orca {
        return whole.reject_with("`feedback` names nothing to listen to", format_args!("write `true` or `{EXAMPLE}`"));
    }
    Some(Feedback { weight, state, orca, hold })
}

/// The name of a header, or `true` for the one that it has by default.
fn header(value: Value<'_>, default: Option<&Arc<str>>) -> Option<Arc<str>> {
    if let DeValue::Boolean(true) = value.raw() {
        return default.cloned();
    }
    let text = value.string("the name of a header", default.map_or("x-load", |name| name))?;
    let name = values::header_name(text, value)?;
    match TAKEN.contains(&&*name) {
        true => value.reject_with(
            format_args!("\"{name}\" has a meaning of its own, and clients would not get it"),
            "use a header that is for the balancer alone",
        ),
        false => Some(name),
    }
}

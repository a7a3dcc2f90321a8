//! `rate_limit` of a listener or route.

use std::num::NonZeroU32;
use std::time::Duration;

use super::plugin::keys;
use super::value::Value;
use super::values;
use crate::config::RateLimit;

/// Requests of a rate or burst.
const MOST: u32 = 1_000_000;
/// The time of a rate.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
/// What to write.
const EXAMPLE: &str = "write a number and a time, such as `\"100/s\"`, `\"5/m\"` or `\"20/10s\"`";

/// `{ rate = "100/s", burst = 200, key = "client-address" }`
pub(super) fn rate_limit(value: Value<'_>) -> Option<RateLimit> {
    let mut table = value.table("`rate_limit = { rate = \"100/s\" }`")?;
    let rate = table.required("rate", "rate = \"100/s\"", rate);
    let burst = table.optional("burst", |value| NonZeroU32::new(value.whole(1..=u64::from(MOST))?.try_into().ok()?));
    let keys = table.or("key", Vec::new(), keys);
    let max_keys = table.or("max_keys", 1 << 15, values::whole(8..=1 << 24));
    table.finish();
    let (requests, per) = rate?;
    Some(RateLimit { requests, per, burst: burst.unwrap_or(requests), keys, max_keys })
}

/// `100/s`: requests, and the time that they are for.
fn rate(value: Value<'_>) -> Option<(NonZeroU32, Duration)> {
    let text = value.string("a rate", "100/s")?;
    let parsed = text.split_once('/').and_then(|(requests, per)| {
        let (requests, per) = (requests.trim().parse().ok()?, per.trim());
        let one = if per.starts_with(|c: char| c.is_ascii_digit()) { "" } else { "1" };
        Some((NonZeroU32::new(requests)?, humantime::parse_duration(&format!("{one}{per}")).ok()?))
    });
    match parsed {
        Some((requests, per)) if requests.get() <= MOST && (Duration::from_millis(1)..=LONGEST).contains(&per) => {
            Some((requests, per))
        }
        Some(_) => value
            .reject_with(format_args!("`rate` cannot be \"{text}\""), "write 1 to 1000000 requests, in 1 ms to 1 day"),
        None => value.reject_with(format_args!("`rate` must be a rate, not \"{text}\""), EXAMPLE),
    }
}

//! When a request is sent to another backend: `retries` and `retry`.
//!
//! Only what may be written; who acts on it is not known here.

use toml::de::DeValue;

use super::suggest::suggest;
use super::table::Table;
use super::value::{Value, number};
use super::values::{self, or_false};
use crate::config::Retry;
use crate::config::retry::GRPC_STATUSES;

/// One of `on`.
enum Reason {
    Connect,
    Reset,
    Timeout,
    Status(u16),
    Grpc(u8),
}

/// Takes `retries` and `retry` from `[pool.NAME]`.
pub(super) fn retry(table: &mut Table<'_>) -> Retry {
    let retries = table.or("retries", Retry::default().retries, values::whole(0..=100));
    let read = |value: Value<'_>| policy(value.table("`retry = { … }`")?);
    Retry { retries, ..table.or("retry", Retry::default(), read) }
}

fn policy(mut table: Table<'_>) -> Option<Retry> {
    let default = Retry::default();
    let reasons = table.take("on").map(|value| {
        let reasons: Vec<_> = value.list("a list", "[\"connect\", \"reset\", 503]")?.map(reason).collect();
        reasons.into_iter().collect::<Option<Vec<_>>>()
    });
    let per_try_timeout =
        table.or("per_try_timeout", default.per_try_timeout, or_false(values::duration(values::TIMEOUT)));
    let buffer = table.or("buffer", default.buffer, values::memory_size(0..=16 << 20));
    let budget = table.or("budget", default.budget, values::percent(0..=100));
    let reserve = table.or("reserve", default.reserve, values::whole(0..=100_000));
    table.finish();
    let mut retry = Retry { per_try_timeout, buffer, budget, reserve, ..default };
    if let Some(reasons) = reasons {
        (retry.connect, retry.reset, retry.timeout) = (false, false, false);
        for reason in reasons? {
            match reason {
                Reason::Connect => retry.connect = true,
                Reason::Reset => retry.reset = true,
                Reason::Timeout => retry.timeout = true,
                Reason::Status(status) => retry.statuses.push(status),
                Reason::Grpc(status) => retry.grpc.push(status),
            }
        }
    }
    Some(retry)
}

fn reason(value: Value<'_>) -> Option<Reason> {
    const WORDS: [&str; 3] = ["connect", "reset", "timeout"];
    match value.raw() {
        DeValue::Integer(written) => match number(written) {
            Some(status @ 400..=599) => Some(Reason::Status(status as u16)),
            _ => value.reject_with("a status to retry on must be from 400 to 599", "write one such as `503`"),
        },
        DeValue::String(text) => match (&**text, text.strip_prefix("grpc:")) {
            ("connect", _) => Some(Reason::Connect),
            ("reset", _) => Some(Reason::Reset),
            ("timeout", _) => Some(Reason::Timeout),
            (_, Some(name)) => match (0u8..).zip(GRPC_STATUSES).find(|(_, known)| *known == name) {
                Some((status @ 1.., _)) => Some(Reason::Grpc(status)),
                _ => value.reject_with(
                    format_args!("there is no error of gRPC called \"{name}\""),
                    suggest(name, &GRPC_STATUSES[1..], "use one of"),
                ),
            },
            _ => value.reject_with(
                format_args!("a request cannot be retried on \"{text}\""),
                suggest(text, &WORDS, "write a status such as `503`, `\"grpc:unavailable\"`, or one of"),
            ),
        },
        _ => value.wrong_type("a list of reasons", "write `[\"connect\", \"reset\", \"timeout\", 503]`"),
    }
}

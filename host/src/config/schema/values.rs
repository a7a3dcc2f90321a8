//! Values that are written alike everywhere: durations, sizes, names, words, maps of text, settings.
//!
//! Addresses have a file of their own.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use serde_json::{Map, Number};
use toml::de::DeValue;

use super::suggest::suggest;
use super::table::Table;
use super::value::{Value, number};

/// What a time limit may be: a limit of nothing would end everything at once, and one above a
/// month is meant to be none.
pub(super) const TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(1)..=MONTH;
/// What a wait may be.
pub(super) const WAIT: RangeInclusive<Duration> = Duration::ZERO..=MONTH;
/// What a plugin's deadline may be: the clock that enforces it ticks once a millisecond.
pub(super) const DEADLINE: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(60);

const MONTH: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// `"30s"`, `"500ms"`, `"1m 30s"`, within `range`.
pub(super) fn duration(range: RangeInclusive<Duration>) -> impl Fn(Value<'_>) -> Option<Duration> {
    move |value| {
        let key = value.key();
        if let DeValue::Integer(number) = value.raw() {
            let help = format!("give it a unit: `\"{}s\"`", number.as_str());
            return value.wrong_type("a duration with a unit", help);
        }
        let text = value.string("a duration", "5s")?;
        match humantime::parse_duration(text) {
            Ok(duration) if range.contains(&duration) => Some(duration),
            Ok(_) => {
                let [low, high] = [range.start(), range.end()].map(|limit| humantime::format_duration(*limit));
                value.reject(format_args!("`{key}` must be from {low} to {high}, not {text}"))
            }
            Err(_) => {
                let bare = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
                value.reject_with(
                    format_args!("`{key}` must be a duration, not \"{text}\""),
                    if bare {
                        format!("give it a unit: `\"{text}s\"`")
                    } else {
                        "write a number and a unit of `ms`, `s`, `m` or `h`, such as `\"5s\"`".to_owned()
                    },
                )
            }
        }
    }
}

/// A number of bytes within `range`: `"16KiB"`, `"10MB"`, or a whole number.
pub(super) fn size(range: RangeInclusive<u64>) -> impl Fn(Value<'_>) -> Option<u64> {
    move |value| {
        let key = value.key();
        let bytes = match value.raw() {
            DeValue::Integer(written) => number(written),
            DeValue::String(text) => match parse_size(text) {
                Some(bytes) => Some(bytes),
                None => {
                    return value.reject_with(
                        format_args!("`{key}` must be a size, not \"{text}\""),
                        "write a number and a unit of `B`, `KiB`, `MiB`, `GiB`, `kB`, `MB` or `GB`, such as `\"16KiB\"`",
                    );
                }
            },
            _ => return value.wrong_type("a size", "write a number of bytes, or one with a unit such as `\"16KiB\"`"),
        };
        match bytes {
            Some(bytes) if range.contains(&bytes) => Some(bytes),
            _ => {
                let [low, high] = [range.start(), range.end()].map(|limit| format_size(*limit));
                value.reject(format_args!("`{key}` must be from {low} to {high}"))
            }
        }
    }
}

/// As [`size`], for what is kept in memory.
pub(super) fn memory_size(range: RangeInclusive<u64>) -> impl Fn(Value<'_>) -> Option<usize> {
    let size = size(range);
    move |value| usize::try_from(size(value)?).ok()
}

fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let (digits, unit) = text.split_at(text.bytes().take_while(u8::is_ascii_digit).count());
    let factor = match unit.trim_start().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        _ => return None,
    };
    digits.parse::<u64>().ok().map(|number| number.saturating_mul(factor))
}

fn format_size(bytes: u64) -> String {
    match [(30, "GiB"), (20, "MiB"), (10, "KiB")].iter().find(|(shift, _)| bytes >= 1 << shift && bytes != u64::MAX) {
        Some((shift, unit)) if bytes.is_multiple_of(1 << shift) => format!("{}{unit}", bytes >> shift),
        _ => format!("{bytes}B"),
    }
}

/// A whole number that fits the type of a field.
pub(super) fn whole<T: TryFrom<u64>>(range: RangeInclusive<u64>) -> impl Fn(Value<'_>) -> Option<T> {
    move |value| value.whole(range.clone()).and_then(|number| T::try_from(number).ok())
}

/// A share in percent within `range`: `20`, or `"20%"`.
pub(super) fn percent(range: RangeInclusive<u8>) -> impl Fn(Value<'_>) -> Option<u8> {
    move |value| {
        let (key, [low, high]) = (value.key(), [range.start(), range.end()]);
        let percent = match value.raw() {
            DeValue::Integer(written) => number(written),
            DeValue::String(text) => text.strip_suffix('%').and_then(|digits| digits.trim().parse().ok()),
            _ => return value.wrong_type("a percentage", format_args!("write `{key} = 20` or `\"20%\"`")),
        };
        match percent.and_then(|percent: u64| u8::try_from(percent).ok()).filter(|percent| range.contains(percent)) {
            Some(percent) => Some(percent),
            None => value.reject(format_args!("`{key}` must be from {low} to {high} percent")),
        }
    }
}

/// What `read` takes, or `false` for none.
pub(super) fn or_false<T>(read: impl Fn(Value<'_>) -> Option<T>) -> impl Fn(Value<'_>) -> Option<Option<T>> {
    move |value| match value.raw() {
        DeValue::Boolean(false) => Some(None),
        _ => read(value).map(Some),
    }
}

/// `true` for `default`, or a table, which `read` reads; `example` is one.
pub(super) fn switched<'a, T>(
    value: Value<'a>,
    default: T,
    example: &str,
    read: impl FnOnce(Table<'a>) -> Option<T>,
) -> Option<T> {
    match value.raw() {
        DeValue::Boolean(true) => Some(default),
        DeValue::Table(_) => read(value.table(format!("`{} = {{ … }}`", value.key()))?),
        _ => value.wrong_type("true, false or a table", format_args!("write `true`, `false` or `{example}`")),
    }
}

/// One of some words.
pub(super) fn word<T: Copy>(words: &[(&'static str, T)]) -> impl Fn(Value<'_>) -> Option<T> {
    move |value| {
        let names: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
        let text = value.string("a word in quotes", names.first().copied().unwrap_or_default())?;
        match words.iter().find(|(name, _)| *name == text) {
            Some((_, meaning)) => Some(*meaning),
            None => value.reject_with(
                format_args!("`{}` cannot be \"{text}\"", value.key()),
                suggest(text, &names, "use one of"),
            ),
        }
    }
}

/// A name of something: what a path of the admin API and a label of a metric can carry in one piece.
pub(super) fn name(value: Value<'_>) -> Option<Arc<str>> {
    let text = value.string("a name in quotes", "web")?;
    match name_problem(text) {
        None => Some(text.into()),
        Some(problem) => value.reject(format_args!("`{}` {problem}", value.key())),
    }
}

/// What is wrong with a name.
pub(super) fn name_problem(text: &str) -> Option<&'static str> {
    const LONGEST: usize = 128;
    if text.is_empty() {
        Some("must not be empty")
    } else if text.len() > LONGEST {
        Some("must not be longer than 128 bytes")
    } else if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        Some("must not hold spaces or control characters")
    } else {
        None
    }
}

/// A table of text by name; `check` turns each name, with its value, into what is kept.
pub(super) fn texts<T>(value: Value<'_>, check: impl Fn(&str, Value<'_>) -> Option<T>) -> Option<Vec<(T, Arc<str>)>> {
    let table = value.table(format!("`{} = {{ name = \"value\" }}`", value.key()))?;
    let pairs = table.entries().map(|(name, _, value)| {
        let text = value.string("a string", "1");
        Some((check(name, value)?, text?.into()))
    });
    // Two passes, so that every bad pair is reported.
    pairs.collect::<Vec<_>>().into_iter().collect()
}

/// The name of a header, lower case.
pub(super) fn header_name(name: &str, value: Value<'_>) -> Option<Arc<str>> {
    match HeaderName::from_bytes(name.as_bytes()) {
        Ok(name) => Some(name.as_str().into()),
        Err(_) => value.reject_with(
            format_args!("\"{name}\" is no name of a header"),
            "write letters, digits and `-`, such as `x-canary`",
        ),
    }
}

/// What is left of a table, as a JSON object: the settings of a plugin.
pub(super) fn object(table: Table<'_>) -> Option<Map<String, serde_json::Value>> {
    let members = table.rest().map(|(name, value)| Some((name.to_owned(), json(value)?)));
    members.collect::<Vec<_>>().into_iter().collect()
}

/// TOML as JSON. Dates and times become strings.
fn json(value: Value<'_>) -> Option<serde_json::Value> {
    use serde_json::Value as Json;
    let key = value.key();
    Some(match value.raw() {
        DeValue::String(text) => Json::String(text.to_string()),
        DeValue::Boolean(boolean) => Json::Bool(*boolean),
        DeValue::Datetime(datetime) => Json::String(datetime.to_string()),
        DeValue::Integer(written) => match i64::from_str_radix(written.as_str(), written.radix()) {
            Ok(number) => Json::Number(number.into()),
            Err(_) => match number(written) {
                Some(number) => Json::Number(number.into()),
                None => return value.reject(format_args!("`{key}` does not fit 64 bits")),
            },
        },
        DeValue::Float(written) => match written.as_str().parse().ok().and_then(Number::from_f64) {
            Some(number) => Json::Number(number),
            None => {
                let message = format!("`{key}` cannot be {}: settings are handed over as JSON", written.as_str());
                return value.reject_with(message, "write a finite number, or a string");
            }
        },
        DeValue::Array(_) => {
            let elements: Vec<Option<Json>> = value.list("a list", "[]")?.map(json).collect();
            Json::Array(elements.into_iter().collect::<Option<_>>()?)
        }
        DeValue::Table(_) => Json::Object(object(value.table("a table")?)?),
    })
}

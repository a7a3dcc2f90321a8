//! `http2` of a listener.

use toml::de::DeValue;

use super::value::Value;
use super::values;
use crate::config::Http2;

/// The smallest window of HTTP/2 is one byte less (RFC 9113 §6.9.2); smaller ones would stop clients that trust in it.
const SMALLEST: u64 = 64 << 10;

/// `true`, `false`, or `{ max_streams = 128 }`.
pub(super) fn http2(value: Value<'_>) -> Option<Option<Http2>> {
    match value.raw() {
        DeValue::Boolean(false) => return Some(None),
        DeValue::Boolean(true) => return Some(Some(Http2::default())),
        DeValue::Table(_) => {}
        _ => return value.wrong_type("true, false or a table", "write `true`, `false` or `{ max_streams = 128 }`"),
    }
    let mut table = value.table("`http2 = { … }`")?;
    let default = Http2::default();
    let max_streams = table.or("max_streams", default.max_streams, values::whole(1..=10_000));
    let size = |most| move |value: Value<'_>| u32::try_from(values::size(SMALLEST..=most)(value)?).ok();
    let stream_window = table.or("stream_window", default.stream_window, size(16 << 20));
    let whole = |value: Value<'_>| {
        let window = size(64 << 20)(value)?;
        if window >= stream_window {
            return Some(window);
        }
        value.reject_with("`connection_window` is smaller than `stream_window`", "it is for all streams together")
    };
    let connection_window = table.or("connection_window", default.connection_window.max(stream_window), whole);
    table.finish();
    Some(Some(Http2 { max_streams, stream_window, connection_window }))
}

//! `protocol` and `max_streams` of a pool.

use super::table::Table;
use super::values;
use crate::config::Protocol;

/// The names of ALPN (RFC 7301 §6), and a word for both.
const WORDS: [(&str, Word); 3] = [("http/1.1", Word::Http1), ("h2", Word::Http2), ("auto", Word::Auto)];

/// Requests at a time on one connection where nothing is configured: what most servers allow.
const DEFAULT_STREAMS: u32 = 100;

#[derive(Clone, Copy)]
enum Word {
    Http1,
    Http2,
    Auto,
}

/// Takes both keys. `has_tls` says that the pool has `tls`.
pub(super) fn protocol(table: &mut Table<'_>, has_tls: bool) -> Protocol {
    let protocol = |value: super::value::Value<'_>| match values::word(&WORDS)(value)? {
        Word::Auto if !has_tls => value.reject_with(
            "`protocol = \"auto\"` needs `tls`: it is ALPN that tells what a backend speaks",
            "add `tls = true`, or write \"h2\" or \"http/1.1\"",
        ),
        word => Some(word),
    };
    let written = table.take("protocol");
    let word = written.map(protocol);
    let streams = table.take("max_streams");
    let max_streams = streams.and_then(values::whole(1..=1000)).unwrap_or(DEFAULT_STREAMS);
    match word {
        Some(Some(Word::Http2)) => Protocol::Http2 { max_streams },
        Some(Some(Word::Auto)) => Protocol::Auto { max_streams },
        None | Some(Some(Word::Http1)) => {
            if let Some(value) = streams {
                let _: Option<()> = value.reject_with(
                    "`max_streams` is of HTTP/2, and these backends are spoken to with HTTP/1.1",
                    "remove it, or add `protocol = \"h2\"`",
                );
            }
            Protocol::Http1
        }
        // It has an error of its own.
        Some(None) => Protocol::Http1,
    }
}

//! `grpc-timeout`: what is left is never more than what was said, and little less.

#![no_main]

use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use trimtab::proxy::grpc::{remaining, timeout};

/// Most that can be said: hours of eight digits.
const MOST: Duration = Duration::from_secs(99_999_999 * 3600);

/// Most that is passed on: seconds of eight digits.
const MOST_PASSED_ON: Duration = Duration::from_secs(99_999_999);

fn said(value: HeaderValue) -> Option<Duration> {
    timeout(&HeaderMap::from_iter([("grpc-timeout".parse().expect("a name"), value)]))
}

fn pass_on(left: Duration) {
    let heard = said(remaining(left)).expect("it can be read");
    let left = left.min(MOST_PASSED_ON);
    assert!(heard <= left && left - heard < Duration::from_micros(1) + left / 100_000);
}

fuzz_target!(|parts: (u64, u32, &[u8])| {
    let (seconds, nanoseconds, value) = parts;
    pass_on(Duration::new(seconds, nanoseconds % 1_000_000_000));
    if let Ok(value) = HeaderValue::from_bytes(value)
        && let Some(timeout) = said(value)
    {
        assert!(timeout <= MOST);
        pass_on(timeout);
    }
});

//! What a backend says of itself in the headers of its responses: weight, state, and load reports.
//!
//! Weight and state are for control, which hears of a change and not of a repetition; load reports are for plugins, which
//! read them from shared atomics. Nothing here waits, and what makes no sense is counted and left alone.

pub mod orca;

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use http::HeaderMap;

use super::Member;
use super::report::{Report, Said};
use crate::config::Feedback;

/// Least time between two reports of one kind of a backend, in milliseconds.
const PAUSE_MS: u64 = 250;
/// Precision of the time when a backend last said something, in milliseconds: it is not written each time.
const PRECISION_MS: u64 = 200;
/// The header of load reports, in the form that it begins with.
const ORCA: &str = "endpoint-load-metrics";
/// The header of load reports in base64.
const ORCA_BIN: &str = "endpoint-load-metrics-bin";

/// The load report that a worker last heard from a backend, as it was written.
#[derive(Debug, Default)]
pub struct Heard(Vec<u8>);

/// What all workers know that a backend says of itself.
#[derive(Debug, Default)]
pub struct Statements {
    /// One more than the weight; 0: nothing was said.
    weight: Statement,
    /// 1: it leaves.
    leaving: Statement,
    /// When it last said any of it, in Unix milliseconds.
    at_ms: AtomicU64,
}

#[derive(Debug, Default)]
struct Statement {
    value: AtomicU32,
    reported_ms: AtomicU64,
}

impl Statements {
    /// When the backend last said its weight or its state, in Unix milliseconds.
    pub fn at_ms(&self) -> u64 {
        self.at_ms.load(Ordering::Relaxed)
    }

    /// Nothing was said.
    pub fn forget(&self) {
        self.weight.value.store(0, Ordering::Relaxed);
        self.leaving.value.store(0, Ordering::Relaxed);
    }

    fn touch(&self, now_ms: u64) {
        if now_ms.saturating_sub(self.at_ms()) >= PRECISION_MS {
            self.at_ms.store(now_ms, Ordering::Relaxed);
        }
    }
}

impl Statement {
    /// Whether this is to be reported: it is news, and the last is a while ago. Of workers that hear it at once, one is
    /// answered so. What has to wait is said again with the next response.
    fn is_news(&self, value: u32, now_ms: u64) -> bool {
        if self.value.load(Ordering::Relaxed) == value {
            return false;
        }
        let last = self.reported_ms.load(Ordering::Relaxed);
        let waited = now_ms.saturating_sub(last) >= PAUSE_MS;
        let relaxed = Ordering::Relaxed;
        let is_mine = waited && self.reported_ms.compare_exchange(last, now_ms, relaxed, relaxed).is_ok();
        if is_mine {
            self.value.store(value, relaxed);
        }
        is_mine
    }
}

impl Member {
    /// Takes what the backend says of itself out of a response's head, and minds it. `now_ms` is Unix time.
    pub fn hear(&self, headers: &mut HeaderMap, wanted: &Feedback, now_ms: u64) {
        let said = &self.backend.said;
        if let Some(value) = wanted.weight.as_ref().and_then(|name| headers.remove(&**name)) {
            match weight(value.as_bytes()) {
                Some(weight) => {
                    said.touch(now_ms);
                    if said.weight.is_news(weight + 1, now_ms) {
                        self.report(Report::Says(Said::Weight(weight)));
                    }
                }
                None => self.garbled(),
            }
        }
        if let Some(value) = wanted.state.as_ref().and_then(|name| headers.remove(&**name)) {
            match leaving(value.as_bytes()) {
                Some(leaving) => {
                    said.touch(now_ms);
                    if said.leaving.is_news(leaving.into(), now_ms) {
                        self.report(Report::Says(Said::Leaving(leaving)));
                    }
                }
                None => self.garbled(),
            }
        }
        if wanted.orca {
            let plain = headers.remove(ORCA);
            let binary = headers.remove(ORCA_BIN);
            match (plain, binary) {
                (Some(value), _) => self.hear_report(value.as_bytes(), orca::parse),
                (None, Some(value)) => self.hear_report(value.as_bytes(), orca::parse_binary),
                (None, None) => {}
            }
        }
    }

    /// A load report, which is read only if it is another than before.
    fn hear_report(&self, value: &[u8], parse: impl Fn(&[u8]) -> orca::Parsed) {
        {
            let mut heard = self.heard.borrow_mut();
            if heard.0 == value {
                return;
            }
            heard.0.clear();
            heard.0.extend_from_slice(value);
        }
        let parsed = parse(value);
        if parsed.ignored > 0 {
            self.garbled();
        }
        if !parsed.metrics.is_empty() {
            self.backend.load.metrics.report(&parsed.metrics);
        }
    }

    fn garbled(&self) {
        self.backend.garbled(self.worker());
    }
}

/// A weight from 0 to 65535.
fn weight(value: &[u8]) -> Option<u32> {
    const MOST: u32 = 65_535;
    let text = std::str::from_utf8(value).ok()?.trim();
    let is_number = (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|weight| is_number && *weight <= MOST)
}

/// Whether the backend leaves: `draining`, or `ready`.
fn leaving(value: &[u8]) -> Option<bool> {
    let value = value.trim_ascii();
    if value.eq_ignore_ascii_case(b"draining") {
        Some(true)
    } else if value.eq_ignore_ascii_case(b"ready") {
        Some(false)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_and_states() {
        let weights = ["0", "1", " 65535 ", "65536", "-1", "1.5", "", "99999999999", "+5", "\u{664}"];
        let read: Vec<_> = weights.iter().map(|text| weight(text.as_bytes())).collect();
        assert_eq!(read[..3], [Some(0), Some(1), Some(65_535)]);
        assert!(read[3..].iter().all(Option::is_none), "{read:?}");
        let states = ["draining", " Ready", "down", ""].map(|text| leaving(text.as_bytes()));
        assert_eq!(states, [Some(true), Some(false), None, None]);
    }

    #[test]
    fn news_are_told_once_and_not_too_often() {
        let statement = Statement::default();
        assert!(!statement.is_news(0, 1_000), "what holds anyhow is no news");
        assert!(statement.is_news(5, 1_000));
        assert!(!statement.is_news(5, 1_001), "another worker heard it, too");
        assert!(!statement.is_news(6, 1_100), "too soon");
        assert!(statement.is_news(6, 1_250), "and said again later");
        assert!(statement.is_news(0, 2_000));
        assert!(!statement.is_news(5, 500), "a clock that goes back");
    }

    #[test]
    fn when_it_was_said_is_known_roughly() {
        let statements = Statements::default();
        statements.touch(5_000);
        statements.touch(5_100);
        assert_eq!(statements.at_ms(), 5_000);
        statements.touch(5_200);
        assert_eq!(statements.at_ms(), 5_200);
    }
}

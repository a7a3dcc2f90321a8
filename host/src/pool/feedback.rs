//! What a backend says of itself in the headers of its responses: weight, state, and load reports.
//!
//! Weight and state are for control, which hears of a change and not of a repetition; load reports are for plugins, which
//! read them from shared atomics. Nothing here waits, and what makes no sense is counted and left alone.

pub mod orca;

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use http::HeaderMap;
use xxhash_rust::xxh64::xxh64;

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

/// What all workers know that a backend says of itself.
#[derive(Debug, Default)]
pub struct Statements {
    /// One more than the weight; 0: nothing was said.
    pub weight: Statement,
    /// 1: it leaves.
    pub leaving: Statement,
    /// 1: it has reported its load.
    pub load: Statement,
}

/// One thing that a backend says, or has not said yet: 0.
#[derive(Debug, Default)]
pub struct Statement {
    value: AtomicU32,
    /// When control was told last, in Unix milliseconds.
    reported_ms: AtomicU64,
    /// When it was said last, in Unix milliseconds.
    at_ms: AtomicU64,
}

impl Statements {
    /// Nothing was said.
    pub fn forget(&self) {
        [&self.weight, &self.leaving, &self.load].into_iter().for_each(Statement::forget);
    }
}

impl Statement {
    /// When it was said last, in Unix milliseconds; none if what holds is what holds anyhow.
    pub fn said_ms(&self) -> Option<u64> {
        (self.value.load(Ordering::Relaxed) != 0).then(|| self.at_ms.load(Ordering::Relaxed))
    }

    /// It was not said.
    pub fn forget(&self) {
        self.value.store(0, Ordering::Relaxed);
    }

    /// It is said once more, or anew. Whether that is to be reported: it is news, and the last is a while ago. Of workers
    /// that hear it at once, one is answered so. What has to wait is said again with the next response.
    fn is_news(&self, value: u32, now_ms: u64) -> bool {
        let relaxed = Ordering::Relaxed;
        if now_ms.saturating_sub(self.at_ms.load(relaxed)) >= PRECISION_MS {
            self.at_ms.store(now_ms, relaxed);
        }
        if self.value.load(relaxed) == value {
            return false;
        }
        let last = self.reported_ms.load(relaxed);
        let waited = now_ms.saturating_sub(last) >= PAUSE_MS;
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
                Some(weight) if said.weight.is_news(weight + 1, now_ms) => {
                    self.report(Report::Says(Said::Weight(weight)));
                }
                Some(_) => {}
                None => self.garbled(),
            }
        }
        if let Some(value) = wanted.state.as_ref().and_then(|name| headers.remove(&**name)) {
            match leaving(value.as_bytes()) {
                Some(leaving) if said.leaving.is_news(leaving.into(), now_ms) => {
                    self.report(Report::Says(Said::Leaving(leaving)));
                }
                Some(_) => {}
                None => self.garbled(),
            }
        }
        if wanted.orca {
            let plain = headers.remove(ORCA);
            let binary = headers.remove(ORCA_BIN);
            let is_report = match (plain, binary) {
                (Some(value), _) => self.hear_report(value.as_bytes(), orca::parse),
                (None, Some(value)) => self.hear_report(value.as_bytes(), orca::parse_binary),
                (None, None) => false,
            };
            if is_report && said.load.is_news(1, now_ms) {
                self.report(Report::Says(Said::Load));
            }
        }
    }

    /// A load report, which is read only if it is another than what was heard last. Whether it is one.
    fn hear_report(&self, value: &[u8], parse: impl Fn(&[u8]) -> orca::Parsed) -> bool {
        let metrics = &self.backend.load.metrics;
        if value.len() > orca::LONGEST {
            self.garbled();
            return false;
        }
        let number = xxh64(value, 0);
        if metrics.is_last(number) {
            return true;
        }
        let parsed = parse(value);
        if parsed.ignored > 0 {
            self.garbled();
        }
        // An idle server's report may have no number that is not 0, and then says that none is.
        let is_report = parsed.ignored == 0 || !parsed.metrics.is_empty();
        if is_report {
            metrics.report(&parsed.metrics, number);
        }
        is_report
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
        let statement = Statement::default();
        assert_eq!(statement.said_ms(), None);
        for (now, known) in [(5_000, 5_000), (5_100, 5_000), (5_200, 5_200)] {
            statement.is_news(1, now);
            assert_eq!(statement.said_ms(), Some(known));
        }
        statement.forget();
        assert_eq!(statement.said_ms(), None);
    }
}

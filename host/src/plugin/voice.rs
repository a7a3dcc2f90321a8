//! A plugin's lines in the log: marked, cut, escaped and rate limited. What it complains of in a call is remembered for that call,
//! since it may be why the call fails.

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::Level;

use super::fault::one_line;

/// Bytes of one line.
pub(super) const LINE: usize = 4096;
/// Lines at once.
const BURST: u32 = 100;
/// Time after which one more line may come: 20 a second.
const EVERY: Duration = Duration::from_millis(50);

/// Lines of complaints that are remembered, how many of them the first ones, and bytes of one.
const COMPLAINTS: usize = 16;
const FIRST: usize = 10;
const COMPLAINT: usize = 160;

thread_local! {
    static SILENT: Cell<bool> = const { Cell::new(false) };
}

/// Has something done on this thread, in which no plugin is heard in the log: what it says there is for nobody.
pub fn silently<T>(work: impl FnOnce() -> T) -> T {
    /// Whatever happens, it is heard again.
    struct Until;
    impl Drop for Until {
        fn drop(&mut self) {
            SILENT.set(false);
        }
    }
    SILENT.set(true);
    let _until = Until;
    work()
}

/// The voice of one instance.
pub(super) struct Voice {
    plugin: Arc<str>,
    pool: Arc<str>,
    generation: u64,
    allowance: Allowance,
    complaints: Vec<String>,
}

impl Voice {
    /// A voice whose lines name all three.
    pub(super) fn new(plugin: Arc<str>, pool: Arc<str>, generation: u64) -> Self {
        Self { plugin, pool, generation, allowance: Allowance::default(), complaints: Vec::new() }
    }

    /// A call begins: what it complained of before was in another.
    pub(super) fn forget(&mut self) {
        self.complaints.clear();
    }

    /// Remembers what is a warning, or worse, whether or not it may come through. Of many lines the first and the last, since some
    /// languages begin with what went wrong, and some end with it.
    pub(super) fn remember(&mut self, level: Level, message: &str) {
        if level > Level::WARN {
            return;
        }
        for line in message.lines().map(str::trim).filter(|line| !line.is_empty()) {
            if self.complaints.len() == COMPLAINTS {
                self.complaints.remove(FIRST);
            }
            self.complaints.push(one_line(line, COMPLAINT));
        }
    }

    /// What it complained of in this call; none: nothing.
    pub(super) fn complaint(&self) -> Option<String> {
        (!self.complaints.is_empty()).then(|| self.complaints.join(" | "))
    }

    /// Whether a line said at `now` may come through. If so, a line about those dropped before comes first.
    pub(super) fn may_speak(&mut self, now: Instant) -> bool {
        if !self.allowance.take(now) {
            return false;
        }
        match self.allowance.forget_dropped() {
            0 => {}
            dropped => self.say(Level::WARN, &format!("{dropped} lines were dropped: the plugin logs too much")),
        }
        true
    }

    /// Writes a line.
    pub(super) fn say(&self, level: Level, message: &str) {
        if SILENT.get() {
            return;
        }
        let Self { plugin, pool, generation, .. } = self;
        let message = one_line(message, LINE);
        macro_rules! say {
            ($level:ident) => {
                tracing::event!(target: "trimtab::plugin", Level::$level, %plugin, %pool, generation, "{message}")
            };
        }
        match level {
            Level::ERROR => say!(ERROR),
            Level::WARN => say!(WARN),
            Level::INFO => say!(INFO),
            Level::DEBUG => say!(DEBUG),
            Level::TRACE => say!(TRACE),
        }
    }
}

/// A token bucket, and a count of those who found it empty.
#[derive(Default)]
struct Allowance {
    /// Tokens taken and not yet given back.
    taken: u32,
    since: Option<Instant>,
    dropped: u64,
}

impl Allowance {
    fn take(&mut self, now: Instant) -> bool {
        let since = *self.since.get_or_insert(now);
        let back = now.saturating_duration_since(since).as_nanos() / EVERY.as_nanos();
        let back = u32::try_from(back).unwrap_or(u32::MAX);
        if back >= self.taken {
            (self.taken, self.since) = (0, Some(now));
        } else {
            (self.taken, self.since) = (self.taken - back, Some(since + EVERY * back));
        }
        if self.taken < BURST {
            self.taken += 1;
            true
        } else {
            self.dropped += 1;
            false
        }
    }

    fn forget_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_ends() {
        assert!(silently(|| SILENT.get()) && !SILENT.get());
        std::panic::catch_unwind(|| silently(|| panic!("a test's"))).unwrap_err();
        assert!(!SILENT.get());
    }

    #[test]
    fn the_first_and_the_last_complaints_are_remembered() {
        let mut voice = Voice::new("mine".into(), "web".into(), 1);
        voice.remember(Level::INFO, "all is well");
        assert_eq!(voice.complaint(), None);
        let many = (0..100).map(|line| format!("line {line}\n\n")).collect::<String>();
        voice.remember(Level::WARN, &many);
        let complaint = voice.complaint().unwrap();
        assert!(
            complaint.starts_with("line 0 | line 1 | ")
                && complaint.ends_with(" | line 9 | line 94 | line 95 | line 96 | line 97 | line 98 | line 99"),
            "{complaint}"
        );
        voice.forget();
        voice.remember(Level::ERROR, &"x".repeat(1000));
        assert_eq!(voice.complaint().unwrap().chars().count(), COMPLAINT + 1);
    }

    #[test]
    fn a_flood_is_cut_and_counted() {
        let start = Instant::now();
        let mut allowance = Allowance::default();
        assert_eq!((0..1000).filter(|_| allowance.take(start)).count(), BURST as usize);
        let later = start + 3 * EVERY + EVERY / 2;
        assert_eq!((0..1000).filter(|_| allowance.take(later)).count(), 3);
        assert!(!allowance.take(later + EVERY / 4));
        assert!(allowance.take(later + EVERY / 2), "a part of a token is not lost");
        assert_eq!(allowance.forget_dropped(), 900 + 997 + 1);
        assert_eq!((0..1000).filter(|_| allowance.take(start + Duration::from_secs(60))).count(), BURST as usize);
    }
}

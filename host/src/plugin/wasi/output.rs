//! stdout and stderr: bytes become lines of the plugin in the host's log, cut and rate limited as all that it says.

use std::time::Instant;

use tracing::Level;

use crate::plugin::voice::{LINE, Voice};

/// A stream of text.
pub(super) struct Output {
    level: Level,
    /// A line that has not ended, shorter than [`LINE`].
    begun: Vec<u8>,
}

impl Output {
    /// A stream whose lines are of this level.
    pub(super) fn new(level: Level) -> Self {
        Self { level, begun: Vec::new() }
    }

    /// Says the lines that end in `bytes`, and keeps the beginning of the next. One that grows too long ends there.
    pub(super) fn write(&mut self, bytes: &[u8], voice: &mut Voice) {
        let now = Instant::now();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            for piece in piece.chunks(LINE) {
                self.begun.extend_from_slice(piece);
                if self.begun.len() >= LINE || piece.ends_with(b"\n") {
                    self.say(voice, now);
                }
            }
        }
    }

    /// Says what was begun.
    pub(super) fn finish(&mut self, voice: &mut Voice) {
        self.say(voice, Instant::now());
    }

    fn say(&mut self, voice: &mut Voice, now: Instant) {
        let line = self.begun.trim_ascii_end();
        // Empty lines have a meaning on paper only.
        if !line.is_empty() {
            let line = String::from_utf8_lossy(line);
            voice.remember(self.level, &line);
            if voice.may_speak(now) {
                voice.say(self.level, &line);
            }
        }
        self.begun.clear();
    }
}

//! The lines logged, and the function of [`log`](crate::log).

use std::cell::RefCell;

use crate::bindings::trimtab::plugin::log::Level;

thread_local! {
    static LINES: RefCell<Vec<(Level, String)>> = const { RefCell::new(Vec::new()) };
}

/// Takes the lines logged so far, oldest first, as `level: message`.
pub fn lines() -> Vec<String> {
    LINES.take().into_iter().map(|(level, message)| format!("{}: {message}", word(level))).collect()
}

/// Keeps one line.
pub fn log(level: Level, message: &str) {
    LINES.with_borrow_mut(|lines| lines.push((level, message.to_owned())));
}

fn word(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warn => "warn",
        Level::Info => "info",
        Level::Debug => "debug",
        Level::Trace => "trace",
    }
}

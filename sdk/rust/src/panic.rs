//! Lets a panic be heard: its message goes to the host's log before the trap.

use std::panic::{PanicHookInfo, set_hook};

/// Installs the hook. The export macros call it in `configure`.
pub fn report() {
    set_hook(Box::new(|info| crate::log::error(&describe(info))));
}

/// One line, since the host escapes line ends.
fn describe(info: &PanicHookInfo<'_>) -> String {
    let message = info.payload_as_str().unwrap_or("no message");
    match info.location() {
        Some(location) => format!("panicked at {}:{}: {message}", location.file(), location.line()),
        None => format!("panicked: {message}"),
    }
}

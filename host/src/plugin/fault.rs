//! What went wrong in a guest, in words: wasmtime's errors become [`Fault`]s.

use std::any::Any;

use wasmtime::{Trap, WasmBacktrace};

use super::sandbox::Sandbox;
use crate::decide::{Fault, FaultKind};

/// Frames shown of a guest's backtrace.
const FRAMES: usize = 8;
/// Bytes of a message, about.
const LENGTH: usize = 2048;

/// The fault behind an error that a call into the guest of `sandbox` gave.
pub(super) fn of_error(error: &wasmtime::Error, sandbox: &Sandbox) -> Fault {
    let trap = error.downcast_ref::<Trap>();
    let (kind, mut message) = if trap == Some(&Trap::Interrupt) {
        let deadline = sandbox.budget.deadline();
        (FaultKind::Deadline, format!("used more than its {deadline:?} of processor time"))
    } else {
        let reason = error.root_cause().to_string();
        let reason = reason.trim_start_matches("wasm trap: ");
        if sandbox.memory.denied() {
            let limit = sandbox.memory.limit() >> 10;
            (FaultKind::Memory, format!("wanted more than its {limit} KiB of memory, then: {reason}"))
        } else {
            (FaultKind::Trap, reason.to_owned())
        }
    };
    if let Some(complaint) = sandbox.voice.complaint() {
        message += &format!("; it said: {complaint}");
    }
    if let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() {
        append(&mut message, backtrace);
    }
    Fault { kind, message: one_line(&message, LENGTH) }
}

/// The fault behind a panic of the host during a call.
pub(super) fn of_panic(panic: &(dyn Any + Send)) -> Fault {
    let reason = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("of an unknown kind");
    Fault { kind: FaultKind::Panic, message: one_line(&format!("the host panicked: {reason}"), LENGTH) }
}

/// `text` on one line: control characters escaped, cut at about `max` bytes.
pub(super) fn one_line(text: &str, max: usize) -> String {
    let mut line = String::with_capacity(text.len().min(max + 16));
    for c in text.chars() {
        if line.len() >= max {
            line.push('…');
            break;
        }
        if c.is_control() { line.extend(c.escape_default()) } else { line.push(c) }
    }
    line
}

fn append(message: &mut String, backtrace: &WasmBacktrace) {
    let frames = backtrace.frames();
    let names: Vec<_> = frames.iter().map(|frame| name(frame.func_name(), frame.func_index())).collect();
    // How a panic ends is the same for all of them.
    let machinery = names.iter().take_while(|name| MACHINERY.iter().any(|prefix| name.starts_with(prefix))).count();
    let told = &names[if machinery < names.len() { machinery } else { 0 }..];
    for (i, name) in told.iter().take(FRAMES).enumerate() {
        message.push_str(if i == 0 { "; in " } else { " < " });
        message.push_str(name);
    }
    if told.len() > FRAMES {
        message.push_str(" < …");
    }
}

/// What functions are called that Rust's panics go through on their way to the trap.
const MACHINERY: [&str; 5] =
    ["__rustc::", "std::panicking::", "std::sys::backtrace::", "core::panicking::", "rust_panic"];

/// A function's name, as its source has it where it is mangled as Rust's are.
fn name(mangled: Option<&str>, index: u32) -> String {
    match mangled {
        // Without the hash of what it was compiled from.
        Some(mangled) => format!("{:#}", rustc_demangle::demangle(mangled)),
        None => format!("function {index}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_one_and_short() {
        assert_eq!(one_line("a\nb\x1b[0m ü\"", 100), "a\\nb\\u{1b}[0m ü\"");
        assert_eq!(one_line("abcdef", 3), "abc…");
    }

    #[test]
    fn names_are_those_of_the_source() {
        assert_eq!(name(Some("_RNvNtCskrJZzRlRmTw_4core9panicking9panic_fmt"), 7), "core::panicking::panic_fmt");
        assert_eq!(name(Some("_RNvCsfgHYwM92fyn_7___rustc10rust_panic"), 7), "__rustc::rust_panic");
        assert_eq!(name(Some("exports_trimtab_plugin_balancer_pick"), 7), "exports_trimtab_plugin_balancer_pick");
        assert_eq!(name(None, 7), "function 7");
    }
}

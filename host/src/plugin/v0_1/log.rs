//! The import `log`: lines of the plugin in the host's log.

use std::time::Instant;

use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentType, Lift, LinkerInstance, WasmStr};

use crate::plugin::sandbox::Sandbox;

#[derive(ComponentType, Lift, Clone, Copy)]
#[component(enum)]
#[repr(u8)]
#[allow(dead_code, reason = "values come from guests")]
enum Level {
    #[component(name = "error")]
    Error,
    #[component(name = "warn")]
    Warn,
    #[component(name = "info")]
    Info,
    #[component(name = "debug")]
    Debug,
    #[component(name = "trace")]
    Trace,
}

/// Offers the function of `log`.
pub(super) fn offer(log: &mut LinkerInstance<'_, Sandbox>) -> wasmtime::Result<()> {
    log.func_wrap("log", |mut guest: StoreContextMut<'_, Sandbox>, (level, message): (Level, WasmStr)| {
        let level = tracing::Level::from(level);
        let may_speak = guest.data_mut().voice.may_speak(Instant::now());
        // What is neither heard nor remembered is not read.
        if may_speak || level <= tracing::Level::WARN {
            let message = message.to_str(&guest)?.into_owned();
            let voice = &mut guest.data_mut().voice;
            voice.remember(level, &message);
            if may_speak {
                voice.say(level, &message);
            }
        }
        Ok(())
    })
}

impl From<Level> for tracing::Level {
    fn from(level: Level) -> Self {
        match level {
            Level::Error => Self::ERROR,
            Level::Warn => Self::WARN,
            Level::Info => Self::INFO,
            Level::Debug => Self::DEBUG,
            Level::Trace => Self::TRACE,
        }
    }
}

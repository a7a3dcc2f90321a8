//! The log: to stderr, for people on a terminal, as JSON elsewhere or on request.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};

/// Starts logging. Later calls change nothing.
///
/// # Errors
/// The level is no filter.
pub fn start(log: &Log) -> Result<(), String> {
    let filter = EnvFilter::try_new(&log.level).map_err(|error| format!("log level `{}`: {error}", log.level))?;
    let terminal = io::stderr().is_terminal();
    let json = match log.format {
        LogFormat::Json => true,
        LogFormat::Human => false,
        LogFormat::Auto => !terminal,
    };
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_target(false);
    // A second start, as in tests, keeps the first.
    let _ =
        if json { subscriber.json().flatten_event(true).try_init() } else { subscriber.with_ansi(terminal).try_init() };
    Ok(())
}

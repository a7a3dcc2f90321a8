//! A file, or a text, to a [`Config`]: the way in.
//!
//! This module reads the file and decides whether it is a configuration; what may be written is known
//! to `schema`.

use std::fs;
use std::io;
use std::path::Path;

use super::report::{Report, Sink};
use super::{Config, schema, syntax};

/// A configuration, and what its author may want to hear.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// What the file says.
    pub config: Config,
    /// Warnings only.
    pub warnings: Report,
}

/// Loads a file. `built_ins` names the plugins that need no `[plugin.NAME]`.
///
/// # Errors
/// Everything that is wrong with the file at once, or why it cannot be read.
pub fn load(path: &Path, built_ins: &[&str]) -> Result<Loaded, Report> {
    let name = path.display().to_string();
    let bytes = fs::read(path).map_err(|error| Report::unreadable(&name, reason(&error)))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..valid].iter().filter(|byte| **byte == b'\n').count() + 1;
        Report::unreadable(&name, format_args!("line {line} is not UTF-8"))
    })?;
    parse(&text, &name, path.parent().unwrap_or(Path::new("")), built_ins)
}

/// Reads a configuration from `text`, known to its author as `name`; relative paths start at `folder`.
///
/// # Errors
/// Everything that is wrong with the text at once.
pub fn parse(text: &str, name: &str, folder: &Path, built_ins: &[&str]) -> Result<Loaded, Report> {
    let sink = Sink::default();
    let (document, broken) = syntax::document(text);
    let config = schema::read(document.get_ref(), folder, built_ins, &sink);
    let mut findings = sink.into_findings();
    if let Some(broken) = broken {
        findings.retain(|finding| broken.believes(finding));
        findings.extend(broken.errors);
    }
    let report = Report::new(name, text, findings);
    if report.has_errors() { Err(report) } else { Ok(Loaded { config, warnings: report }) }
}

/// The reason of an error, without the number that the system gives it.
pub(super) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_lowercase()
}

//! A file that lists backends: what `discover = { file = … }` names. The way in for one that changes by itself.
//!
//! Each backend is written as in `backends` of a pool, and errors are reported alike. When the file is read again is not
//! known here.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use super::load::reason;
use super::report::{Finding, Report, Sink};
use super::{Backend, schema, syntax};

/// Bytes that a list may have: some hundred thousand backends.
const LARGEST: u64 = 32 << 20;
/// The key that a list in TOML has, which a list in JSON may have.
const KEY: &str = "backends = ";

/// Reads a list of backends, which may be empty: TOML where the name of the file ends in `.toml`, else JSON.
///
/// # Errors
/// Everything that is wrong with the file at once, or why it cannot be read.
pub fn load(path: &Path) -> Result<Vec<Backend>, Report> {
    let name = path.display().to_string();
    let bytes = read(path).map_err(|error| Report::unreadable(&name, reason(&error)))?;
    let text = String::from_utf8(bytes).map_err(|_| Report::unreadable(&name, "it is not UTF-8"))?;
    let is_toml = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("toml"));
    if is_toml { toml(&text, &name) } else { json(&text, &name) }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    // To read a pipe could take for ever.
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(io::Error::other(format!("it is larger than {} MiB", LARGEST >> 20)));
    }
    Ok(bytes)
}

/// A list in TOML; `name` is what its author calls it.
pub(super) fn toml(text: &str, name: &str) -> Result<Vec<Backend>, Report> {
    let sink = Sink::default();
    let (document, broken) = syntax::document(text);
    let backends = schema::listed(document.get_ref(), &sink);
    let mut findings = sink.into_findings();
    if let Some(broken) = broken {
        findings.retain(|finding| broken.believes(finding));
        findings.extend(broken.errors);
    }
    conclude(backends, Report::new(name, text, findings))
}

/// A list in JSON.
pub(super) fn json(text: &str, name: &str) -> Result<Vec<Backend>, Report> {
    if let Err(error) = serde_json::from_str::<serde_json::Value>(text) {
        let line_starts = text.split_inclusive('\n').scan(0, |at, line| {
            let start = *at;
            *at += line.len();
            Some(start)
        });
        let start = line_starts.take(error.line()).last().unwrap_or_default();
        let at = text.floor_char_boundary((start + error.column().saturating_sub(1)).min(text.len()));
        let message = error.to_string();
        let message = message.split(" at line ").next().unwrap_or(&message);
        let finding = Finding::error(at..at, format_args!("this is not JSON: {message}"));
        return Err(Report::new(name, text, vec![finding]));
    }
    let written = as_toml(text);
    let (document, broken) = syntax::document(&written);
    let sink = Sink::default();
    let backends = schema::listed(document.get_ref(), &sink);
    let mut findings = sink.into_findings();
    findings.extend(broken.into_iter().flat_map(|broken| broken.errors));
    // Positions are those in the JSON, less what was put before it.
    let ahead = written.len() - text.len();
    for finding in &mut findings {
        let back = |at: usize| text.floor_char_boundary(at.saturating_sub(ahead).min(text.len()));
        finding.span = finding.span.take().map(|span| back(span.start)..back(span.end));
        finding.related = finding.related.take().map(|(span, label)| (back(span.start)..back(span.end), label));
    }
    conclude(backends, Report::new(name, text, findings))
}

fn conclude(backends: Option<Vec<Backend>>, report: Report) -> Result<Vec<Backend>, Report> {
    match backends {
        Some(backends) if !report.has_errors() => Ok(backends),
        _ => Err(report),
    }
}

/// JSON as TOML in which everything is where it was, behind a beginning of its own: the schema knows one language.
///
/// Strings, numbers and lists are the same in both. Objects are inline tables with `=` for `:`, on one line. Escapes that
/// TOML does not know are resolved, with spaces after the string for what they were longer.
fn as_toml(json: &str) -> String {
    let inner = json.trim_start();
    // An object with the key `backends` has its braces blanked.
    let (ahead, braced) = if inner.starts_with('{') { ("", true) } else { (KEY, false) };
    let mut out = String::with_capacity(ahead.len() + json.len());
    out.push_str(ahead);
    let (mut depth, mut in_string, mut shorter) = (0usize, false, 0);
    let mut rest = json;
    while let Some(c) = rest.chars().next() {
        let mut length = c.len_utf8();
        match c {
            '\\' if in_string => {
                let (text, used) = escape(rest);
                shorter += used - text.len();
                out.push_str(&text);
                length = used;
            }
            '"' => {
                in_string = !in_string;
                out.push('"');
                if !in_string {
                    out.extend(std::iter::repeat_n(' ', std::mem::take(&mut shorter)));
                }
            }
            _ if in_string => out.push(c),
            '{' | '[' => {
                depth += 1;
                out.push(if braced && depth == 1 { ' ' } else { c });
            }
            '}' | ']' => {
                out.push(if braced && depth == 1 { ' ' } else { c });
                depth = depth.saturating_sub(1);
            }
            ':' => out.push('='),
            // Several keys of the outermost object are lines of their own.
            ',' if braced && depth == 1 => out.push('\n'),
            '\n' | '\r' => out.push(' '),
            c => out.push(c),
        }
        rest = &rest[length..];
    }
    out
}

/// The escape that `text` begins with as TOML has it, and how many bytes it was.
fn escape(text: &str) -> (String, usize) {
    let unit = |at: usize| text.get(at..at + 4).and_then(|hex| u16::from_str_radix(hex, 16).ok());
    match text.as_bytes().get(1) {
        Some(b'/') => ("/".to_owned(), 2),
        Some(b'u') => {
            let second = text.get(6..8).filter(|escape| *escape == "\\u").and_then(|_| unit(8));
            let pair = unit(2).into_iter().chain(second);
            match (char::decode_utf16(pair).next(), unit(2)) {
                (Some(Ok(c)), Some(0xd800..=0xdbff)) => (c.to_string(), 12),
                // A half of a pair is nothing at all: the replacement character stands for it.
                (Some(Err(_)), _) => ("\\uFFFD".to_owned(), 6),
                _ => (text.get(..6).unwrap_or(text).to_owned(), 6.min(text.len())),
            }
        }
        _ => {
            let used = 1 + text[1..].chars().next().map_or(0, char::len_utf8);
            (text[..used].to_owned(), used)
        }
    }
}

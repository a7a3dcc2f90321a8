//! TOML text to a document, with what is wrong with the TOML itself.
//!
//! The parser recovers from most errors, so the rest of a file with a syntax error is still read:
//! [`Broken`] tells which findings in it can be believed. What the keys mean is not known here.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue, Error};

use super::report::Finding;

/// A text that is not quite TOML.
#[derive(Debug)]
pub(super) struct Broken {
    /// One error a line.
    pub(super) errors: Vec<Finding>,
    /// The lines of these errors.
    lines: Vec<Range<usize>>,
    /// From here on the parser has lost its way.
    until: usize,
}

/// Parses as much of `text` as can be.
pub(super) fn document(text: &str) -> (Spanned<DeTable<'_>>, Option<Broken>) {
    let (document, mut errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        return (document, None);
    }
    errors.sort_by_key(|error| error.span().map(|span| span.start));
    let until = reliable_until(text, document.get_ref(), &errors);
    let mut broken = Broken { errors: Vec::new(), lines: Vec::new(), until: until.position };
    if let Some(opening) = until.unclosed {
        broken.lines.push(line(text, opening.start));
        broken.errors.push(Finding::error(opening.clone(), "this bracket is never closed").help(
            match &text[opening] {
                "[" => "add `]` after the last element",
                _ => "add `}` after the last value",
            },
        ));
    }
    for error in &errors {
        let span = error.span().unwrap_or(0..0);
        let line = line(text, span.start);
        if span.start <= broken.until && !broken.lines.contains(&line) {
            broken.lines.push(line);
            broken.errors.push(finding(text, span, error.message()));
        }
    }
    (document, Some(broken))
}

impl Broken {
    /// Whether a finding would also be one if the syntax were right.
    pub(super) fn believes(&self, finding: &Finding) -> bool {
        let Some(span) = &finding.span else { return false };
        let touched = |line: &Range<usize>| span.start <= line.end && line.start <= span.end;
        !finding.absence && span.end <= self.until && !self.lines.iter().any(touched)
    }
}

/// Where the parser lost its way, and the bracket that did it.
struct Until {
    position: usize,
    unclosed: Option<Range<usize>>,
}

fn reliable_until(text: &str, document: &DeTable<'_>, errors: &[Error]) -> Until {
    let first = |part: &str| {
        errors
            .iter()
            .filter(|error| error.message().starts_with(part))
            .filter_map(Error::span)
            .map(|span| span.start)
            .min()
    };
    // The parser notices a missing bracket at the end of the file, after an error on each line.
    let unclosed = first("unclosed array")
        .or_else(|| first("unclosed inline table"))
        .and_then(|end| document.values().filter_map(|value| outermost(value, end)).min())
        .filter(|start| matches!(text.as_bytes().get(*start), Some(b'[' | b'{')));
    let stopped = first("key with no value").into_iter().chain(first("invalid multi-line"));
    let position = stopped.chain(unclosed).min().unwrap_or(text.len());
    Until { position, unclosed: unclosed.filter(|start| *start == position).map(|start| start..start + 1) }
}

/// Start of the outermost bracket within `value` that reaches to `end`.
fn outermost(value: &Spanned<DeValue<'_>>, end: usize) -> Option<usize> {
    let span = value.span();
    match value.get_ref() {
        DeValue::Array(_) | DeValue::Table(_) if span.end == end => Some(span.start),
        DeValue::Array(elements) => elements.iter().filter_map(|element| outermost(element, end)).min(),
        DeValue::Table(entries) => entries.values().filter_map(|value| outermost(value, end)).min(),
        _ => None,
    }
}

/// The line around a position.
fn line(text: &str, at: usize) -> Range<usize> {
    let at = text.floor_char_boundary(at);
    let start = text[..at].rfind('\n').map_or(0, |end| end + 1);
    start..text[at..].find('\n').map_or(text.len(), |length| at + length)
}

/// The parser's words, with what to do about the errors that people make.
fn finding(text: &str, span: Range<usize>, message: &str) -> Finding {
    let written = text.get(span.clone()).unwrap_or_default();
    let error = |message: &str| Finding::error(span.clone(), message);
    match message.split(',').next().unwrap_or(message) {
        "duplicate key" => error(&format!("`{written}` is written twice")).help("remove one of them"),
        "key with no value" => error("this key has no value").help("write `key = value`"),
        "string values must be quoted" if written.trim().is_empty() => {
            error("there is no value after `=`").help("write one, or remove the key")
        }
        "string values must be quoted" => {
            error("strings are written in quotes").help(format_args!("write `\"{}\"`", written.trim()))
        }
        "invalid basic string" | "invalid literal string" => {
            error("this string is never closed").help("add the closing quote")
        }
        "invalid float" | "invalid integer" | "invalid boolean" => {
            error(message).help("if it is meant as a string, write it in quotes")
        }
        _ => error(message),
    }
}

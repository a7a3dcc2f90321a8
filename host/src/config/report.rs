//! What is to be said about a configuration: errors and warnings, each at its place in the text.
//!
//! Findings are collected, never thrown: a file is read to its end whatever is wrong with it. This
//! module does not know what may be written in a configuration.

use std::cell::RefCell;
use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet, normalize_untrusted_str};

/// Everything found in one file, in the order of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    name: String,
    text: String,
    findings: Vec<Finding>,
}

/// How bad a [`Finding`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// There is no configuration.
    Error,
    /// The configuration works, but probably not as meant.
    Warning,
}

/// One thing that is wrong, where, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Error or warning.
    pub severity: Severity,
    /// The offending text, in bytes of the file; none: the file as a whole.
    pub span: Option<Range<usize>>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
    /// Another place that explains this one, and how.
    pub related: Option<(Range<usize>, String)>,
    /// Whether it says that something is missing, which may be in a part that could not be read.
    pub(super) absence: bool,
}

impl Finding {
    /// An error at `span`.
    pub fn error(span: Range<usize>, message: impl fmt::Display) -> Self {
        let (severity, span, message) = (Severity::Error, Some(span), message.to_string());
        Self { severity, span, message, help: None, related: None, absence: false }
    }

    /// A warning at `span`.
    pub fn warning(span: Range<usize>, message: impl fmt::Display) -> Self {
        Self { severity: Severity::Warning, ..Self::error(span, message) }
    }

    /// Says what to do.
    #[must_use]
    pub fn help(self, help: impl fmt::Display) -> Self {
        Self { help: Some(help.to_string()), ..self }
    }

    /// Marks it as saying that something is missing.
    #[must_use]
    pub(super) fn absence(self) -> Self {
        Self { absence: true, ..self }
    }

    /// Points at another place.
    #[must_use]
    pub fn related(self, span: Range<usize>, label: impl fmt::Display) -> Self {
        Self { related: Some((span, label.to_string())), ..self }
    }
}

impl Report {
    /// A report on `text`, the content of the file that users know as `name`.
    pub(super) fn new(name: &str, text: &str, mut findings: Vec<Finding>) -> Self {
        findings.sort_by_key(|finding| finding.span.as_ref().map(|span| (span.start, span.end)));
        findings.dedup();
        Self { name: name.to_owned(), text: text.to_owned(), findings }
    }

    /// A report on a file of which nothing could be read.
    pub(super) fn unreadable(name: &str, reason: impl fmt::Display) -> Self {
        let message = format!("cannot read `{name}`: {reason}");
        let finding = Finding { span: None, ..Finding::error(0..0, message) };
        Self { name: name.to_owned(), text: String::new(), findings: vec![finding] }
    }

    /// What was found, in the order of the text.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.findings.is_empty()
    }

    /// Whether there is an error, and so no configuration.
    pub fn has_errors(&self) -> bool {
        self.count().0 > 0
    }

    /// The number of errors and of warnings.
    pub fn count(&self) -> (usize, usize) {
        let errors = self.findings.iter().filter(|finding| finding.severity == Severity::Error).count();
        (errors, self.findings.len() - errors)
    }

    /// Line and column where a finding starts, both from 1, columns in characters.
    pub fn position(&self, finding: &Finding) -> (usize, usize) {
        let start = finding.span.as_ref().map_or(0, |span| span.start.min(self.text.len()));
        let before = self.text.get(..start).unwrap_or_default();
        let line = before.rsplit('\n').next().unwrap_or_default();
        (before.matches('\n').count() + 1, line.chars().count() + 1)
    }

    /// All findings for people: each with its line underlined, and what to do.
    pub fn render(&self, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let mut out = String::new();
        for finding in &self.findings {
            out.push_str(&self.render_one(&renderer, finding));
            out.push_str("\n\n");
        }
        out.push_str(&self.summary());
        out
    }

    /// One line: how many errors and warnings.
    pub fn summary(&self) -> String {
        fn counted(number: usize, word: &str) -> Option<String> {
            (number > 0).then(|| format!("{number} {word}{}", if number == 1 { "" } else { "s" }))
        }
        let (errors, warnings) = self.count();
        let parts: Vec<String> =
            [counted(errors, "error"), counted(warnings, "warning")].into_iter().flatten().collect();
        let parts = if parts.is_empty() { "no errors".to_owned() } else { parts.join(", ") };
        format!("{}: {parts}", normalize_untrusted_str(&self.name))
    }

    fn render_one(&self, renderer: &Renderer, finding: &Finding) -> String {
        let level = match finding.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut group = Group::with_title(level.primary_title(normalize_untrusted_str(&finding.message)));
        if let Some(span) = &finding.span {
            let mut snippet = Snippet::source(&*self.text)
                .path(&*self.name)
                .annotation(AnnotationKind::Primary.span(self.within(span)));
            if let Some((span, label)) = &finding.related {
                snippet = snippet
                    .annotation(AnnotationKind::Context.span(self.within(span)).label(normalize_untrusted_str(label)));
            }
            group = group.element(snippet);
        }
        if let Some(help) = &finding.help {
            group = group.element(Level::HELP.message(normalize_untrusted_str(help)));
        }
        renderer.render(&[group])
    }

    /// `span` on characters of the text and not past its end, as the renderer insists.
    fn within(&self, span: &Range<usize>) -> Range<usize> {
        let start = self.text.floor_char_boundary(span.start);
        start..self.text.ceil_char_boundary(span.end).max(start)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Report {}

/// Collects findings while a file is read.
#[derive(Debug, Default)]
pub(super) struct Sink(RefCell<Vec<Finding>>);

impl Sink {
    /// Adds a finding.
    pub(super) fn push(&self, finding: Finding) {
        self.0.borrow_mut().push(finding);
    }

    /// All findings, as they came.
    pub(super) fn into_findings(self) -> Vec<Finding> {
        self.0.into_inner()
    }
}

//! A TOML table being consumed: each key is taken once, and what nobody took is unknown.
//!
//! As with single values, errors go into the [`Sink`] and reading goes on. What the keys mean is not
//! known here.

use std::ops::Range;
use std::sync::LazyLock;

use toml::de::DeTable;

use super::suggest::{nearest, suggest};
use super::value::Value;
use crate::config::report::{Finding, Sink};

/// A table of which keys are taken one by one.
pub(super) struct Table<'a> {
    place: String,
    span: Range<usize>,
    entries: &'a DeTable<'a>,
    known: Vec<&'static str>,
    /// Required keys that are not there, each with a line to write.
    missing: Vec<(&'static str, String)>,
    sink: &'a Sink,
}

impl<'a> Table<'a> {
    /// A table; `place` is what errors call it.
    pub(super) fn new(place: String, span: Range<usize>, entries: &'a DeTable<'a>, sink: &'a Sink) -> Self {
        Self { place, span, entries, known: Vec::new(), missing: Vec::new(), sink }
    }

    /// The table of a whole document.
    pub(super) fn root(entries: &'a DeTable<'a>, sink: &'a Sink) -> Self {
        Self::new("this configuration".to_owned(), 0..0, entries, sink)
    }

    /// A table that nobody wrote: every key has its default.
    pub(super) fn empty(sink: &'a Sink) -> Self {
        static NOTHING: LazyLock<DeTable<'static>> = LazyLock::new(DeTable::new);
        Self::root(&NOTHING, sink)
    }

    /// Where the table is written: its header, or all of it if inline.
    pub(super) fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// Where findings go.
    pub(super) fn sink(&self) -> &'a Sink {
        self.sink
    }

    /// Takes a key.
    pub(super) fn take(&mut self, key: &'static str) -> Option<Value<'a>> {
        self.known.push(key);
        self.entries.get(key).map(|node| Value::new(key, node, self.sink))
    }

    /// Takes a key that may be missing; `None` also after an error, which `read` has recorded.
    pub(super) fn optional<T>(&mut self, key: &'static str, read: impl FnOnce(Value<'a>) -> Option<T>) -> Option<T> {
        self.take(key).and_then(read)
    }

    /// Takes a key, or its default.
    pub(super) fn or<T>(&mut self, key: &'static str, default: T, read: impl FnOnce(Value<'a>) -> Option<T>) -> T {
        self.optional(key, read).unwrap_or(default)
    }

    /// Takes a key that must be there; `example` is a line to write.
    pub(super) fn required<T>(
        &mut self,
        key: &'static str,
        example: &str,
        read: impl FnOnce(Value<'a>) -> Option<T>,
    ) -> Option<T> {
        let value = self.take(key);
        if value.is_none() {
            self.missing.push((key, example.to_owned()));
        }
        value.and_then(read)
    }

    /// Every entry, for tables whose keys are names: the name, where it is written, the value.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&'a str, Range<usize>, Value<'a>)> + use<'a> {
        let sink = self.sink;
        self.entries.iter().map(move |(key, node)| {
            let name: &'a str = key.get_ref();
            (name, key.span(), Value::new(name, node, sink))
        })
    }

    /// The entries that were not taken, for tables that are also somebody's settings.
    pub(super) fn rest(self) -> impl Iterator<Item = (&'a str, Value<'a>)> + use<'a> {
        self.report_missing(&[]);
        let entries = self.entries();
        entries.filter(move |(name, ..)| !self.known.contains(name)).map(|(name, _, value)| (name, value))
    }

    /// Ends the reading: each key that was not taken is an error.
    pub(super) fn finish(self) {
        let unknown: Vec<_> = self.entries().filter(|(name, ..)| !self.known.contains(name)).collect();
        let mut meant = Vec::new();
        for (name, span, _) in unknown {
            meant.extend(nearest(name, &self.known));
            let message = format!("unknown key `{name}` in {}", self.place);
            self.sink.push(Finding::error(span, message).help(suggest(name, &self.known, "known keys are")));
        }
        self.report_missing(&meant);
    }

    /// Reports the missing keys, but for those that are there and misspelt.
    fn report_missing(&self, misspelt: &[&str]) {
        for (key, example) in self.missing.iter().filter(|(key, _)| !misspelt.contains(key)) {
            let finding = Finding::error(self.span(), format_args!("{} has no `{key}`", self.place));
            self.sink.push(finding.absence().help(format_args!("add `{example}`")));
        }
    }
}

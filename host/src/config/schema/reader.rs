//! A TOML table being consumed: each key is taken once, and what nobody took is unknown.
//!
//! Errors go into the [`Sink`], and reading goes on: every function here answers `None` after having
//! said why, never before. What the keys mean is not known here.

use std::fmt;
use std::ops::{Range, RangeInclusive};
use std::sync::LazyLock;

use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use crate::config::report::{Finding, Sink};

/// A value, the key that it was written for, and where to complain.
#[derive(Clone, Copy)]
pub(super) struct Value<'a> {
    key: &'a str,
    node: &'a Spanned<DeValue<'a>>,
    sink: &'a Sink,
}

impl<'a> Value<'a> {
    /// The key that this is the value, or an element of the value, of.
    pub(super) fn key(&self) -> &'a str {
        self.key
    }

    /// The TOML itself.
    pub(super) fn raw(&self) -> &'a DeValue<'a> {
        self.node.get_ref()
    }

    /// Where it is written.
    pub(super) fn span(&self) -> Range<usize> {
        self.node.span()
    }

    /// Where findings go.
    pub(super) fn sink(&self) -> &'a Sink {
        self.sink
    }

    /// Records an error at this value. Always `None`.
    pub(super) fn reject<T>(&self, message: impl fmt::Display) -> Option<T> {
        self.sink.push(Finding::error(self.span(), message));
        None
    }

    /// Records an error at this value and what to do about it. Always `None`.
    pub(super) fn reject_with<T>(&self, message: impl fmt::Display, help: impl fmt::Display) -> Option<T> {
        self.sink.push(Finding::error(self.span(), message).help(help));
        None
    }

    /// Records that this is not of the expected type. Always `None`.
    pub(super) fn wrong_type<T>(&self, expected: &str, help: impl fmt::Display) -> Option<T> {
        self.reject_with(format_args!("`{}` must be {expected}, not {}", self.key, self.described()), help)
    }

    /// A string; `expected` (`a duration`) and `example` (`5s`) are for the error.
    pub(super) fn string(&self, expected: &str, example: &str) -> Option<&'a str> {
        match self.raw() {
            DeValue::String(text) => Some(text),
            _ => self.wrong_type(expected, format_args!("write `\"{example}\"`")),
        }
    }

    /// `true` or `false`.
    pub(super) fn boolean(&self) -> Option<bool> {
        match self.raw() {
            DeValue::Boolean(value) => Some(*value),
            DeValue::String(text) if matches!(&**text, "true" | "false") => {
                self.wrong_type("true or false", format_args!("write `{text}` without quotes"))
            }
            _ => self.wrong_type("true or false", "write `true` or `false`"),
        }
    }

    /// A whole number within `range`.
    pub(super) fn whole(&self, range: RangeInclusive<u64>) -> Option<u64> {
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        match self.raw() {
            DeValue::Integer(written) => match number(written) {
                Some(number) if range.contains(&number) => Some(number),
                _ => self.reject(format_args!("`{}` must be {expected}, not {}", self.key, written.as_str())),
            },
            DeValue::String(text) if text.parse().is_ok_and(|number| range.contains(&number)) => {
                self.wrong_type(&expected, format_args!("write `{text}` without quotes"))
            }
            _ => self.wrong_type(&expected, format_args!("write a number such as `{}`", range.start())),
        }
    }

    /// The elements of a list.
    pub(super) fn list(&self, expected: &str, example: &str) -> Option<impl Iterator<Item = Value<'a>> + use<'a>> {
        let Self { key, sink, .. } = *self;
        match self.raw() {
            DeValue::Array(elements) => Some(elements.iter().map(move |node| Value { key, node, sink })),
            _ => self.wrong_type(expected, format_args!("write `{example}`")),
        }
    }

    /// A table; `place` says in errors where a key of it is (`[server]`).
    pub(super) fn table(&self, place: impl Into<String>) -> Option<Table<'a>> {
        let place = place.into();
        match self.raw() {
            DeValue::Table(entries) => Some(Table {
                place,
                span: self.span(),
                entries,
                known: Vec::new(),
                missing: Vec::new(),
                reserved: Vec::new(),
                sink: self.sink,
            }),
            _ => self.wrong_type("a table", format_args!("write {place}")),
        }
    }

    /// The value as an error message calls it.
    fn described(&self) -> String {
        match self.raw() {
            DeValue::String(text) if text.chars().count() <= 40 => format!("the string \"{}\"", text.escape_debug()),
            DeValue::String(_) => "a string".to_owned(),
            DeValue::Integer(number) => format!("the number {}", number.as_str()),
            DeValue::Float(number) => format!("the number {}", number.as_str()),
            DeValue::Boolean(value) => value.to_string(),
            DeValue::Datetime(_) => "a date or time".to_owned(),
            DeValue::Array(_) => "a list".to_owned(),
            DeValue::Table(_) => "a table".to_owned(),
        }
    }
}

/// A whole number that is not negative and fits 64 bits, in any of TOML's radices.
pub(super) fn number(written: &DeInteger<'_>) -> Option<u64> {
    u64::from_str_radix(written.as_str(), written.radix()).ok()
}

/// A table of which keys are taken one by one.
pub(super) struct Table<'a> {
    place: String,
    span: Range<usize>,
    entries: &'a DeTable<'a>,
    known: Vec<&'static str>,
    /// Required keys that are not there, each with a line to write.
    missing: Vec<(&'static str, String)>,
    reserved: Vec<&'static str>,
    sink: &'a Sink,
}

impl<'a> Table<'a> {
    /// The table of a whole document.
    pub(super) fn root(entries: &'a DeTable<'a>, sink: &'a Sink) -> Self {
        let place = "this configuration".to_owned();
        Self { place, span: 0..0, entries, known: Vec::new(), missing: Vec::new(), reserved: Vec::new(), sink }
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
        self.entries.get(key).map(|node| Value { key, node, sink: self.sink })
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

    /// Names keys that will mean something in a later version: whoever writes one learns that.
    pub(super) fn reserve(&mut self, keys: &[&'static str]) {
        self.reserved.extend(keys);
    }

    /// Every entry, for tables whose keys are names: the name, where it is written, the value.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&'a str, Range<usize>, Value<'a>)> + use<'a> {
        let sink = self.sink;
        self.entries.iter().map(move |(key, node)| {
            let name: &'a str = key.get_ref();
            (name, key.span(), Value { key: name, node, sink })
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
            self.sink.push(if self.reserved.contains(&name) {
                Finding::error(span, format_args!("`{name}` is not available in this version")).help("remove it")
            } else {
                meant.extend(nearest(name, &self.known));
                let message = format!("unknown key `{name}` in {}", self.place);
                Finding::error(span, message).help(suggest(name, &self.known, "known keys are"))
            });
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

/// The candidate of which `name` seems to be a misspelling.
fn nearest<'n, N: AsRef<str>>(name: &str, candidates: &'n [N]) -> Option<&'n str> {
    /// Jaro-Winkler similarity from which a name is taken for a misspelling.
    const NEAR: f64 = 0.8;
    let wanted = name.to_lowercase();
    // In short names that measure does not see two letters that changed places.
    let one_slip = |other: &str| other.len() > 2 && strsim::damerau_levenshtein(&wanted, other) == 1;
    let similarity = |candidate: &'n N| {
        let other = candidate.as_ref().to_lowercase();
        let similarity = strsim::jaro_winkler(&wanted, &other);
        (if one_slip(&other) { similarity.max(NEAR) } else { similarity }, candidate.as_ref())
    };
    let near = candidates.iter().map(similarity).filter(|(similarity, _)| *similarity >= NEAR);
    near.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, candidate)| candidate)
}

/// `did you mean …?` where a candidate is near, else all of them after `otherwise`.
pub(super) fn suggest(name: &str, candidates: &[impl AsRef<str>], otherwise: &str) -> String {
    match nearest(name, candidates) {
        Some(candidate) => format!("did you mean `{candidate}`?"),
        None => {
            let mut names: Vec<String> = candidates.iter().map(|name| format!("`{}`", name.as_ref())).collect();
            names.sort_unstable();
            format!("{otherwise} {}", names.join(", "))
        }
    }
}

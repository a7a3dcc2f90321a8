//! One value of a document, and how to complain about it.
//!
//! Errors go into the [`Sink`], and reading goes on: every function here answers `None` after having
//! said why, never before. What the keys mean is not known here.

use std::fmt;
use std::ops::{Range, RangeInclusive};

use toml::Spanned;
use toml::de::{DeInteger, DeValue};

use super::table::Table;
use crate::config::report::{Finding, Sink};

/// A value, the key that it was written for, and where to complain.
#[derive(Clone, Copy)]
pub(super) struct Value<'a> {
    key: &'a str,
    node: &'a Spanned<DeValue<'a>>,
    sink: &'a Sink,
}

impl<'a> Value<'a> {
    /// The value `node` of `key`.
    pub(super) fn new(key: &'a str, node: &'a Spanned<DeValue<'a>>, sink: &'a Sink) -> Self {
        Self { key, node, sink }
    }

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
            DeValue::Table(entries) => Some(Table::new(place, self.span(), entries, self.sink)),
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

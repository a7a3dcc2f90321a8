//! Names that are declared in one place of a configuration and used in others.

use std::cell::Cell;
use std::ops::Range;
use std::sync::Arc;

use super::suggest::suggest;
use super::value::Value;
use super::values::name_problem;
use crate::config::report::{Finding, Sink};

/// All names of one kind. What is declared is known even where the declaration has errors, so that
/// one mistake is not reported at every use.
pub(super) struct Names {
    kind: &'static str,
    declared: Vec<Declared>,
    built_ins: Vec<Arc<str>>,
    /// Whether a name was used that nobody declared: it may be a misspelling of any other.
    misspelt: Cell<bool>,
}

struct Declared {
    name: Arc<str>,
    span: Range<usize>,
    used: Cell<bool>,
}

impl Names {
    /// No names yet; `kind` is what errors call one.
    pub(super) fn new(kind: &'static str) -> Self {
        Self { kind, declared: Vec::new(), built_ins: Vec::new(), misspelt: Cell::new(false) }
    }

    /// No names but those that need no declaration.
    pub(super) fn with_built_ins(kind: &'static str, built_ins: &[&str]) -> Self {
        Self { built_ins: built_ins.iter().map(|name| Arc::from(*name)).collect(), ..Self::new(kind) }
    }

    /// Adds a name, which must be usable and new.
    pub(super) fn declare(&mut self, name: &str, span: Range<usize>, sink: &Sink) -> Arc<str> {
        let name: Arc<str> = name.into();
        if let Some(problem) = name_problem(&name) {
            sink.push(Finding::error(span.clone(), format_args!("the name of a {} {problem}", self.kind)));
        }
        if let Some(first) = self.declared.iter().find(|declared| declared.name == name) {
            let message = format!("two {}s are named `{name}`", self.kind);
            let finding = Finding::error(span.clone(), message).help("give each a `name` of its own");
            sink.push(finding.related(first.span.clone(), "the first is here"));
        }
        self.declared.push(Declared { name: name.clone(), span, used: Cell::new(false) });
        name
    }

    /// Whether nothing has to be declared for this name.
    pub(super) fn is_built_in(&self, name: &str) -> bool {
        self.built_ins.iter().any(|built_in| **built_in == *name)
    }

    /// The name that is used here, which must be known.
    pub(super) fn resolve(&self, value: Value<'_>) -> Option<Arc<str>> {
        let name = value.string(&format!("the name of a {}", self.kind), "web")?;
        self.resolve_text(name, value.span(), value.sink())
    }

    /// As [`Self::resolve`], for a name that does not come from one value.
    pub(super) fn resolve_text(&self, name: &str, span: Range<usize>, sink: &Sink) -> Option<Arc<str>> {
        if let Some(declared) = self.declared.iter().find(|declared| *declared.name == *name) {
            declared.used.set(true);
            return Some(declared.name.clone());
        }
        if let Some(built_in) = self.built_ins.iter().find(|built_in| ***built_in == *name) {
            return Some(built_in.clone());
        }
        let known: Vec<&Arc<str>> =
            self.declared.iter().map(|declared| &declared.name).chain(&self.built_ins).collect();
        let kind = self.kind;
        self.misspelt.set(true);
        let help = match known.is_empty() {
            true => format!("there is no {kind}: declare one of this name"),
            false => suggest(name, &known, &format!("declare it, or use one of the {kind}s:")),
        };
        sink.push(Finding::error(span, format_args!("no {kind} is named `{name}`")).absence().help(help));
        None
    }

    /// Warns of each name that was declared for nothing.
    pub(super) fn warn_of_unused(&self, sink: &Sink) {
        for declared in self.declared.iter().filter(|declared| !declared.used.get() && !self.misspelt.get()) {
            let message = format!("nothing uses the {} `{}`", self.kind, declared.name);
            sink.push(Finding::warning(declared.span.clone(), message).absence());
        }
    }
}

//! JavaScript: a module that QuickJS runs, by `componentize-qjs` of npm.

use anyhow::Result;

use super::{Language, node};
use crate::Project;

/// JavaScript.
pub(super) const JAVASCRIPT: Language = Language {
    name: "javascript",
    aliases: &["js"],
    title: "JavaScript (QuickJS)",
    files: &[
        (".gitignore", include_str!("../../templates/javascript/gitignore")),
        ("README.md", include_str!("../../templates/javascript/README.md")),
        ("package.json", include_str!("../../templates/javascript/package.json")),
        ("package-lock.json", include_str!("../../templates/javascript/package-lock.json")),
    ],
    sources: sources!["javascript": "plugin.js", "node": "plugin.test.js"],
    support: &[],
    build,
};

fn build(project: &Project) -> Result<Vec<u8>> {
    node::install(project)?;
    node::componentize(project, "plugin.js")
}

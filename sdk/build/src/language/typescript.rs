//! TypeScript: checked and compiled by `typescript` of npm, then as JavaScript.

use anyhow::{Context, Result};

use super::{Language, node};
use crate::{Project, tool};

/// TypeScript.
pub(super) const TYPESCRIPT: Language = Language {
    name: "typescript",
    aliases: &["ts"],
    title: "TypeScript (QuickJS)",
    files: &[
        (".gitignore", include_str!("../../templates/typescript/gitignore")),
        ("README.md", include_str!("../../templates/typescript/README.md")),
        ("package.json", include_str!("../../templates/typescript/package.json")),
        ("package-lock.json", include_str!("../../templates/typescript/package-lock.json")),
        ("tsconfig.json", include_str!("../../templates/typescript/tsconfig.json")),
        ("trimtab.d.ts", include_str!("../../templates/typescript/trimtab.d.ts")),
    ],
    sources: sources!["typescript": "plugin.ts", "node": "plugin.test.js"],
    support: &[],
    build,
};

fn build(project: &Project) -> Result<Vec<u8>> {
    node::install(project)?;
    tool::run(&mut node::program(project, "tsc")).context("the types do not fit")?;
    node::componentize(project, "built/plugin.js")
}

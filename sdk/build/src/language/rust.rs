//! Rust: the ordinary cargo, with our SDK, which a project brings along.

use std::fs;

use anyhow::{Context, Result};

use super::Language;
use crate::{Project, Toolchain, component, tool};

/// Rust.
pub(super) const RUST: Language = Language {
    name: "rust",
    aliases: &["rs"],
    title: "Rust",
    files: &[
        (".gitignore", include_str!("../../templates/rust/gitignore")),
        ("README.md", include_str!("../../templates/rust/README.md")),
        ("Cargo.toml", include_str!("../../templates/rust/project.toml")),
    ],
    sources: sources!["rust": "src/lib.rs", "rust": "tests/plugin.rs"],
    support: include!(concat!(env!("OUT_DIR"), "/sdk.rs")),
    build,
};

const HOW: &str = "https://rustup.rs    (1.95 or newer)";

fn build(project: &Project) -> Result<Vec<u8>> {
    tool::find("cargo", &[], "compile Rust", HOW)?;
    project.wit()?;
    let toolchain = Toolchain::find()?;
    if matches!(toolchain, Toolchain::Debian { .. }) && !project.folder.join("target").is_dir() {
        tool::tell("cargo: the first time with the standard library, for about a minute");
    }
    let module = toolchain.compile_alone(&project.folder)?.join(format!("{}.wasm", project.name.replace('-', "_")));
    let bytes = fs::read(&module).with_context(|| format!("cannot read {}", module.display()))?;
    component::wrap(&bytes)
}

#[cfg(test)]
mod tests {
    use super::RUST;

    #[test]
    fn the_sdk_of_a_project_is_ours() {
        let (_, manifest) = RUST.support.last().expect("a manifest");
        let ours: toml::Table = include_str!("../../../rust/Cargo.toml").parse().expect("TOML");
        let workspace: toml::Table = include_str!("../../../../Cargo.toml").parse().expect("TOML");
        let manifest: toml::Table = manifest.parse().expect("TOML");
        let mut names: Vec<_> = ours["dependencies"].as_table().expect("a table").keys().collect();
        names.retain(|name| manifest["dependencies"].get(name).is_none());
        assert!(names.is_empty(), "{names:?} are no dependencies of it");
        for (name, dependency) in manifest["dependencies"].as_table().expect("a table") {
            let asked = &workspace["workspace"]["dependencies"][name];
            let version = |value: &toml::Value| value.get("version").unwrap_or(value).as_str().map(str::to_owned);
            assert_eq!(version(dependency), version(asked), "{name}");
        }
        assert_eq!(manifest["features"], ours["features"]);
        assert!(RUST.support.iter().any(|(path, _)| *path == "sdk/rust/src/lib.rs"));
    }
}

//! Whether a committed component is still that of its sources.
//!
//! `plugins/dist/NAME.digest` holds two SHA-256 digests: of the sources that made the component, and of
//! the component. The compiler is no source: builds with other compilers differ in bytes but not in
//! decisions, which CI compares. Tests and READMEs are no sources either.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use toml::Table;

use crate::Guest;

/// The digest of what makes a guest's component: its manifest and `src`, those of the SDK, the WIT, the
/// profile of guests, and the locked versions of what guest and SDK depend on and of what wraps the module.
///
/// # Errors
///
/// When a source cannot be read.
pub fn sources(root: &Path, guest: &Guest) -> Result<String> {
    let sdk = root.join("sdk/rust");
    let mut files = vec![guest.folder.join("Cargo.toml"), sdk.join("Cargo.toml")];
    for folder in [guest.folder.join("src"), sdk.join("src"), root.join("wit")] {
        collect(&folder, &mut files)?;
    }
    files.sort();
    let mut hash = Sha256::new();
    for file in &files {
        let name = file.strip_prefix(root).unwrap_or(file).to_string_lossy().replace('\\', "/");
        add(&mut hash, &name, &fs::read(file).with_context(|| format!("cannot read {}", file.display()))?);
    }
    for line in settings(root, &[&guest.folder, &sdk])? {
        add(&mut hash, &line, &[]);
    }
    Ok(hex(hash))
}

/// Records a guest's component as made of the present sources.
///
/// # Errors
///
/// When it cannot be read or written.
pub fn record(root: &Path, guest: &Guest) -> Result<()> {
    let path = guest.component(root).with_extension("digest");
    fs::write(&path, recorded(root, guest)?).with_context(|| format!("cannot write {}", path.display()))
}

/// Checks a guest's committed component against its sources.
///
/// # Errors
///
/// When it is missing, is not the recorded one, or its sources have changed; the message says what to do.
pub fn check(root: &Path, guest: &Guest) -> Result<()> {
    let path = guest.component(root).with_extension("digest");
    let found = fs::read_to_string(&path).unwrap_or_default();
    let name = &guest.name;
    if found.is_empty() {
        bail!("`{name}` has no committed component: run `cargo plugins {name}` and commit plugins/dist");
    }
    let expected = recorded(root, guest)?;
    if found.lines().next() != expected.lines().next() {
        bail!("the committed component of `{name}` is not of its present sources: run `cargo plugins {name}`");
    }
    if found != expected {
        bail!("plugins/dist/{name}.wasm is not the component that was recorded: run `cargo plugins {name}`");
    }
    Ok(())
}

/// What the digest file of the present component and sources says.
fn recorded(root: &Path, guest: &Guest) -> Result<String> {
    let path = guest.component(root);
    let component = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let component = hex(Sha256::new().chain_update(&component));
    Ok(format!("sources {}\ncomponent {component}\n", sources(root, guest)?))
}

/// The lines of root manifest and lock file that matter to guests made of these crates.
fn settings(root: &Path, crates: &[&PathBuf]) -> Result<Vec<String>> {
    let manifest = table(&root.join("Cargo.toml"))?;
    let section = |outer: &str, inner: &str| manifest.get(outer).and_then(|table| table.get(inner));
    let profile = section("profile", "guest").context("Cargo.toml has no [profile.guest]")?;
    let workspace = section("workspace", "dependencies").context("Cargo.toml has no [workspace.dependencies]")?;
    let mut lines = vec![format!("profile {profile}")];
    let mut names = vec!["wit-component".to_owned()];
    for folder in crates {
        if let Some(dependencies) = table(&folder.join("Cargo.toml"))?.get("dependencies").and_then(|d| d.as_table()) {
            names.extend(dependencies.keys().cloned());
        }
    }
    names.sort();
    names.dedup();
    let lock = table(&root.join("Cargo.lock"))?;
    let packages = lock.get("package").and_then(|packages| packages.as_array()).context("Cargo.lock has no package")?;
    for name in names {
        if let Some(dependency) = workspace.get(&name) {
            lines.push(format!("dependency {name} {dependency}"));
        }
        for package in packages.iter().filter(|package| package.get("name").and_then(|n| n.as_str()) == Some(&name)) {
            if let Some(version) = package.get("version") {
                lines.push(format!("locked {name} {version}"));
            }
        }
    }
    Ok(lines)
}

fn table(path: &Path) -> Result<Table> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    text.parse().with_context(|| format!("{} is no TOML", path.display()))
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_none_or(|extension| extension != "md") {
            files.push(path);
        }
    }
    Ok(())
}

/// Lengths go in too, so that no two lists of files are the same bytes.
fn add(hash: &mut Sha256, name: &str, content: &[u8]) {
    hash.update((name.len() as u64).to_le_bytes());
    hash.update(name);
    hash.update((content.len() as u64).to_le_bytes());
    hash.update(content);
}

fn hex(hash: Sha256) -> String {
    hash.finalize().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

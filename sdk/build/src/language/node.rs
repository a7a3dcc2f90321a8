//! What JavaScript and TypeScript share: packages of npm, and QuickJS.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::{Project, tool};

const HOW: &str = "apt-get install nodejs npm    (or from https://nodejs.org: 18.19 or newer)";

/// Installs what package.json asks for, where that was not done yet.
///
/// # Errors
///
/// When there is no `npm`, or it fails.
pub(super) fn install(project: &Project) -> Result<()> {
    tool::find("node", &[], "run the compiler", HOW)?;
    if project.folder.join("node_modules/.bin/componentize-qjs").exists() {
        return Ok(());
    }
    let npm = tool::find("npm", &[], "install the compiler", HOW)?;
    // Not `npm ci`: it wants packages for machines of other kinds to be in the lock file, which are not published.
    tool::tell("npm install: there is no node_modules/ yet");
    let flags = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error"];
    tool::run(Command::new(npm).arg("install").args(flags).current_dir(&project.folder))
}

/// A program of an installed package.
pub(super) fn program(project: &Project, name: &str) -> Command {
    let mut command = Command::new(project.folder.join("node_modules/.bin").join(name));
    command.current_dir(&project.folder);
    command
}

/// Has QuickJS run this module, a path below the project's folder.
///
/// # Errors
///
/// When the module has an error, or is none of the project's world.
pub(super) fn componentize(project: &Project, module: &str) -> Result<Vec<u8>> {
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let out = folder.path().join("component.wasm");
    let mut command = program(project, "componentize-qjs");
    // With WASI: that is how an exception comes into the log, and `Date` and `Math.random` know the decision's time.
    command.args(["--sync", "--world", &project.world(), "--js", module, "--wit"]).arg(project.wit()?);
    tool::run(command.arg("--output").arg(&out))?;
    read(&out)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

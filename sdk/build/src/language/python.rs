//! Python: CPython with the module inside, by `componentize-py` of PyPI.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};

use super::Language;
use crate::{Project, tool};

/// Python.
pub(super) const PYTHON: Language = Language {
    name: "python",
    aliases: &["py"],
    title: "Python (CPython)",
    files: &[
        (".gitignore", include_str!("../../templates/python/gitignore")),
        ("README.md", include_str!("../../templates/python/README.md")),
        ("requirements.txt", include_str!("../../templates/python/requirements.txt")),
    ],
    sources: sources!["python": "plugin.py", "python": "test_plugin.py"],
    support: &[],
    build,
};

const HOW: &str = "python3 -m venv .venv && .venv/bin/pip install -r requirements.txt    (in the project's folder; \
                   apt-get install python3-venv)";

fn build(project: &Project) -> Result<Vec<u8>> {
    let places = tool::of_python(&project.folder);
    let compiler = tool::find("componentize-py", &places, "make a component of Python", HOW)?;
    let command = || -> Result<Command> {
        let mut command = Command::new(&compiler);
        command.current_dir(&project.folder).args(["--quiet", "--world", &project.world(), "--wit-path"]);
        command.arg(project.wit()?);
        // Where packages are found that the module imports.
        if project.folder.join(".venv").is_dir() {
            command.env("VIRTUAL_ENV", project.folder.join(".venv"));
        }
        Ok(command)
    };
    // What the component has inside, once more for tests and editors.
    let bindings = project.emptied("bindings")?;
    tool::run(command()?.arg("bindings").arg(&bindings))?;
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let out = folder.path().join("component.wasm");
    tool::tell("componentize-py: about ten seconds");
    // With WASI: that is how a traceback comes into the log, and `time` knows the time of the decision.
    tool::run(command()?.args(["componentize", "plugin", "--output"]).arg(&out))?;
    fs::read(&out).with_context(|| format!("cannot read {}", out.display()))
}

//! Zig: its compiler, with the bindings for C.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};

use super::{Language, c};
use crate::{Project, component, tool};

/// Zig.
pub(super) const ZIG: Language = Language {
    name: "zig",
    aliases: &[],
    title: "Zig",
    files: &[
        (".gitignore", include_str!("../../templates/zig/gitignore")),
        ("README.md", include_str!("../../templates/zig/README.md")),
    ],
    sources: sources!["zig": "plugin.zig", "zig": "test_plugin.zig"],
    support: &[],
    build,
};

const HOW: &str = "python3 -m venv .venv && .venv/bin/pip install ziglang    (in the project's folder)\n\
                   or from https://ziglang.org: 0.15 or newer";

/// Bytes of its stack. Zig's default is 16 MiB, which every instance would have.
const STACK: u32 = 256 << 10;

const TARGET: &str = "wasm32-wasi";

fn build(project: &Project) -> Result<Vec<u8>> {
    let mut translation = compiler(project)?;
    let mut command = compiler(project)?;
    let bindings = c::bindings(project)?;
    if !project.folder.join(".zig-cache").is_dir() {
        tool::tell("zig: the first time with its library for C, for about a minute");
    }
    let header = project.folder.join("bindings/plugin.h");
    translation.current_dir(&project.folder).arg("translate-c").arg(header).args(["-target", TARGET, "-lc"]);
    let translated = tool::output(&mut translation)?;
    fs::write(project.folder.join("bindings/c.zig"), translated).context("cannot write bindings/c.zig")?;
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let out = folder.path().join("core.wasm");
    command.current_dir(&project.folder).args(["build-exe", "plugin.zig"]).args(bindings);
    command.args(["-target", TARGET, "-lc", "-mexec-model=reactor", "-fno-entry", "-O", "ReleaseSmall"]);
    command.args(["-rdynamic", "-fno-strip", "-Ibindings", "--stack", &STACK.to_string()]);
    command.arg("--cache-dir").arg(project.folder.join(".zig-cache"));
    tool::run(command.arg(format!("-femit-bin={}", out.display())))?;
    let module = fs::read(&out).with_context(|| format!("cannot read {}", out.display()))?;
    component::wrap(&component::stripped(&module)?)
}

/// `zig`, or that of Python's package.
fn compiler(project: &Project) -> Result<Command> {
    let why = "compile Zig";
    if let Ok(zig) = tool::find("zig", &[], why, HOW) {
        return Ok(Command::new(zig));
    }
    let places = tool::of_python(&project.folder);
    for name in ["python", "python3"] {
        let Ok(python) = tool::find(name, &places, why, HOW) else { continue };
        let mut command = Command::new(&python);
        if command.args(["-c", "import ziglang"]).output().is_ok_and(|output| output.status.success()) {
            let mut command = Command::new(python);
            command.args(["-m", "ziglang"]);
            return Ok(command);
        }
    }
    tool::find("zig", &[], why, HOW).map(Command::new)
}

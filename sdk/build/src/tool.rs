//! Tools of other languages: where they are, and what is said when one is missing or fails.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// A program of this name in one of these folders, or else on the path. `why` completes "… needs it to …", `how` is a line
/// or more that gets it.
///
/// # Errors
///
/// When there is none; the message has its name, `why` and `how`.
pub fn find(name: &str, folders: &[PathBuf], why: &str, how: &str) -> Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut places = folders.iter().cloned().chain(env::split_paths(&path)).map(|folder| folder.join(name));
    match places.find(|place| place.is_file()) {
        Some(found) => Ok(found),
        None => bail!("there is no `{name}`, which is needed to {why}. Get it by\n  {}", how.replace('\n', "\n  ")),
    }
}

/// Where a virtual environment of Python keeps programs: that of the project, and the one that is active.
pub fn of_python(project: &Path) -> Vec<PathBuf> {
    let active = env::var_os("VIRTUAL_ENV").map(PathBuf::from);
    [Some(project.join(".venv")), active].into_iter().flatten().map(|folder| folder.join("bin")).collect()
}

/// Runs a command to its end, in silence.
///
/// # Errors
///
/// When it cannot be started, or fails: then with what it wrote.
pub fn run(command: &mut Command) -> Result<()> {
    output(command).map(drop)
}

/// The same; answers what it wrote to its first output.
///
/// # Errors
///
/// As there.
pub fn output(command: &mut Command) -> Result<Vec<u8>> {
    let name = Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
    // Where a tool gave up, in its own sources, tells an author nothing; some are in Rust.
    let output = command.env("RUST_BACKTRACE", "0").output().with_context(|| format!("cannot start `{name}`"))?;
    if !output.status.success() {
        let written = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).trim().to_owned());
        bail!("`{name}` failed ({}):\n{}", output.status, written.join("\n").trim());
    }
    Ok(output.stdout)
}

/// Tells on stderr what takes a while.
pub fn tell(what: &str) {
    eprintln!("{what}");
}

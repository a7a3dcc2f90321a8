//! Components that `cargo plugins --out DIR` built from the sources here, in place of the committed ones.
//!
//! `TRIMTAB_REBUILT=DIR` (from the project's root, where not absolute) makes every started host use
//! them. This module does not build them: `tests/run` does.

use std::path::PathBuf;

/// The built-in that a configuration may mean without naming it.
const UNNAMED: &str = "round-robin";

/// The folder of rebuilt components, where the tests are to use them.
#[must_use]
pub fn folder() -> Option<PathBuf> {
    std::env::var_os("TRIMTAB_REBUILT").map(|folder| crate::plugin::root().join(folder))
}

/// The rebuilt component of this name, for tests that make no sense without.
#[must_use]
pub fn component(name: &str) -> PathBuf {
    let folder = folder().expect("TRIMTAB_REBUILT is the folder of rebuilt components: `tests/run` sets it");
    let path = folder.join(format!("{name}.wasm"));
    assert!(path.is_file(), "{} is missing: `cargo plugins --out {}`", path.display(), folder.display());
    path
}

/// The configuration with the rebuilt built-ins, if there are any: a section for each that it uses
/// and does not replace itself.
pub(crate) fn instead_of_built_ins(mut config: String) -> String {
    let Some(folder) = folder() else { return config };
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for path in files.flatten().map(|file| file.path()).filter(|path| path.extension().is_some_and(|e| e == "wasm")) {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        // In quotes, since one name ends with the other.
        let named = config.contains(&format!("'{name}'")) || config.contains(&format!("\"{name}\""));
        let section = format!("[plugin.{name}]");
        if (named || name == UNNAMED) && !config.contains(&section) {
            config.push_str(&format!("\n{section}\ncomponent = '{}'\n", path.display()));
        }
    }
    config
}

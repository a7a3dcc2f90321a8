//! The sources of the SDK for Rust as a list, since new projects in Rust bring them along.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("../rust/src");
    let root = root.canonicalize()?;
    println!("cargo::rerun-if-changed={}", root.display());
    let mut files = Vec::new();
    collect(&root, &mut files)?;
    files.sort();
    let mut list = String::from("&[\n");
    for file in files {
        let name = file.strip_prefix(&root).unwrap_or(&file).display();
        // Writing into a string does not fail.
        let _ = writeln!(list, "    ({:?}, include_str!({:?})),", format!("sdk/rust/src/{name}"), file);
    }
    list += "    (\"sdk/rust/Cargo.toml\", include_str!(\"../../templates/rust/sdk.toml\")),\n]\n";
    let template = root.join("../../build/templates/rust/sdk.toml").canonicalize()?;
    let list = list.replace("../../templates/rust/sdk.toml", &template.display().to_string());
    fs::write(PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("sdk.rs"), list)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { collect(&path, files)? } else { files.push(path) }
    }
    Ok(())
}

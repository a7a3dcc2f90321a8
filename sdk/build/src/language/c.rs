//! C: clang with wasi-libc, and bindings that each build generates.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use wit_bindgen_c::Opts;
use wit_bindgen_core::Files;
use wit_bindgen_core::wit_parser::Resolve;

use super::Language;
use crate::{Project, component, tool};

/// C.
pub(super) const C: Language = Language {
    name: "c",
    aliases: &[],
    title: "C",
    files: &[
        (".gitignore", include_str!("../../templates/c/gitignore")),
        ("README.md", include_str!("../../templates/c/README.md")),
    ],
    sources: sources!["c": "plugin.c", "c": "test_plugin.c"],
    support: &[],
    build,
};

const HOW: &str = "apt-get install --no-install-recommends clang-22 lld-22 libclang-rt-22-dev-wasm32 wasi-libc    (Debian 12 and \
                   later; any clang from 16 on will do)";

fn build(project: &Project) -> Result<Vec<u8>> {
    let (clang, linker) = compiler()?;
    let bindings = bindings(project)?;
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let out = folder.path().join("core.wasm");
    let mut command = Command::new(clang);
    command.current_dir(&project.folder).args(["--target=wasm32-wasi", "-mexec-model=reactor", "-Oz", "-flto"]);
    // The newer name of the target is not that of the folders which Debian's library is in.
    command.args(["-Wno-deprecated", "-Wall", "-Wno-unused-parameter", "-Wl,--strip-debug", "-Ibindings"]);
    command.arg(format!("-fuse-ld={}", linker.display())).arg("plugin.c").args(bindings);
    tool::run(command.arg("-o").arg(&out))?;
    component::wrap(&fs::read(&out).with_context(|| format!("cannot read {}", out.display()))?)
}

/// Generates the bindings into `bindings/`, and answers what is to be compiled and linked of them.
pub(super) fn bindings(project: &Project) -> Result<[PathBuf; 2]> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(project.wit()?)?;
    let world = resolve.select_world(&[package], Some(&project.world()))?;
    let folder = project.emptied("bindings")?;
    // The same names for all worlds.
    let options = Opts { rename_world: Some("plugin".to_owned()), ..Opts::default() };
    let mut files = Files::default();
    options.build().generate(&mut resolve, world, &mut files).context("no bindings for C")?;
    for (name, bytes) in files.iter() {
        fs::write(folder.join(name), bytes).with_context(|| format!("cannot write {name}"))?;
    }
    Ok([folder.join("plugin.c"), folder.join("plugin_component_type.o")])
}

/// The newest clang on the path, and the linker of its version.
fn compiler() -> Result<(PathBuf, PathBuf)> {
    let why = "compile C to WebAssembly";
    let versions = (16..100).rev();
    let path = env::var_os("PATH").unwrap_or_default();
    let is_there = |name: &str| env::split_paths(&path).any(|folder| folder.join(name).is_file());
    let numbered = versions.map(|version| (format!("clang-{version}"), format!("wasm-ld-{version}")));
    let mut pairs = numbered.chain([("clang".to_owned(), "wasm-ld".to_owned())]);
    let (clang, linker) = pairs
        .find(|(clang, linker)| is_there(clang) && is_there(linker))
        .unwrap_or_else(|| ("clang-22".to_owned(), "wasm-ld-22".to_owned()));
    let found = (tool::find(&clang, &[], why, HOW)?, tool::find(&linker, &[], "link WebAssembly", HOW)?);
    let library = Path::new("/usr/include/wasm32-wasi");
    if env::var_os("WASI_SYSROOT").is_none() && !library.is_dir() {
        anyhow::bail!(
            "there is no {}, the library for C, which is needed to {why}. Get it by\n  {HOW}",
            library.display()
        );
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Role;

    #[test]
    fn bindings_are_made_for_each_role() {
        let folder = tempfile::tempdir().expect("a folder");
        for role in Role::ALL {
            let role_name = role.name();
            let at = folder.path().join(role_name);
            let made = bindings(&Project::create(&at, "steer", &C, role).expect("a project")).expect("bindings");
            assert!(made.iter().all(|path| path.is_file()), "{made:?}");
            let header = fs::read_to_string(at.join("bindings/plugin.h")).expect("a header");
            assert!(header.contains(&format!("exports_trimtab_plugin_{role_name}_configure(")), "{role_name}");
        }
    }
}

//! What is in `bindings/` of a project in Go: the generated bindings, and what connects them to the project.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use wit_bindgen_core::Files;
use wit_bindgen_core::wit_parser::{Function, Resolve, WorldId, WorldItem, WorldKey};
use wit_bindgen_go::{Format, Opts};

use crate::Project;

/// The stand-in for `go.bytecodealliance.org/pkg`, and what stands around calls: the same for all projects, but for the name
/// of the module.
const SUPPORT: &[(&str, &str)] = &[
    ("pkg/go.mod", include_str!("../../../../go/pkg/go.mod")),
    ("pkg/wit/runtime/runtime.go", include_str!("../../../../go/pkg/wit/runtime/runtime.go")),
    ("pkg/wit/runtime/realloc_wasm.go", include_str!("../../../../go/pkg/wit/runtime/realloc_wasm.go")),
    ("pkg/wit/types/types.go", include_str!("../../../../go/pkg/wit/types/types.go")),
    ("guard/guard.go", include_str!("../../../../go/guard/guard.go")),
    ("component/main.go", include_str!("../../../../go/component/main.go")),
];

/// Writes them, in place of those that are there.
pub(super) fn write(project: &Project) -> Result<()> {
    let module = module(&project.folder)?;
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(project.wit()?)?;
    let world = resolve.select_world(&[package], Some(&project.world()))?;
    let folder = project.emptied("bindings")?;
    for (path, text) in SUPPORT {
        put(&folder, path, text.replace("{{module}}", &module))?;
    }
    for (path, text) in connections(&resolve, world, &module)? {
        put(&folder, &path, text)?;
    }
    let options = Opts { format: Format::False, pkg_name: Some(format!("{module}/bindings")), ..Opts::default() };
    let mut files = Files::default();
    options.build().generate(&mut resolve, world, &mut files).context("no bindings for Go")?;
    files.iter().try_for_each(|(path, text)| put(&folder, path, text))
}

/// The name of the module, which paths of imports begin with.
fn module(folder: &Path) -> Result<String> {
    let path = folder.join("go.mod");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let name = text.lines().find_map(|line| line.strip_prefix("module ")).map(|name| name.trim().trim_matches('"'));
    name.map(str::to_owned).with_context(|| format!("{} names no module", path.display()))
}

/// For each interface that the world exports the package that the generated code calls: it calls the project's.
fn connections(resolve: &Resolve, world: WorldId, module: &str) -> Result<Vec<(String, String)>> {
    let mut packages = Vec::new();
    for (key, item) in &resolve.worlds[world].exports {
        let (WorldKey::Interface(id), WorldItem::Interface { .. }) = (key, item) else {
            bail!("the world exports something that is no interface by name, which is not supported for Go");
        };
        let interface = &resolve.interfaces[*id];
        let (Some(name), Some(package)) = (&interface.name, interface.package) else {
            bail!("an interface without a name")
        };
        let of = &resolve.packages[package].name;
        let package = format!("export_{}_{}_{name}", of.namespace, of.name).replace('-', "_");
        let functions: String = interface.functions.values().map(connection).collect();
        let text = format!(
            "// Package {package} calls the plugin.\npackage {package}\n\nimport (\n\tplugin \"{module}\"\n\t\"{module}/\
             bindings/guard\"\n)\n\nvar (\n{functions})\n"
        );
        packages.push((format!("exports/{package}/plugin.go"), text));
    }
    Ok(packages)
}

/// A line such as `Pick = guard.Get1(plugin.Pick)`.
fn connection(function: &Function) -> String {
    let mut name = String::new();
    for word in function.name.split('-') {
        let (first, rest) = word.split_at(usize::from(!word.is_empty()));
        name.extend([first.to_uppercase().as_str(), rest]);
    }
    let kind = if function.result.is_some() { "Get" } else { "Do" };
    format!("\t{name} = guard.{kind}{}(plugin.{name})\n", function.params.len())
}

fn put(folder: &Path, path: &str, text: impl AsRef<[u8]>) -> Result<()> {
    let path = folder.join(path);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
    }
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}

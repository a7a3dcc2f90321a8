//! The committed components of the built-ins: of their present sources, and what they should be.

use std::fs;
use std::path::{Path, PathBuf};

use trimtab_build::{Guest, Kind, component, digest, guest};

fn root() -> PathBuf {
    guest::root(Path::new(env!("CARGO_MANIFEST_DIR"))).expect("the workspace")
}

fn built_ins(root: &Path) -> Vec<Guest> {
    guest::all(root).expect("guests").into_iter().filter(|guest| guest.kind == Kind::BuiltIn).collect()
}

#[test]
fn they_are_of_their_sources() {
    let stale: Vec<_> = built_ins(&root()).iter().filter_map(|guest| digest::check(&root(), guest).err()).collect();
    let reasons: Vec<_> = stale.iter().map(|error| format!("{error:#}")).collect();
    assert!(reasons.is_empty(), "\n{}\n", reasons.join("\n"));
}

#[test]
fn nothing_is_left_of_removed_ones() {
    let names: Vec<_> = built_ins(&root()).into_iter().map(|guest| guest.name).collect();
    for entry in fs::read_dir(root().join("plugins/dist")).expect("plugins/dist") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().expect("a name").to_string_lossy();
        assert!(names.iter().any(|known| *known == name), "{} belongs to no plugin", path.display());
    }
}

/// The interfaces that a plugin may export, with what their worlds import.
const WORLDS: [(&str, &[&str]); 4] = [
    ("balancer", &["types", "request", "load", "table", "log"]),
    ("affinity", &["types", "request", "load", "table", "log", "response"]),
    ("router", &["types", "request", "pools", "table", "log"]),
    ("shaper", &["types", "log"]),
];

#[test]
fn they_export_their_interface_and_import_only_facts() {
    for guest in built_ins(&root()) {
        let bytes = fs::read(guest.component(&root())).expect("the component");
        let (imports, exports) = component::interfaces(&bytes).expect("a component");
        let full = |name: &str| format!("trimtab:plugin/{name}@0.1.0");
        let beside = ["observer", "handoff"].map(full);
        let decisions: Vec<_> = exports.iter().filter(|export| !beside.contains(export)).collect();
        let world = WORLDS.iter().find(|(decision, _)| decisions == [&full(decision)]);
        let Some((_, allowed)) = world else { panic!("{} exports {exports:?}", guest.name) };
        for import in imports {
            assert!(allowed.iter().any(|name| full(name) == import), "{} imports {import}", guest.name);
        }
    }
}

/// A copy of what a built-in is made of, to be changed.
fn copy(guest: &Guest) -> tempfile::TempDir {
    fn tree(from: &Path, to: &Path) {
        if from.is_dir() {
            fs::create_dir_all(to).expect("a folder");
            for entry in fs::read_dir(from).expect("a folder") {
                let entry = entry.expect("an entry");
                tree(&entry.path(), &to.join(entry.file_name()));
            }
        } else {
            fs::copy(from, to).expect("a copy");
        }
    }
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir_all(folder.path().join("sdk")).expect("a folder");
    let plugin = format!("plugins/{}", guest.name);
    fs::create_dir_all(folder.path().join("plugins")).expect("a folder");
    for part in ["Cargo.toml", "Cargo.lock", "wit", "sdk/rust", "plugins/dist", &plugin] {
        tree(&root().join(part), &folder.path().join(part));
    }
    folder
}

#[test]
fn a_change_is_noticed_where_it_matters() {
    let here = built_ins(&root()).remove(0);
    let folder = copy(&here);
    let root = folder.path();
    let guest = Guest { folder: root.join("plugins").join(&here.name), ..here };
    digest::record(root, &guest).expect("recorded");
    let append = |path: PathBuf| {
        let mut bytes = fs::read(&path).expect("a file");
        bytes.push(b'\n');
        fs::write(&path, bytes).expect("a file");
    };

    append(guest.folder.join("README.md"));
    fs::write(guest.folder.join("tests/more.rs"), "").expect("a file");
    digest::check(root, &guest).expect("tests and READMEs are no sources");

    for source in [guest.folder.join("src/lib.rs"), root.join("sdk/rust/src/lib.rs"), root.join("wit/types.wit")] {
        append(source);
        let error = digest::check(root, &guest).expect_err("a changed source").to_string();
        assert!(
            error.contains("present sources") && error.contains(&format!("`cargo plugins {}`", guest.name)),
            "{error}"
        );
        digest::record(root, &guest).expect("recorded");
    }

    append(guest.component(root));
    let error = digest::check(root, &guest).expect_err("a changed component").to_string();
    assert!(error.contains("not the component that was recorded"), "{error}");
}

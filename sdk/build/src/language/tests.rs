//! The templates: they agree with each other and with the WIT.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use wit_parser::{Resolve, TypeDefKind};

use super::ALL;
use crate::{Project, Role};

fn resolve() -> Resolve {
    let mut resolve = Resolve::default();
    resolve.push_path(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit")).expect("the WIT");
    resolve
}

/// `in-flight-all` is `inFlightAll` in JavaScript.
fn camel(name: &str) -> String {
    let (first, rest) = name.split_once('-').unwrap_or((name, ""));
    let words = rest.split('-').filter(|word| !word.is_empty());
    words.fold(first.to_owned(), |name, word| name + &word[..1].to_uppercase() + &word[1..])
}

#[test]
fn names_are_of_one_language() {
    let mut seen = BTreeSet::new();
    for language in ALL {
        for name in language.aliases.iter().chain([&language.name]) {
            assert!(seen.insert(name), "{name} is twice");
        }
    }
}

#[test]
fn new_projects_have_what_they_need() {
    for language in ALL {
        let shared: Vec<_> = language.files.iter().map(|(path, _)| *path).collect();
        assert!(shared.contains(&"README.md") && shared.contains(&".gitignore"), "{}: {shared:?}", language.name);
        let [(source, sources), (test, tests)] = language.sources else {
            panic!("{} has another number of sources than a plugin and its test", language.name)
        };
        assert!(test.contains("test") && !source.contains("test"), "{}: {source}, {test}", language.name);
        for texts in [sources, tests] {
            let different: BTreeSet<_> = texts.iter().collect();
            assert_eq!(different.len(), Role::ALL.len(), "{}: a text of its own for each role", language.name);
        }
    }
}

#[test]
fn a_project_is_of_its_role_and_no_word_is_left() {
    let folder = tempfile::tempdir().expect("a folder");
    for language in ALL {
        for role in Role::ALL {
            let at = folder.path().join(format!("{}-{}", language.name, role.name()));
            let project = Project::create(&at, "my-steer", language, role).expect("a project");
            assert_eq!(project.world(), format!("{}-plugin", role.name()));
            let read = |path: &str| fs::read_to_string(at.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
            let own =
                language.files.iter().map(|(path, _)| *path).chain(language.sources.iter().map(|(path, _)| *path));
            for path in own.chain(["plugin.toml", "trimtab.toml"]) {
                for word in ["{{name}}", "{{snake}}", "{{Role}}", "{{story}}", "{{command}}"] {
                    assert!(!read(path).contains(word), "{word} in {path} of {}", at.display());
                }
            }
            let readme = read("README.md");
            assert!(readme.contains(role.story()) && readme.contains(role.command()), "{readme}");
        }
    }
}

#[test]
fn the_types_of_typescript_have_all_of_the_wit() {
    let (_, types) =
        super::named("ts").and_then(|ts| ts.files.iter().find(|(path, _)| *path == "trimtab.d.ts")).expect("types");
    let resolve = resolve();
    for (_, interface) in &resolve.interfaces {
        let name = interface.name.as_deref().expect("ours have names");
        let begin = format!("declare module \"trimtab:plugin/{name}@0.1.0\" {{\n");
        let (_, rest) = types.split_once(&begin).unwrap_or_else(|| panic!("no {name}"));
        let (module, _) = rest.split_once("\n}\n").expect("a module ends");
        for function in interface.functions.values() {
            let parameters: Vec<_> = function.params.iter().map(|param| camel(&param.name)).collect();
            let line = module.lines().find(|line| line.trim().starts_with(&format!("{}(", camel(&function.name))));
            let line = line.unwrap_or_else(|| panic!("no {name}.{}", function.name));
            let begins = line.split(", ").zip(&parameters).all(|(part, name)| part.contains(&format!("{name}: ")));
            assert!(begins && line.matches(": ").count() >= parameters.len(), "{name}: {line}");
        }
        for (name, id) in &interface.types {
            let words: Vec<_> = match &resolve.types[*id].kind {
                TypeDefKind::Record(record) => record.fields.iter().map(|field| camel(&field.name) + ": ").collect(),
                TypeDefKind::Enum(cases) => cases.cases.iter().map(|case| format!("\"{}\"", case.name)).collect(),
                TypeDefKind::Variant(cases) => {
                    cases.cases.iter().map(|case| format!("tag: \"{}\"", case.name)).collect()
                }
                _ => continue,
            };
            for word in words {
                assert!(module.contains(&word), "{name} has no `{word}`");
            }
        }
    }
}

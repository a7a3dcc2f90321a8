//! The templates: they agree with each other and with the WIT.

use std::collections::BTreeSet;
use std::path::Path;

use wit_parser::{Resolve, TypeDefKind};

use super::ALL;

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
        let paths: Vec<_> = language.files.iter().map(|(path, _)| *path).collect();
        assert!(paths.contains(&"README.md") && paths.contains(&".gitignore"), "{}: {paths:?}", language.name);
        let has_test = paths.iter().any(|path| path.contains("test"));
        let readme = language.files.iter().find(|(path, _)| *path == "README.md").map(|(_, text)| *text);
        let tells = readme.is_some_and(|text| text.contains("trimtab plugin test"));
        assert!(has_test || tells, "{} has no test: {paths:?}", language.name);
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

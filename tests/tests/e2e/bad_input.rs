//! What is wrong with a configuration or a component is said at once and clearly, and nothing starts half-way.

use std::path::Path;
use std::process::Output;

use trimtab_tests::{Backend, Folder, Host, Setup, plugin, trimtab};

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout)
}

fn check(path: &Path) -> Output {
    trimtab(&["check", &path.to_string_lossy()])
}

#[test]
fn a_good_configuration_is_ok() {
    let a = Backend::echo("a");
    let folder = Folder::new();
    let output = check(&folder.write("good.toml", Setup::over(&[&a]).text()));
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert_eq!(a.connections(), 0, "a check connects to nobody");
}

#[test]
fn all_errors_are_told_at_once_with_place_and_suggestion() {
    let folder = Folder::new();
    let config = "[server]\nworker = 2\n\n[[listener]]\nname = \"web\"\naddress = \"127.0.0.1\"\npool = \"wbe\"\n\n\
                  [pool.web]\nbalancer = \"round-robbin\"\nbackends = [\"127.0.0.1:99999\"]\nretries = \"two\"\n";
    let output = check(&folder.write("bad.toml", config));
    let text = text(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    for (what, place) in [
        ("worker", "bad.toml:2"),
        ("127.0.0.1", "bad.toml:6"),
        ("wbe", "bad.toml:7"),
        ("round-robbin", "bad.toml:10"),
        ("127.0.0.1:99999", "bad.toml:11"),
        ("retries", "bad.toml:12"),
    ] {
        assert!(text.contains(what), "{what} in:\n{text}");
        assert!(text.contains(place), "{place} in:\n{text}");
    }
    for suggestion in ["workers", "round-robin"] {
        assert!(
            text.contains(&format!("`{suggestion}`")) || text.contains(&format!("\"{suggestion}\"")),
            "{suggestion} in:\n{text}"
        );
    }
    assert!(text.contains('^'), "the text is underlined:\n{text}");
}

#[test]
fn what_is_no_toml_is_told_with_its_place() {
    let folder = Folder::new();
    let output = check(&folder.write("bad.toml", "[server]\nworkers = = 2\n"));
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("bad.toml:2:"), "{}", text(&output));
}

#[test]
fn a_file_that_cannot_be_read_is_told() {
    let folder = Folder::new();
    for command in ["check", "run"] {
        for path in [folder.path("missing.toml"), folder.root().to_owned()] {
            let output = trimtab(&[command, &path.to_string_lossy()]);
            assert_eq!(output.status.code(), Some(1), "{command}: {}", text(&output));
            assert!(text(&output).contains(&*path.to_string_lossy()), "{}", text(&output));
        }
    }
    let output = check(&folder.write("latin.toml", b"# \xff\n"));
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
}

#[test]
fn usage_errors_are_2_and_help_is_0() {
    for arguments in [&["runn"][..], &["run"], &["check", "--what", "x"]] {
        assert_eq!(trimtab(arguments).status.code(), Some(2), "{arguments:?}");
    }
    for arguments in [&["--help"][..], &["run", "--help"], &["--version"]] {
        let output = trimtab(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert!(!output.stdout.is_empty(), "{arguments:?}");
    }
}

/// Checks and runs a configuration with this component; both fail in the same words, which these are part of.
fn refused(component: &[u8], words: &[&str]) {
    let a = Backend::echo("a");
    let folder = Folder::new();
    folder.write("mine.wasm", component);
    let config = Setup::over(&[&a]).pool("balancer = 'mine'").more("[plugin.mine]\ncomponent = 'mine.wasm'").text();
    let checked = check(&folder.write("checked.toml", &config));
    let mut host = Host::spawn(folder, &config);
    let status = host.wait();
    for (code, text) in [(checked.status.code(), text(&checked)), (status.code(), host.log())] {
        assert_eq!(code, Some(1), "{text}");
        for word in [&["mine.wasm", "mine"], words].concat() {
            assert!(text.to_lowercase().contains(&word.to_lowercase()), "{word} in:\n{text}");
        }
        assert!(!text.contains("panicked"), "{text}");
        assert!(!text.contains("listening"), "nothing has listened:\n{text}");
    }
    assert_eq!(a.connections(), 0);
}

#[test]
fn a_component_that_is_none() {
    refused(b"this is no wasm at all", &["component"]);
}

#[test]
fn an_empty_component() {
    refused(b"", &["component"]);
}

#[test]
fn a_core_module_where_a_component_is_wanted() {
    refused(b"\0asm\x01\0\0\0", &["module", "component"]);
}

#[test]
fn a_component_that_is_cut() {
    let whole = plugin::balancer("first.wat");
    refused(&whole[..whole.len() / 2], &[]);
}

#[test]
fn a_component_of_the_wrong_world() {
    refused(&plugin::component(&plugin::text("router.wat"), "router-plugin", None), &["balancer"]);
}

#[test]
fn a_component_that_imports_what_we_do_not_offer() {
    let more = "package acme:strange; interface sky { colour: func() -> u32; } \
                world strange-plugin { import sky; export trimtab:plugin/balancer@0.1.0; }";
    let import = "(module (import \"acme:strange/sky\" \"colour\" (func (result i32)))";
    let wat = plugin::text("first.wat").replacen("(module", import, 1);
    refused(&plugin::component(&wat, "strange-plugin", Some(more)), &["acme:strange/sky"]);
}

#[test]
fn a_plugin_that_does_not_like_its_settings() {
    refused(&plugin::balancer("configure-error.wat"), &["percent must be a number"]);
}

#[test]
fn a_plugin_that_traps_when_configured() {
    refused(&plugin::balancer("configure-trap.wat"), &["configure", "unreachable"]);
}

#[test]
fn a_plugin_that_never_ends_to_configure() {
    refused(&plugin::balancer("configure-loop.wat"), &["configure", "deadline"]);
}

#[test]
fn a_plugin_that_traps_on_its_table() {
    refused(&plugin::balancer("update-trap.wat"), &["update", "unreachable"]);
}

#[test]
fn a_component_that_is_not_there() {
    let a = Backend::echo("a");
    let folder = Folder::new();
    let config = Setup::over(&[&a]).pool("balancer = 'mine'").more("[plugin.mine]\ncomponent = 'nowhere.wasm'").text();
    let output = check(&folder.write("checked.toml", config));
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    for word in ["nowhere.wasm", "mine"] {
        assert!(text(&output).contains(word), "{word} in:\n{}", text(&output));
    }
}

#[test]
fn an_address_in_use_is_told() {
    let a = Backend::echo("a");
    let taken = a.address();
    let config = Setup::over(&[&a]).text().replace("\"127.0.0.1:0\"", &format!("\"{taken}\""));
    let mut host = Host::spawn(Folder::new(), &config);
    assert_eq!(host.wait().code(), Some(1), "{}", host.log());
    assert!(host.log().contains(&taken.to_string()), "{}", host.log());
}

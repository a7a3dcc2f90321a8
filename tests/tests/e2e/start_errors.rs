//! Plugins in places that they are not made for: said at the start, with the plugin's name, and nothing starts.

use trimtab_tests::{Backend, Folder, Host, Setup, trimtab};

/// Checks and runs a configuration; both fail, and say all of these words.
fn refused(setup: &Setup, words: &[&str]) {
    let folder = Folder::new();
    let path = folder.write("checked.toml", setup.text());
    let checked = trimtab(&["check", &path.display().to_string()]);
    assert_eq!(checked.status.code(), Some(1), "check");
    let said = String::from_utf8_lossy(&checked.stdout).into_owned() + &String::from_utf8_lossy(&checked.stderr);
    says(&said, words);
    says(&not_started(folder, setup), words);
}

fn not_started(folder: Folder, setup: &Setup) -> String {
    let mut host = Host::spawn(folder, &setup.text());
    assert_eq!(host.wait().code(), Some(1), "run: {}", host.log());
    let log = host.log();
    assert!(!log.contains("listening") && !log.contains("panicked"), "{log}");
    log
}

fn says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word} in:\n{text}");
    }
}

#[test]
fn a_plugin_in_the_wrong_role() {
    let a = Backend::echo("a");
    let cases = [
        ("balancer = 'header-router'", &["header-router", "pool `web`", "balancer"][..]),
        ("balancer = { plugin = 'cookie' }", &["cookie", "pool `web`", "balancer"]),
        ("balancer = ['random', 'split']", &["split", "pool `web`", "balancer"]),
        ("affinity = 'random'", &["random", "pool `web`", "affinity"]),
        ("affinity = { plugin = 'zone', zone = 'x' }", &["zone", "pool `web`", "affinity"]),
        (
            "balancer = ['random', { plugin = 'zone', zone = 'x' }]",
            &["zone", "pool `web`", "no balancer comes behind it"],
        ),
        ("balancer = 'priority'", &["priority", "pool `web`", "no balancer comes behind it"]),
        ("balancer = [{ plugin = 'priority', key = 'path' }, 'random']", &["priority", "`key`"]),
    ];
    for (lines, words) in cases {
        refused(&Setup::over(&[&a]).pool(lines), words);
    }
    let route = "[[route]]\nname = 'api'\npath = '/'\npool = 'web'\nrouter = { plugin = 'random', pools = ['web'] }";
    refused(&Setup::over(&[&a]).more(route), &["random", "route `api`", "router"]);
}

#[test]
fn settings_that_a_built_in_does_not_take() {
    let a = Backend::echo("a");
    let cases = [
        ("{ plugin = 'p2c', choises = 3 }", &["p2c", "choises"][..]),
        ("{ plugin = 'p2c', choices = 1 }", &["p2c", "choices"]),
        ("{ plugin = 'random', anything = true }", &["random", "anything"]),
        ("{ plugin = 'first', max_in_flight = 0 }", &["first", "no backend would ever have room"]),
        ("{ plugin = 'maglev', bounded_load = 0.5 }", &["maglev", "must be 1 or more"]),
        ("{ plugin = 'maglev', table_size = 10 }", &["maglev", "table_size"]),
        ("{ plugin = 'ring-hash', points = 0 }", &["ring-hash", "points"]),
        ("{ plugin = 'peak-ewma', penalty = 0.5 }", &["peak-ewma", "penalty"]),
        ("[{ plugin = 'zone' }, 'random']", &["zone", "zone"]),
        ("[{ plugin = 'subset', size = 0 }, 'random']", &["subset", "it must be 1 or more"]),
    ];
    for (balancer, words) in cases {
        refused(&Setup::over(&[&a]).pool(&format!("balancer = {balancer}")), &[words, &["pool `web`"]].concat());
    }
    let route = "[[route]]\nname = 'api'\npath = '/'\npool = 'web'\n\
                 router = { plugin = 'split', pools = ['web'], percent = 5 }";
    refused(&Setup::over(&[&a]).more(route), &["split", "route `api`", "`percent` splits between 2 pools"]);
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let a = Backend::echo("a");
    let other = "[pool.other]\nbackends = []\nbalancer = { plugin = 'first', max_in_flight = 0 }";
    refused(
        &Setup::over(&[&a]).pool("balancer = { plugin = 'p2c', choises = 3 }").more(other),
        &["choises", "max_in_flight"],
    );
}

#[test]
fn too_few_instances_are_said_with_the_setting() {
    let a = Backend::echo("a");
    let setup = Setup::over(&[&a]).server("max_instances = 3").pool("balancer = ['random', 'p2c']").workers(2);
    says(&not_started(Folder::new(), &setup), &["max_instances", "pool `web`"]);
    let enough = Setup::over(&[&a]).server("max_instances = 5").pool("balancer = ['random', 'p2c']").workers(2);
    assert_eq!(enough.start().get("/").status, 200);
}

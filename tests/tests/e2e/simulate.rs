//! `trimtab simulate`: the worlds in `examples/simulations`, an access log of our own, and what is wrong with a description. That
//! figures are right is tested beside the simulator.

use std::fs;

use serde_json::Value;
use trimtab_tests::{Backend, Folder, Setup, eventually, plugin, trimtab};

fn simulate(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = trimtab(&[&["simulate"], arguments].concat());
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn json(arguments: &[&str]) -> Value {
    let (code, text, said) = simulate(&[arguments, &["--json"]].concat());
    assert_eq!(code, Some(0), "{said}");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text}"))
}

#[test]
fn the_examples_run() {
    let folder = plugin::root().join("examples/simulations");
    let read_me = fs::read_to_string(folder.join("README.md")).expect("README.md");
    let mut worlds = 0;
    for entry in fs::read_dir(&folder).expect("examples").flatten() {
        let path = entry.path().display().to_string();
        if !path.ends_with(".toml") {
            continue;
        }
        worlds += 1;
        let name = entry.file_name().display().to_string();
        assert!(read_me.contains(&format!("({name})")), "README.md tells of {name}");
        let out = Folder::new();
        let page = out.path("report.html");
        let arguments = [&*path, "--duration", "10s", "--html", &page.display().to_string()].map(str::to_owned);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let reports = [(); 2].map(|()| {
            let (code, text, said) = simulate(&arguments);
            assert_eq!(code, Some(0), "{path}: {said}");
            assert!(said.contains("requests in"), "how fast it went is told: {said}");
            (text, fs::read_to_string(&page).expect("the page"))
        });
        assert_eq!(reports[0], reports[1], "{path}: the same seed, the same bytes");
        let (text, page) = &reports[0];
        assert!(text.contains("p99.9 ms") && text.contains("imbalance, in flight"), "{text}");
        assert!(page.contains("<svg") && !page.contains("<script") && !page.contains("http:"), "{path}");
    }
    assert!(worlds > 0, "{} holds examples", folder.display());
}

#[test]
fn a_component_of_ones_own_takes_part_beside_a_built_in() {
    let folder = Folder::new();
    let first = folder.write("first.wasm", plugin::balancer("first.wat")).display().to_string();
    folder.write(
        "world.toml",
        "duration = '10s'\narrivals = { rate = 100.0 }\n[[backend]]\nid = 'b'\ncount = 2\ncapacity = 100\n\
         [[plugin]]\nbalancer = 'first.wasm'\n[[plugin]]\nbalancer = 'round-robin'\n",
    );
    let world = folder.path("world.toml").display().to_string();
    let report = json(&[&world]);
    let served = |at: usize| report["plugins"][at]["served"].as_array().cloned().unwrap_or_default();
    assert_eq!(served(0)[1], 0, "the first of them gets all: {report}");
    let difference = served(1)[0].as_i64().unwrap_or_default() - served(1)[1].as_i64().unwrap_or_default();
    assert!(difference.abs() <= 1, "{report}");
    assert_eq!(report["plugins"][0]["requests"], report["plugins"][1]["requests"], "both see the same requests");
    let other = json(&[&world, "--plugin", &format!("{first},p2c"), "--seed", "2"]);
    assert_eq!(other["plugins"][1]["plugin"], "p2c");
    assert_ne!(other["plugins"][0]["requests"], report["plugins"][0]["requests"], "another seed, another world");
}

#[test]
fn an_access_log_of_ours_is_played_again() {
    let backend = Backend::echo("a");
    let folder = Folder::new();
    let log = folder.path("access.log");
    let more = format!("[log]\naccess = '{}'", log.display());
    let host = Setup::over(&[&backend]).more(&more).start();
    for _ in 0..20 {
        assert_eq!(host.get("/").status, 200);
    }
    let lines = || fs::read_to_string(&log).unwrap_or_default().lines().count();
    eventually("all are in the log", || lines() == 20);
    folder.write(
        "world.toml",
        "duration = '60s'\narrivals = { log = 'access.log' }\n[[backend]]\nid = 'b'\ncount = 2\ncapacity = 4\n",
    );
    let report = json(&[&folder.path("world.toml").display().to_string(), "--plugin", "round-robin"]);
    assert_eq!(report["plugins"][0]["requests"], 20, "{report}");
    assert_eq!(report["plugins"][0]["served"], serde_json::json!([10, 10]));
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    let said = |text: &str, more: &[&str]| {
        let folder = Folder::new();
        let path = folder.write("world.toml", text).display().to_string();
        let (code, _, said) = simulate(&[&[&*path], more].concat());
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("world.toml"), "{said}");
        said
    };
    let world = "duration = '1s'\narrivals = { rate = 1.0 }\nbackend = [{ id = 'b' }]\n";
    let unknown = said(&format!("{world}colour = 'red'\n"), &[]);
    assert!(unknown.contains("line 4") && unknown.contains("unknown field `colour`"), "{unknown}");
    assert!(said(world, &[]).contains("nobody takes part"));
    assert!(said(world, &["--plugin", "nowhere.wasm"]).contains("nowhere.wasm"));
    let key = said(world, &["--plugin", "maglev", "--key", "colour:red"]);
    assert!(key.contains("maglev") && key.contains("colour"), "{key}");
    let log = "duration = '1s'\narrivals = { log = 'access.log' }\nbackend = [{ id = 'b' }]\n";
    assert!(said(log, &["--plugin", "p2c"]).contains("access.log"));
}

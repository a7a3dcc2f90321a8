//! `trimtab plugin bench`: figures of a plugin and of built-ins beside it, in each role. What they are is not judged here.

use serde_json::Value;
use trimtab_tests::{Folder, plugin, trimtab};

/// The exit code, what was printed, and what was complained.
fn bench(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = trimtab(&[&["plugin", "bench", "--rounds", "1"], arguments].concat());
    let [out, error] = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    (output.status.code(), out, error)
}

/// The plugins of the only role, by name.
fn figures(arguments: &[&str], role: &str) -> Vec<(String, Value)> {
    let (code, out, error) = bench(&[&["--json"], arguments].concat());
    assert_eq!(code, Some(0), "{out}{error}");
    let json: Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error} in {out}"));
    assert_eq!((json["roles"].as_array().map(Vec::len), json["roles"][0]["role"].as_str()), (Some(1), Some(role)));
    let plugins = json["roles"][0]["plugins"].as_array().cloned().unwrap_or_default();
    plugins.into_iter().map(|plugin| (plugin["name"].as_str().unwrap_or_default().to_owned(), plugin)).collect()
}

fn names(figures: &[(String, Value)]) -> Vec<&str> {
    figures.iter().map(|(name, _)| &**name).collect()
}

fn positive(of: &Value, key: &str) -> f64 {
    of[key].as_f64().filter(|figure| *figure > 0.0).unwrap_or_else(|| panic!("no {key} in {of:#}"))
}

/// What was asked over how many backends; each has figures that fit each other.
fn asked(of: &Value) -> Vec<(String, u64)> {
    let decisions = of["decisions"].as_array().cloned().unwrap_or_default();
    let asked = decisions.iter().map(|decision| {
        let [low, median, high] = ["p10_ns", "median_ns", "p99_ns"].map(|key| positive(decision, key));
        assert!(low <= median && median <= high, "{decision}");
        let what = decision["what"].as_str().unwrap_or_default().to_owned();
        (what, decision["backends"].as_u64().unwrap_or(u64::MAX))
    });
    asked.collect()
}

#[test]
fn a_balancer_beside_built_ins() {
    let folder = Folder::new();
    let file =
        folder.write("mine.wasm", plugin::roomy_picker("(return (call $backend (i32.const 0)))")).display().to_string();
    let all = figures(&[&file], "balancer");
    assert_eq!(names(&all), [&*file, "round-robin", "random", "p2c", "least-connections", "maglev"]);
    for (name, of) in &all {
        for key in ["size", "compile_us", "start_us", "memory_at_first_bytes"] {
            positive(of, key);
        }
        assert!(positive(of, "memory_bytes") >= positive(of, "memory_at_first_bytes"), "{name}");
        let updates = ["first_update_us", "update_us", "adjust_us"].map(|key| positive(&of["table"], key));
        assert!(updates[2] < updates[1], "{name}: an `adjust` of one is less than an `update` of all: {of:#}");
        assert_eq!(asked(of), [3, 100, 1000, 10_000].map(|size| ("pick".to_owned(), size)), "{name}");
    }
    let size = std::fs::metadata(&file).expect("the component").len();
    assert_eq!(all[0].1["size"], size);
}

#[test]
fn each_role_is_asked_what_it_is_for() {
    let affinity = figures(&["cookie", "--only"], "affinity");
    let questions = ["find, bound", "find, new client", "bind, first response", "bind, later"];
    let of_sizes = |question: &str| [3, 100, 1000, 10_000].map(|size| (question.to_owned(), size));
    assert_eq!((names(&affinity), asked(&affinity[0].1)), (vec!["cookie"], questions.map(of_sizes).concat()));
    let router = figures(&["split", "--settings", r#"{"weights":[2,1,1]}"#], "router");
    assert_eq!(names(&router), ["split", "header-router"]);
    assert_eq!((asked(&router[0].1), &router[0].1["table"]), (vec![("route".to_owned(), 0)], &Value::Null));
    let shaper = figures(&["zone", "--settings", r#"{"zone":"a"}"#, "--against", "priority"], "shaper");
    assert_eq!((names(&shaper), asked(&shaper[1].1)), (vec!["zone", "priority"], of_sizes("shape").to_vec()));
}

#[test]
fn what_cannot_be_measured_says_why() {
    let folder = Folder::new();
    let file = |name: &str, component: Vec<u8>| folder.write(name, component).display().to_string();
    for (arguments, words) in [
        (vec![file("trap.wasm", plugin::roomy_picker("unreachable"))], vec!["trap.wasm failed: trap", "unreachable"]),
        (
            vec![file("loop.wasm", plugin::roomy_picker("(loop $again (br $again))"))],
            vec!["loop.wasm failed", "deadline"],
        ),
        (
            vec![file("down.wasm", plugin::roomy_picker("(return (call $verdict (i32.const 0) (i32.const 20000)))"))],
            vec!["down.wasm failed: invalid", "20000"],
        ),
        (vec![file("table.wasm", plugin::balancer("update-trap.wat"))], vec!["table.wasm", "`update`"]),
        (vec!["nowhere.wasm".to_owned()], vec!["nowhere.wasm"]),
        (vec!["split".to_owned()], vec!["split as router", "does not accept its settings", "--settings", "--pools"]),
        (vec!["random".to_owned(), "--role".to_owned(), "router".to_owned()], vec!["random is no router"]),
        (vec!["random".to_owned(), "--against".to_owned(), "cookie".to_owned()], vec!["`cookie` is no balancer"]),
    ] {
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let (code, out, error) = bench(&arguments);
        assert_eq!(code, Some(1), "{arguments:?}: {out}{error}");
        for word in words {
            assert!(error.contains(word), "{arguments:?}: {word} in {error}");
        }
    }
    assert_eq!(bench(&["random", "--rounds", "0"]).0, Some(2));
}

#[test]
fn the_tables_are_for_people() {
    let (code, text, error) = bench(&["random", "--against", "p2c"]);
    assert_eq!(code, Some(0), "{error}");
    for words in ["balancer\n", "ns of 3 ", "ns of 10000", "\n  random ", "\n  p2c ", "component", "first update"] {
        assert!(text.contains(words), "{words} in:\n{text}");
    }
    let widths: Vec<_> = text.lines().skip(2).take(3).map(|line| line.chars().count()).collect();
    assert!(widths.iter().all(|width| *width == widths[0]), "columns end alike:\n{text}");
}

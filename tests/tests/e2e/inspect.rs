//! `trimtab plugin inspect`: what it says of good files and of bad ones, and its exit code.

use serde_json::Value;
use trimtab_tests::{Folder, plugin, trimtab};

/// The exit code and what is printed about a file of these bytes.
fn inspect(bytes: &[u8], more: &[&str]) -> (Option<i32>, String) {
    let folder = Folder::new();
    let path = folder.write("mine.wasm", bytes).display().to_string();
    let output = trimtab(&[&["plugin", "inspect", &path], more].concat());
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

fn inspect_json(bytes: &[u8]) -> (Option<i32>, Value) {
    let (code, text) = inspect(bytes, &["--json"]);
    (code, serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text}")))
}

fn says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word} in:\n{text}");
    }
}

#[test]
fn a_plugin_that_would_be_admitted() {
    let component = plugin::balancer("print.wat");
    let (code, text) = inspect(&component, &[]);
    assert_eq!(code, Some(0), "{text}");
    let size = format!("{} bytes", component.len());
    says(&text, &["mine.wasm", &size, "sha256:", "trimtab:plugin@0.1.0", "wasi:io/streams@0.2.6", "admitted    yes"]);
    says(
        &text,
        &["trimtab:plugin/balancer@0.1.0", "1, the largest of 1 pages (64 KiB)", "balancer, which asks for nothing"],
    );
    let (code, json) = inspect_json(&component);
    assert_eq!((code, &json["admitted"], &json["size"]), (Some(0), &true.into(), &component.len().into()));
    assert_eq!(json["sha256"].as_str().map(str::len), Some(64));
    assert_eq!(json["component"]["memories"]["largest_initial_pages"], 1);
    assert_eq!(json["trial"]["memory_bytes"], 1 << 16);
    assert_eq!(json["trial"]["roles"]["balancer"]["plan"]["tick_ms"], 0);
}

#[test]
fn a_plan_is_shown_and_so_is_its_lack() {
    let plan = "(i32.store8 (i32.const 12) (i32.const 1)) (i32.store (i32.const 16) (i32.const 250))";
    let watcher = plugin::filled("watcher.wat", &[("PLAN", plan), ("OBSERVER", "")]);
    let (code, text) = inspect(&plugin::component(&watcher, "balancer-plugin", None), &[]);
    assert_eq!(code, Some(0), "{text}");
    says(&text, &["outcomes; a tick every 250 ms"]);
    let (code, text) = inspect(&plugin::balancer("configure-error.wat"), &[]);
    assert_eq!(code, Some(0), "settings may be needed: {text}");
    says(&text, &["balancer, which cannot do with empty settings: `configure` does not accept", "admitted    yes"]);
    let (code, json) = inspect_json(&plugin::balancer("configure-trap.wat"));
    let reason = json["trial"]["roles"]["balancer"]["refused"].as_str().unwrap_or_default();
    assert!(code == Some(0) && reason.contains("trap"), "{json}");
}

#[test]
fn what_is_not_admitted_is_described_and_the_reason_given() {
    let text = |text: &str| wat::parse_str(text).expect("the text parses");
    let cases = [
        (text("(module)"), &["is a core WebAssembly module", "8 bytes"][..]),
        (b"(component)".to_vec(), &["is WebAssembly text"]),
        (b"nothing of the kind".to_vec(), &["is no WebAssembly component"]),
        (
            text(r#"(component (import "a:disk/read@1.0.0" (instance (export "read" (func)))))"#),
            &["a:disk/read@1.0.0  (not offered)", "which this host does not offer"],
        ),
        (
            text(r#"(component (instance $i) (export "trimtab:plugin/balancer@0.0.9" (instance $i)))"#),
            &["trimtab:plugin@0.0.9", "but this host speaks `trimtab:plugin/balancer@0.1.0`"],
        ),
    ];
    for (bytes, words) in cases {
        let (code, said) = inspect(&bytes, &[]);
        assert_eq!(code, Some(1), "{said}");
        says(&said, words);
        says(&said, &["admitted    no: ", "sha256:"]);
        let (code, json) = inspect_json(&bytes);
        assert!(code == Some(1) && json["admitted"] == false && json["reason"].is_string(), "{json}");
    }
    assert_eq!(trimtab(&["plugin", "inspect", "/nowhere/at/all.wasm"]).status.code(), Some(1));
}

//! Components that nobody lets in: `trimtab check` says why, and so does `PUT`, while the generation before goes on.

use trimtab_tests::{Backend, Folder, Setup, plugin, trimtab};

use super::arena::{Stranger, written};
use super::changes::handing_over;

const LOOP: &str = "(loop $ever (br $ever))";
const TRAP: &str = "unreachable";

/// What no configuration may have, and what is said of it.
fn cannot_start() -> Vec<(&'static str, Vec<u8>, &'static [&'static str])> {
    // 100 000 keys.
    let giant = "(i32.store (i32.const 4) (i32.const 0)) (i32.store (i32.const 8) (i32.const 100000))
                 (drop (memory.grow (i32.const 32)))";
    vec![
        ("an error of `configure`", plugin::balancer("configure-error.wat"), &["percent must be a number"]),
        ("a trap in `configure`", plugin::balancer("configure-trap.wat"), &["unreachable"]),
        (
            "a loop in `configure`",
            plugin::balancer("configure-loop.wat"),
            &["used more than its 50ms of processor time"],
        ),
        ("a giant plan", written(&[("configure", giant)]), &["too much data is being copied"]),
        ("a trap in `update`", plugin::balancer("update-trap.wat"), &["first `update`", "unreachable"]),
        ("a loop in `update`", written(&[("update", LOOP)]), &["first `update`", "used more than its 20ms"]),
        ("another import", importing(), &["imports `test:beside/thing`, which this host does not offer"]),
        (
            "another version",
            of_version("0.0.9"),
            &["exports `trimtab:plugin/balancer@0.0.9`, but this host speaks", "trimtab:plugin/balancer@0.1.0"],
        ),
        ("60 MB", large(60_000_000), &["is larger than max_component_size (33554432 bytes)"]),
        ("no component", b"no component".to_vec(), &["is no WebAssembly component"]),
    ]
}

/// What only a trial shows.
fn fails_its_trial() -> Vec<(&'static str, Vec<u8>, &'static [&'static str])> {
    vec![
        ("a trap", plugin::balancer("trap.wat"), &["`pick`", "unreachable"]),
        ("a trap at the second pick", plugin::balancer("trap-second.wat"), &["`pick`", "unreachable"]),
        ("a loop", plugin::balancer("loop.wat"), &["`pick`", "processor time"]),
        ("recursion", plugin::balancer("overflow.wat"), &["`pick`", "call stack exhausted"]),
        ("a backend that is not there", plugin::balancer("invalid.wat"), &["`pick`", "4000000"]),
        ("an exit", plugin::balancer("exit.wat"), &["`pick`", "exited"]),
        ("a sleep", plugin::balancer("sleep.wat"), &["`pick`", "would wait"]),
        ("a trap in `save`", handing_over(TRAP, ""), &["`save`", "unreachable"]),
        ("a loop in `save`", handing_over(LOOP, ""), &["`save`", "processor time"]),
        ("a trap in `restore`", handing_over("", TRAP), &["`restore`", "unreachable"]),
        ("an error of `restore`", handing_over("", "(i32.store8 (i32.const 96) (i32.const 1))"), &["`restore`"]),
    ]
}

const LIMITS: &str = "configure_deadline = '50ms'\nupdate_deadline = '20ms'";

/// A balancer that imports what nobody has heard of.
fn importing() -> Vec<u8> {
    const BESIDE: &str = "package test:beside;\ninterface thing { f: func(); }\nworld beside {\n  \
                          include trimtab:plugin/balancer-plugin@0.1.0;\n  import thing;\n}";
    let head = r#"(import "test:beside/thing" "f" (func $f))"#;
    plugin::component(&plugin::placed("balancer.wat", &[("head", head), ("pick", "(call $f)")]), "beside", Some(BESIDE))
}

/// A balancer for the contract of this version, which has as many letters as ours.
fn of_version(version: &str) -> Vec<u8> {
    let (mut bytes, ours) = (plugin::balancer("first.wat"), b"@0.1.0");
    for at in 0..bytes.len() - ours.len() {
        if bytes[at..].starts_with(ours) {
            bytes[at + 1..at + ours.len()].copy_from_slice(version.as_bytes());
        }
    }
    bytes
}

/// A balancer with a custom section of this size.
fn large(size: u32) -> Vec<u8> {
    let name = b"weight";
    let mut bytes = plugin::balancer("first.wat");
    bytes.push(0);
    let mut left = size + 1 + name.len() as u32;
    while left >= 0x80 {
        bytes.push(left as u8 | 0x80);
        left >>= 7;
    }
    bytes.extend([left as u8, name.len() as u8]);
    bytes.extend(name);
    bytes.resize(bytes.len() + size as usize, 0);
    bytes
}

#[test]
fn a_check_says_why() {
    let backend = Backend::echo("a");
    let section = format!("[plugin.mine]\ncomponent = 'mine.wasm'\n{LIMITS}");
    let text = Setup::over(&[&backend]).pool("balancer = 'mine'").more(&section).text();
    for (what, component, words) in cannot_start() {
        let folder = Folder::new();
        folder.write("mine.wasm", component);
        let path = folder.write("checked.toml", &text).display().to_string();
        let checked = trimtab(&["check", &path]);
        let said = String::from_utf8_lossy(&checked.stdout).into_owned() + &String::from_utf8_lossy(&checked.stderr);
        assert_eq!(checked.status.code(), Some(1), "{what}: {said}");
        for word in words.iter().chain(&["mine"]) {
            assert!(said.contains(word), "{what}: {word} in {said}");
        }
    }
}

#[test]
fn a_put_says_why_and_the_generation_before_goes_on() {
    let arena = Stranger::fixture("first.wat").with(LIMITS).enter();
    let all: Vec<_> = cannot_start().into_iter().chain(fails_its_trial()).collect();
    arena.load_during(|| {
        for (what, component, words) in &all {
            let response = arena.host.swap("mine", component);
            let said = response.text();
            assert_eq!(response.status, 422, "{what}: {said}");
            for word in words.iter().chain(&["mine"]) {
                assert!(said.contains(word), "{what}: {word} in {said}");
            }
            assert_eq!(arena.host.get("/hostile").backend(), "a", "{what}");
        }
    });
    let generation = arena.host.metrics().sum("trimtab_plugin_generation", &[("plugin", "mine")]);
    assert_eq!(generation, 1.0);
    arena.has_no_fault();
}

//! Plugins that fail beside decisions: told of a change, told of outcomes, or asked to hand over.

use trimtab_tests::{eventually, plugin};

use super::arena::{Arena, Stranger};

const LOOP: &str = "(loop $ever (br $ever))";
const TRAP: &str = "unreachable";
/// A balancer that also exports `observer`.
const WATCHING: &str = "package test:watching;\nworld watching {\n  include trimtab:plugin/balancer-plugin@0.1.0;\n  \
                        export trimtab:plugin/observer@0.1.0;\n}";

/// `balancer.wat` with these bodies of `save` and `restore`.
pub(super) fn handing_over(save: &str, restore: &str) -> Vec<u8> {
    let more = format!(
        r#"(func (export "trimtab:plugin/handoff@0.1.0#save") (result i32) {save} (i32.const 80))
           (func (export "trimtab:plugin/handoff@0.1.0#restore") (param $state i32) (param $length i32) (result i32)
             {restore} (i32.const 96))"#
    );
    plugin::handing_over_text(&plugin::placed("balancer.wat", &[("more", &more)]))
}

fn generation(arena: &Arena) -> f64 {
    arena.host.metrics().sum("trimtab_plugin_generation", &[("plugin", "mine")])
}

/// The stranger decides again: it picks the first backend only.
fn decides_again(arena: &Arena) {
    let answers = || (0..32).all(|_| arena.host.get("/hostile").backend() == "a");
    eventually("it decides again", answers);
}

#[test]
fn fails_when_it_is_told_of_another_backend() {
    for (body, kind) in [(TRAP, "trap"), (LOOP, "deadline")] {
        let update = format!("(if (i32.eq (local.get $length) (i32.const 3)) (then {body}))");
        let arena = Stranger::of(&[("update", &update)]).with("update_deadline = '20ms'").enter();
        let backend = "/pools/web/backends/third";
        arena.load_during(|| {
            let body = format!(r#"{{"address":"{}"}}"#, arena.spare());
            assert_eq!(arena.host.admin("PUT", backend, &body).0, 201);
            eventually("it has failed", || arena.faults() > 0.0);
        });
        arena.has_fault(kind);
        arena.load_during(|| {
            assert_eq!(arena.host.admin("DELETE", backend, "").0, 204);
            decides_again(&arena);
        });
        arena.has_fault(kind);
    }
}

#[test]
fn fails_when_it_is_told_of_a_weight() {
    for (body, kind) in [(TRAP, "trap"), (LOOP, "deadline")] {
        let arena = Stranger::of(&[("adjust", body)]).with("update_deadline = '20ms'").enter();
        arena.load_during(|| {
            arena.host.set_backend("web", "b", r#"{"weight":5}"#);
            eventually("it has failed", || arena.faults() > 0.0);
            decides_again(&arena);
        });
        arena.has_fault(kind);
    }
}

#[test]
fn fails_when_it_is_told_of_outcomes() {
    const PLAN: &str = "(i32.store8 (i32.const 12) (i32.const 1)) (i32.store (i32.const 16) (i32.const 50))";
    for (observe, tick, kind) in
        [(TRAP, "", "trap"), (LOOP, "", "deadline"), ("", TRAP, "trap"), ("", LOOP, "deadline")]
    {
        let observer = format!(
            r#"(func (export "trimtab:plugin/observer@0.1.0#observe") (param i32 i32) {observe})
               (func (export "trimtab:plugin/observer@0.1.0#tick") (param i64) {tick})"#
        );
        let wat = plugin::filled("watcher.wat", &[("PLAN", PLAN), ("OBSERVER", &observer)]);
        let arena = Stranger::balancer(plugin::component(&wat, "watching", Some(WATCHING))).enter();
        arena.load_during(|| eventually("it has failed twice", || arena.faults() > 1.0));
        arena.has_fault(kind);
    }
}

#[test]
fn fails_to_save() {
    for (fixture, kind) in [("save-trap.wat", "trap"), ("save-loop.wat", "deadline"), ("save-large.wat", "invalid")] {
        let arena = Stranger::balancer(plugin::handing_over(fixture)).enter();
        let response = arena.load_during(|| arena.host.swap("mine", &plugin::handing_over("handoff.wat")));
        assert_eq!(response.status, 200, "the next generation starts afresh: {}", response.text());
        assert_eq!(generation(&arena), 2.0);
        arena.has_fault(kind);
    }
}

#[test]
fn fails_to_take_over() {
    for restore in [TRAP, LOOP, "(i32.store8 (i32.const 96) (i32.const 1))"] {
        let arena = Stranger::balancer(plugin::handing_over("handoff.wat")).enter();
        // It fails by no state but that of the generation before, so that a trial does not show it.
        let next = handing_over("", &format!("(if (local.get $length) (then {restore}))"));
        let response = arena.load_during(|| arena.host.swap("mine", &next));
        assert_eq!(response.status, 422, "{restore}: {}", response.text());
        assert!(response.text().contains("`restore`"), "{}", response.text());
        assert_eq!(generation(&arena), 1.0);
        arena.load();
        arena.has_no_fault();
    }
}

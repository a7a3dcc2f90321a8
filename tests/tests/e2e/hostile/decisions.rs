//! Decisions that never come: traps, loops, waits and floods. The fallback answers in their place.

use super::arena::Stranger;
use crate::affinity::guest::Guest;

const LOOP: &str = "(loop $ever (br $ever))";

fn fails(stranger: Stranger, kind: &str) {
    let arena = stranger.enter();
    arena.load();
    arena.has_fault(kind);
}

#[test]
fn traps() {
    fails(Stranger::fixture("trap.wat"), "trap");
}

#[test]
fn traps_now_and_then() {
    fails(Stranger::fixture("trap-second.wat"), "trap");
}

#[test]
fn loops() {
    fails(Stranger::fixture("loop.wat").with("deadline = '1ms'"), "deadline");
}

#[test]
fn recurses_without_end() {
    fails(Stranger::fixture("overflow.wat"), "trap");
}

#[test]
fn exits() {
    fails(Stranger::fixture("exit.wat"), "trap");
}

#[test]
fn leaks_handles() {
    fails(Stranger::fixture("leak.wat"), "trap");
}

#[test]
fn sleeps() {
    fails(Stranger::fixture("sleep.wat"), "trap");
}

#[test]
fn polls() {
    fails(Stranger::fixture("poll.wat"), "trap");
}

#[test]
fn an_affinity_traps_or_loops() {
    for (find, bind) in [("unreachable", ""), ("", "unreachable")] {
        fails(Stranger::affinity(Guest { find, bind, ..Guest::default() }.component()), "trap");
    }
    for (find, bind) in [(LOOP, ""), ("", LOOP)] {
        let stranger = Stranger::affinity(Guest { find, bind, ..Guest::default() }.component());
        fails(stranger.with("deadline = '1ms'"), "deadline");
    }
}

#[test]
fn a_router_traps_or_loops() {
    fails(Stranger::router("", "unreachable"), "trap");
    fails(Stranger::router("", LOOP).with("deadline = '1ms'"), "deadline");
}

#[test]
fn prints() {
    let arena = Stranger::fixture("print.wat").enter();
    arena.load();
    arena.has_no_fault();
    let log = arena.host.log();
    assert!(log.contains("from stdout") && log.contains("from stderr"), "{log}");
    few_lines(&log, "from std");
}

#[test]
fn floods_the_log() {
    // Ten thousand lines take longer than a decision may.
    let arena = Stranger::fixture("log-flood.wat").with("deadline = '1s'").enter();
    arena.load_of(200);
    arena.has_no_fault();
    let log = arena.host.log();
    assert!(log.contains("lines were dropped: the plugin logs too much"), "{log}");
    few_lines(&log, "\"again\"");
}

/// A hundred at once for each worker and 20 a second later, of many thousands.
fn few_lines(log: &str, word: &str) {
    let lines = log.lines().filter(|line| line.contains(word)).count();
    assert!((1..1500).contains(&lines), "{lines} lines");
}

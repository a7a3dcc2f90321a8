//! What strangers take comes back: memory, handles, mappings.

use trimtab_tests::{eventually, plugin};

use super::arena::{Arena, Stranger};
use crate::affinity::guest::Guest;

/// More than this is a leak. What allocators and page caches keep is less.
const SLACK: usize = 12 << 20;
/// As often in one chain, so that one request can fail as often.
const CHAIN: usize = 8;

/// Load for a while takes no memory that load for a short time did not take.
fn comes_back(stranger: Stranger, requests: usize) {
    let arena = stranger.enter();
    arena.load_of(requests / 10);
    let before = arena.host.memory();
    arena.load_of(requests);
    let (mut after, limit) = (0, before + SLACK);
    eventually("memory comes back", || {
        after = arena.host.memory();
        after <= limit
    });
    eprintln!("{} KiB resident before, {} KiB after, {} faults", before >> 10, after >> 10, arena.faults());
}

#[test]
fn of_one_that_traps() {
    comes_back(Stranger::fixture("trap.wat"), 3000);
}

/// It holds two lots of 16 MiB before it is thrown away for asking for a third, in each of the two workers; how much it
/// holds when a load ends is chance. Were a lot leaked at each fault, it would soon be more than that.
#[test]
fn of_one_that_grows_until_it_may_not() {
    const HELD: usize = 2 * (32 << 20);
    let arena = Stranger::fixture("grow.wat").with("memory = '40MiB'\ndeadline = '1s'").enter();
    load_until(&arena, 2.0);
    arena.has_fault("memory");
    let before = arena.host.memory();
    load_until(&arena, 12.0);
    eventually("memory comes back", || arena.host.memory() <= before + HELD + SLACK);
}

#[test]
fn of_one_that_leaks_handles() {
    comes_back(Stranger::fixture("leak.wat"), 3000);
}

#[test]
fn of_one_that_floods_the_log() {
    comes_back(Stranger::fixture("log-flood.wat").with("deadline = '1s'"), 300);
}

#[test]
fn of_one_that_answers_giant_lists() {
    let component = plugin::component(&plugin::text("giant-bind.wat"), "affinity-plugin", None);
    let arena = Stranger::affinity(component.clone()).enter();
    arena.load();
    arena.has_fault("trap");
    comes_back(Stranger::affinity(component), 2000);
}

#[test]
fn of_one_whose_headers_are_dropped() {
    let headers = [("set-cookie", &[b'x'; 8192][..]); 4];
    comes_back(Stranger::affinity(Guest { headers: &headers, ..Guest::default() }.component()), 2000);
}

/// Load until there were so many faults.
fn load_until(arena: &Arena, faults: f64) {
    let end = std::time::Instant::now() + 6 * trimtab_tests::wait::PATIENCE;
    while arena.faults() < faults {
        assert!(std::time::Instant::now() < end, "{} of {faults} faults", arena.faults());
        arena.load_of(400);
    }
}

#[test]
fn ten_thousand_traps_leave_nothing() {
    let arena = Stranger::fixture("trap.wat").enter_chain(CHAIN);
    load_until(&arena, 1000.0);
    let (memory, mappings) = (arena.host.memory(), arena.host.mappings());
    load_until(&arena, 10_000.0);
    eventually("memory comes back", || arena.host.memory() <= memory + (8 << 20));
    eventually("mappings come back", || arena.host.mappings() <= mappings + 32);
    let now = (arena.host.memory() >> 10, arena.host.mappings());
    eprintln!("{} KiB and {mappings} mappings after 1 000 traps, {now:?} after {}", memory >> 10, arena.faults());
}

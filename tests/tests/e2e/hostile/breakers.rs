//! A plugin that fails again and again is not asked for a while: the fallback serves, and it is said where people look.

use trimtab_tests::{Host, eventually};

use super::arena::{Arena, Stranger};
use super::recovery::{ROLES, moody};

/// Opens at the fifth fault, and stays open.
const FOR_LONG: &str = "{ faults = 5, window = '10s', delay = '60s' }";

/// The gauge of the stranger's breaker: 1 open, 0.5 half-open, 0 closed.
pub(super) fn open(host: &Host) -> f64 {
    host.metrics().sum("trimtab_breaker_open", &[("plugin", "mine")])
}

pub(super) fn opened(host: &Host) -> f64 {
    host.metrics().sum("trimtab_breaker_opened_total", &[("plugin", "mine")])
}

fn plugin_report(arena: &Arena) -> serde_json::Value {
    let (_, plugins) = arena.host.admin("GET", "/plugins", "");
    let found = plugins.as_array().into_iter().flatten().find(|plugin| plugin["name"] == "mine");
    found.cloned().unwrap_or_else(|| panic!("mine in {plugins}"))
}

#[test]
fn it_opens_and_the_fallback_serves() {
    for role in ROLES {
        let arena = moody(role).breaker(FOR_LONG).enter();
        assert_eq!((open(&arena.host), opened(&arena.host)), (0.0, 0.0));
        assert_eq!(plugin_report(&arena)["degraded"], false);
        arena.load_with(500, "x-mood: bad\r\n", 200, || ());
        eventually("it opens", || open(&arena.host) == 1.0);
        assert_eq!(opened(&arena.host), 1.0);
        let place = role.place();

        let report = plugin_report(&arena);
        assert_eq!((&report["degraded"], &report["breakers"][0]), (&true.into(), &format!("{place}: open").into()));
        let ready = arena.host.admin_response("GET", "/readyz", "");
        let degraded = format!("degraded: plugin `mine` in {place}: breaker open");
        assert!(ready.status == 200 && ready.text().contains(&degraded), "{}: {}", ready.status, ready.text());
        assert_eq!(arena.host.log().matches("fails too often").count(), 1, "{}", arena.host.log());

        let decisions = || arena.host.metrics().sum("trimtab_decision_seconds_count", &[("plugin", "mine")]);
        let before = (arena.faults(), decisions());
        arena.load();
        assert_eq!((arena.faults(), decisions()), before, "it is not called");
        assert!(before.0 < 50.0, "{} faults", before.0);
        arena.has_fault("trap");
    }
}

#[test]
fn without_a_breaker_it_is_asked_for_ever() {
    let arena = Stranger::fixture("trap.wat").enter();
    arena.load();
    assert_eq!((open(&arena.host), opened(&arena.host)), (0.0, 0.0));
    let before = arena.faults();
    arena.load();
    assert!(arena.faults() > before + 5.0);
}

#[test]
fn a_fault_now_and_then_opens_none() {
    let arena = moody(ROLES[0]).breaker("{ faults = 100, window = '10s', delay = '60s' }").enter();
    for _ in 0..5 {
        assert_eq!(arena.host.client().get_with("/hostile", "x-mood: bad\r\n").status, 200);
    }
    arena.load();
    assert!((1.0..=5.0).contains(&arena.faults()) && open(&arena.host) == 0.0, "{}", arena.faults());
}

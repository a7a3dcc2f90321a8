//! Shapers weigh for the balancers behind them, when the pool changes; a broken one is done without.

use std::collections::BTreeSet;

use trimtab_tests::{Backend, Folder, Host, Setup, Tally, eventually, plugin};

/// Waits until a short run is as it should be. Shapers are asked off the workers, so a change takes a moment.
fn until(host: &Host, what: &str, met: impl Fn(&Tally) -> bool) {
    eventually(what, || met(&Tally::of(host, 48)));
}

/// The first two backends prefer themselves to the third, for that shaper.
fn preferring(shaper: &str, labels: [&str; 3], backends: &[Backend; 3]) -> Host {
    let entries =
        backends.iter().zip(labels).map(|(backend, labels)| backend.entry_with(&format!("labels = {{ {labels} }}")));
    Setup::of(entries).pool(&format!("balancer = [{shaper}, 'random']")).start()
}

#[test]
fn what_is_preferred_gets_all_until_it_is_short() {
    let cases = [
        // A half is ready, and can take 1.4 times its share.
        ("'priority'", ["priority = '0'", "priority = '0'", "priority = '7'"], 0.7),
        // A half is ready, where 0.7 would take everything.
        ("{ plugin = 'zone', zone = 'x' }", ["zone = 'x'", "zone = 'x'", "zone = 'y'"], 0.5 / 0.7),
    ];
    for (shaper, labels, share) in cases {
        let backends = ["a", "b", "c"].map(Backend::echo);
        let host = preferring(shaper, labels, &backends);
        let all = Tally::of(&host, 300);
        assert!(all.by("c") == 0 && all.chi_square(&[("a", 1.0), ("b", 1.0)]) < 40.0, "{shaper}: {all:?}");

        host.set_backend("web", "a", r#"{"state":"draining"}"#);
        until(&host, "the other takes over a part", |tally| tally.by("c") > 0);
        let half = Tally::of(&host, 600);
        assert!(half.by("a") == 0 && half.chi_square(&[("b", share), ("c", 1.0 - share)]) < 40.0, "{shaper}: {half:?}");

        host.set_backend("web", "b", r#"{"state":"down"}"#);
        until(&host, "the other takes over all", |tally| tally.by("c") == tally.total());

        ["a", "b"].iter().for_each(|id| host.set_backend("web", id, r#"{"state":"ready"}"#));
        until(&host, "they have all again", |tally| tally.by("c") == 0);
        assert_eq!(Tally::of(&host, 300).by("c"), 0, "{shaper}");
        assert_eq!(host.metrics().sum("trimtab_plugin_faults_total", &[]), 0.0);
    }
}

#[test]
fn who_joins_and_who_leaves_is_weighed() {
    let backends = ["a", "b", "c"].map(Backend::echo);
    let host = preferring("'priority'", ["priority = '1'", "priority = '1'", "priority = '2'"], &backends);
    let first = Backend::echo("first");
    let body = format!(r#"{{"address":"{}","labels":{{"priority":"0"}}}}"#, first.address());
    assert_eq!(host.admin("PUT", "/pools/web/backends/first", &body).0, 201);
    until(&host, "the highest tier has all", |tally| tally.by("first") == tally.total());
    assert_eq!(host.admin("DELETE", "/pools/web/backends/first", "").0, 204);
    until(&host, "the next has all again", |tally| tally.by("a") > 0 && tally.by("b") > 0 && tally.by("c") == 0);
}

/// The backends that a process of this name uses.
fn subset_of(name: &str, backends: &[Backend]) -> (Host, BTreeSet<String>) {
    let all: Vec<_> = backends.iter().collect();
    let chain = "balancer = [{ plugin = 'subset', size = 4 }, 'weighted-round-robin']";
    let host = Setup::over(&all).server(&format!("name = '{name}'")).pool(chain).start();
    let used = Tally::of(&host, 64).0.into_keys().collect();
    (host, used)
}

#[test]
fn a_process_uses_a_subset_of_its_own() {
    let backends: Vec<_> = (0..12).map(|n| Backend::echo(&format!("b{n}"))).collect();
    let (host, one) = subset_of("one", &backends);
    let (_, same) = subset_of("one", &backends);
    let (_, two) = subset_of("two", &backends);
    assert_eq!((one.len(), two.len()), (4, 4), "{one:?} {two:?}");
    assert_eq!(one, same, "the name decides");
    assert_ne!(one, two);

    let gone = one.first().expect("four").clone();
    host.set_backend("web", &gone, r#"{"state":"draining"}"#);
    let used = || -> BTreeSet<String> { Tally::of(&host, 64).0.into_keys().collect() };
    eventually("another takes its place", || used().len() == 4 && !used().contains(&gone));
    assert_eq!(used().intersection(&one).count(), 3, "the other three stay");
    host.set_backend("web", &gone, r#"{"state":"ready"}"#);
    eventually("it comes back", || used() == one);
}

/// The fixture that weighs `a` 0, before a balancer that goes by weight.
fn broken(second: &str, backends: [&Backend; 3]) -> Host {
    let folder = Folder::new();
    let wat = plugin::filled("shaper.wat", &[("SECOND", second)]);
    folder.write("mine.wasm", plugin::component(&wat, "shaper-plugin", None));
    let chain = "balancer = ['mine', 'weighted-round-robin']";
    Setup::over(&backends).pool(chain).more("[plugin.mine]\ncomponent = 'mine.wasm'").start_in(folder)
}

#[test]
fn without_a_shaper_that_fails_weights_are_those_of_the_backends() {
    let cases = [
        ("trap", "unreachable"),
        ("deadline", "(loop $again (br $again))"),
        // One weight is missing.
        ("invalid", "(i32.store (i32.const 68) (i32.sub (local.get $length) (i32.const 1)))"),
        // More than there is memory.
        ("trap", "(i32.store (i32.const 68) (i32.const 0x0fffffff))"),
    ];
    for (kind, second) in cases {
        let [a, b, c] = ["a", "b", "c"].map(Backend::echo);
        let host = broken(second, [&a, &b, &c]);
        assert_eq!(Tally::of(&host, 64).by("a"), 0, "{kind}: it weighs");
        host.set_backend("web", "c", r#"{"weight":2}"#);
        // Every request of this is answered, before, while and after it fails.
        eventually("weights are unshaped", || Tally::of(&host, 4).by("a") > 0);
        eventually("a line in the log", || host.log().contains("a shaper failed"));
        let labels = [("plugin", "mine"), ("pool", "web"), ("role", "shaper"), ("kind", kind)];
        assert!(host.metrics().sum("trimtab_plugin_faults_total", &labels) >= 1.0, "{kind}: {:?}", host.metrics().all);
        until(&host, "it is tried again, afresh, and weighs", |tally| tally.by("a") == 0);
        assert_eq!(host.metrics().sum("trimtab_fallbacks_total", &[]), 0.0, "{kind}: the balancer has always decided");
    }
}

#[test]
fn a_weight_beyond_all_bounds_is_the_highest_there_is() {
    let [a, b, c] = ["a", "b", "c"].map(Backend::echo);
    let host = broken("(i32.store (i32.const 61440) (i32.const -1))", [&a, &b, &c]);
    host.set_backend("web", "c", r#"{"weight":2}"#);
    until(&host, "65535 to 1 and 1", |tally| tally.by("a") == tally.total());
    assert_eq!(host.metrics().sum("trimtab_plugin_faults_total", &[]), 0.0);
}

//! Several plugins for one pool: each weighs, decides or hands on, and a broken one is stepped over.

use trimtab_tests::{Backend, Folder, Gate, Setup, Tally, eventually, plugin};

/// Two backends in the zone `x` and one in `y`.
fn zoned(backends: [&Backend; 3]) -> Setup {
    let [a, b, c] = backends;
    let (here, there) = ("labels = { zone = 'x' }", "labels = { zone = 'y' }");
    Setup::of([a.entry_with(here), b.entry_with(here), c.entry_with(there)])
}

fn user(n: usize) -> String {
    format!("x-user: user-{n}\r\n")
}

#[test]
fn a_shaper_a_hash_and_a_balancer_each_do_their_part() {
    let gate = Gate::default();
    let [a, b, c] = ["a", "b", "c"].map(|name| gate.backend(name));
    let chain = "balancer = [{ plugin = 'zone', zone = 'x' }, { plugin = 'maglev', key = 'header:x-user' }, 'least-connections']";
    let host = zoned([&a, &b, &c]).pool(chain).start();

    let keyed = Tally::with(&host, 200, user);
    assert!(keyed.by("a") > 60 && keyed.by("b") > 60 && keyed.by("c") == 0, "only the zone has keys: {keyed:?}");
    for n in 0..20 {
        let tally = Tally::with(&host, 8, |_| user(n));
        assert_eq!(tally.0.len(), 1, "user-{n} has one backend: {tally:?}");
    }

    let keyless = Tally::of(&host, 200);
    assert!(keyless.chi_square(&[("a", 1.0), ("b", 1.0)]) < 40.0 && keyless.by("c") == 0, "{keyless:?}");
    let busy = keyed_to(&host, "a");
    let _held = gate.hold(&host, 3, &busy);
    assert_eq!(Tally::of(&host, 64).by("b"), 64, "without a key `maglev` passes, and the load decides");
    assert_eq!(Tally::with(&host, 8, |_| busy.clone()).by("a"), 8, "with one it does not");

    let metrics = host.metrics();
    assert_eq!(metrics.sum("trimtab_fallbacks_total", &[]), 0.0);
    assert_eq!(metrics.sum("trimtab_plugin_faults_total", &[]), 0.0);
    for (plugin, role) in [("zone", "shaper"), ("maglev", "balancer"), ("least-connections", "balancer")] {
        let labels = [("plugin", plugin), ("pool", "web"), ("role", role)];
        assert!(metrics.has("trimtab_plugin_faults_total", &labels), "{plugin} is shown as {role}");
    }
}

/// Header lines of a user whom this backend has.
fn keyed_to(host: &trimtab_tests::Host, backend: &str) -> String {
    let lines = (0..100).map(user).find(|lines| host.client().get_with("/", lines).backend() == backend);
    lines.unwrap_or_else(|| panic!("none of a hundred users goes to {backend}"))
}

#[test]
fn a_shaper_weighs_only_for_those_behind_it() {
    let [a, b, c] = ["a", "b", "c"].map(Backend::echo);
    let chain =
        "balancer = [{ plugin = 'rendezvous', key = 'header:x-user' }, { plugin = 'zone', zone = 'x' }, 'random']";
    let host = zoned([&a, &b, &c]).pool(chain).start();
    let keyed = Tally::with(&host, 300, user);
    assert!(keyed.chi_square(&[("a", 1.0), ("b", 1.0), ("c", 1.0)]) < 40.0, "before it all are alike: {keyed:?}");
    assert_eq!(Tally::of(&host, 100).by("c"), 0);
}

#[test]
fn one_that_traps_in_the_middle_is_stepped_over() {
    let [a, b, c] = ["a", "b", "c"].map(Backend::echo);
    for fixture in ["trap.wat", "trap-second.wat", "invalid.wat"] {
        let folder = Folder::new();
        folder.write("mine.wasm", plugin::balancer(fixture));
        let chain = "balancer = [{ plugin = 'maglev', key = 'header:x-user' }, 'mine', 'first']";
        let host =
            Setup::over(&[&a, &b, &c]).pool(chain).more("[plugin.mine]\ncomponent = 'mine.wasm'").start_in(folder);
        // Whether the broken one picks for once or `first` does: it is `a`, and never the fallback's turn.
        assert_eq!(Tally::of(&host, 200).by("a"), 200, "{fixture}");
        assert!(Tally::with(&host, 100, user).0.len() == 3, "{fixture}: the hash before it is as it was");
        let metrics = host.metrics();
        let faults =
            |role| metrics.sum("trimtab_plugin_faults_total", &[("plugin", "mine"), ("pool", "web"), ("role", role)]);
        assert!(faults("balancer") > 0.0, "{fixture}: {:?}", metrics.all);
        assert_eq!(metrics.sum("trimtab_fallbacks_total", &[("pool", "web")]), 0.0, "{fixture}");
        assert_eq!(metrics.sum("trimtab_plugin_faults_total", &[]), faults("balancer"), "{fixture}: nobody else's");
    }
}

#[test]
fn after_the_last_pass_the_fallback_decides() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let folder = Folder::new();
    folder.write("mine.wasm", plugin::balancer("pass.wat"));
    let chain = "balancer = ['mine', { plugin = 'ring-hash', key = 'header:x-user' }, 'mine']";
    let host =
        Setup::over(&[&a, &b]).pool(chain).more("[plugin.mine]\ncomponent = 'mine.wasm'").workers(1).start_in(folder);
    let tally = Tally::of(&host, 40);
    assert_eq!((tally.by("a"), tally.by("b")), (20, 20), "in turn");
    assert_eq!(host.metrics().sum("trimtab_fallbacks_total", &[("pool", "web")]), 40.0);
}

#[test]
fn a_retry_asks_the_whole_chain_again() {
    let refusing = trimtab_tests::unreachable::Refusing::new();
    let [b, c] = ["b", "c"].map(Backend::echo);
    let entries = [trimtab_tests::backend::entry("a", refusing.address(), ""), b.entry(), c.entry()];
    let chain = "balancer = [{ plugin = 'maglev', key = 'header:x-user' }, 'first']";
    let host = Setup::of(entries).pool(chain).start();
    assert_eq!(Tally::of(&host, 32).by("b"), 32, "`first` goes on with the second");
    let keyed = Tally::with(&host, 90, user);
    assert!(keyed.by("b") > 20 && keyed.by("c") > 20, "keys of `a` walk on, each its own way: {keyed:?}");
    eventually("attempts are counted", || {
        host.metrics().sum("trimtab_backend_requests_total", &[("outcome", "connect-error")]) > 32.0
    });
}

//! Routers pick a pool for the requests of a route: by share, by header, and badly.

use trimtab_tests::{Backend, Folder, Host, Setup, Tally, eventually, plugin};

/// The pool `web` of `a`, the pool `next` of `b`, and a route `api` with this router.
fn routed(router: &str, a: &Backend, b: &Backend) -> Setup {
    let route = format!("[[route]]\nname = 'api'\npath = '/'\npool = 'web'\nrouter = {{ {router} }}");
    let next = format!("[pool.next]\nbackends = [{}]", b.entry());
    Setup::over(&[a]).more(&route).more(&next)
}

fn split(settings: &str, a: &Backend, b: &Backend) -> Host {
    routed(&format!("plugin = 'split', pools = ['web', 'next'], {settings}"), a, b).start()
}

fn user(n: usize) -> String {
    format!("x-user: user-{n}\r\n")
}

/// Which of the users go to `b`, each asked on two connections.
fn users_of_b(host: &Host, users: usize) -> Vec<bool> {
    let asked = |n| {
        let [one, two] = [(); 2].map(|()| host.client().get_with("/", &user(n)).backend() == "b");
        assert_eq!(one, two, "user-{n} stays");
        one
    };
    (0..users).map(asked).collect()
}

#[test]
fn split_sends_a_share_and_nobody_at_the_ends() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    for (percent, share) in [("0", 0.0), ("25", 0.25), ("100", 1.0)] {
        let tally = Tally::of(&split(&format!("percent = {percent}"), &a, &b), 600);
        match share {
            0.0 => assert_eq!(tally.by("a"), 600),
            1.0 => assert_eq!(tally.by("b"), 600),
            share => assert!(tally.chi_square(&[("a", 1.0 - share), ("b", share)]) < 40.0, "{tally:?}"),
        }
    }
}

#[test]
fn split_by_key_is_sticky_and_growing_moves_nobody_back() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let at = |percent| users_of_b(&split(&format!("percent = {percent}, key = 'header:x-user'"), &a, &b), 200);
    let (few, more) = (at(20), at(50));
    let count = |users: &[bool]| users.iter().filter(|of_b| **of_b).count();
    assert!((15..70).contains(&count(&few)) && (65..135).contains(&count(&more)), "{} {}", count(&few), count(&more));
    assert!(few.iter().zip(&more).all(|(before, after)| !before || *after), "nobody goes back");
}

#[test]
fn a_pool_without_ready_backends_is_not_chosen() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    for percent in [50, 100] {
        let host = split(&format!("percent = {percent}, key = 'header:x-user'"), &a, &b);
        let before = users_of_b(&host, 40);
        assert!(before.contains(&true));
        for change in [r#"{"state":"draining"}"#, r#"{"state":"down"}"#] {
            host.set_backend("next", "b", change);
            assert!(!users_of_b(&host, 40).contains(&true), "{percent}: {change}");
        }
        host.set_backend("next", "b", r#"{"state":"ready"}"#);
        assert_eq!(users_of_b(&host, 40), before, "{percent}: they come back");
        assert_eq!(host.metrics().sum("trimtab_plugin_faults_total", &[]), 0.0);
    }
}

#[test]
fn header_router_goes_by_value_prefix_and_default() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let by = "plugin = 'header-router', header = 'x-version'";
    let ask =
        |host: &Host, value: &str| host.client().get_with("/", &format!("x-version: {value}\r\n")).backend().to_owned();
    let host =
        routed(&format!("{by}, pools = ['next'], values = {{ beta = 'next' }}, prefix = {{ 'v2.' = 'next' }}"), &a, &b)
            .start();
    for (value, backend) in [("beta", "b"), ("v2.1", "b"), ("v2.", "b"), ("Beta", "a"), ("v1", "a"), ("", "a")] {
        assert_eq!(ask(&host, value), backend, "{value}");
    }
    assert_eq!(host.get("/").backend(), "a", "without the header: the route's own pool");
    let host =
        routed(&format!("{by}, pools = ['web', 'next'], values = {{ old = 'web' }}, default = 'next'"), &a, &b).start();
    assert_eq!(
        (ask(&host, "old"), ask(&host, "new"), host.get("/").backend().to_owned()),
        ("a".into(), "b".into(), "b".into())
    );
}

#[test]
fn routes_have_routers_of_their_own() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let more = "[[route]]\nname = 'beta'\npath = '/beta'\npool = 'web'\n\
                router = { plugin = 'split', pools = ['web', 'next'], percent = 100 }";
    let host = routed("plugin = 'split', pools = ['web', 'next'], percent = 0", &a, &b).more(more).start();
    for _ in 0..8 {
        assert_eq!((host.get("/").backend(), host.get("/beta").backend()), ("a", "b"));
    }
    let metrics = host.metrics();
    for route in ["api", "beta"] {
        let labels = [("plugin", "split"), ("route", route), ("role", "router")];
        assert_eq!(metrics.sum("trimtab_decision_seconds_count", &labels), 8.0, "{route}");
    }
}

/// A router of the fixture, between the pools `next` and `web`; the route's own is `web`.
fn fixture(destination: &str, a: &Backend, b: &Backend) -> Host {
    let folder = Folder::new();
    let wat = plugin::filled("destination.wat", &[("DESTINATION", destination)]);
    folder.write("mine.wasm", plugin::component(&wat, "router-plugin", None));
    routed("plugin = 'mine', pools = ['next', 'web']", a, b)
        .more("[plugin.mine]\ncomponent = 'mine.wasm'")
        .start_in(folder)
}

fn destination(tag: u8, value: u32) -> String {
    format!("(i32.store8 (i32.const 64) (i32.const {tag})) (i32.store (i32.const 68) (i32.const {value}))")
}

#[test]
fn where_a_router_fails_the_routes_own_pool_is_taken() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let cases = [
        ("trap", "unreachable".to_owned()),
        ("deadline", "(loop $again (br $again))".to_owned()),
        ("invalid", destination(0, 2)),
        ("invalid", destination(0, u32::MAX)),
        ("invalid", destination(2, 200)),
        ("invalid", destination(2, 600)),
    ];
    for (kind, destination) in cases {
        let host = fixture(&destination, &a, &b);
        assert_eq!(Tally::of(&host, 40).by("a"), 40, "{kind}");
        let labels = [("plugin", "mine"), ("route", "api"), ("role", "router"), ("kind", kind)];
        let faults = || host.metrics().sum("trimtab_plugin_faults_total", &labels);
        assert!(faults() > 0.0, "{kind}: {:?}", host.metrics().all);
        // Faults, and requests that came while there was no instance.
        assert_eq!(host.metrics().sum("trimtab_fallbacks_total", &[("route", "api")]), 40.0, "{kind}");
        assert_eq!(host.metrics().sum("trimtab_refusals_total", &[]), 0.0, "{kind}");
        eventually("the log names the plugin", || host.log().contains("mine"));
    }
}

#[test]
fn a_router_that_traps_is_asked_again_when_it_is_new() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let sometimes = format!(
        "(if (i32.load (i32.const 128)) (then unreachable)) (i32.store (i32.const 128) (i32.const 1)) {}",
        destination(0, 0)
    );
    let host = fixture(&sometimes, &a, &b);
    let tally = Tally::of(&host, 100);
    assert!(tally.by("b") > 0 && tally.by("a") > 0, "the first of each instance goes to `next`: {tally:?}");
    eventually("a fresh instance picks", || host.get("/").backend() == "b");
}

#[test]
fn a_router_may_pick_pass_and_refuse() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    assert_eq!(Tally::of(&fixture(&destination(0, 0), &a, &b), 20).by("b"), 20);
    assert_eq!(Tally::of(&fixture(&destination(0, 1), &a, &b), 20).by("a"), 20);
    assert_eq!(Tally::of(&fixture(&destination(1, 0), &a, &b), 20).by("a"), 20);
    let before = (a.requests(), b.requests());
    for status in [400, 418, 599] {
        let host = fixture(&destination(2, status), &a, &b);
        let response = host.get("/");
        assert_eq!(u32::from(response.status), status);
        assert!(!response.reason().is_empty());
        assert_eq!(host.metrics().sum("trimtab_refusals_total", &[("route", "api")]), 1.0);
        assert_eq!(host.metrics().sum("trimtab_plugin_faults_total", &[]), 0.0, "a decision, and no fault");
    }
    assert_eq!((a.requests(), b.requests()), before);
}

//! Another generation of a plugin while it steers. What holds for every swap; each way to one is told in its own file.

use trimtab_tests::{Backend, Folder, Host, Setup, plugin, under_load};

#[path = "swap/degraded.rs"]
mod degraded;
#[path = "swap/handoff.rs"]
mod handoff;
#[path = "swap/places.rs"]
mod places;
#[path = "swap/probation.rs"]
mod probation;
#[path = "swap/refused.rs"]
mod refused;
#[path = "swap/rollback.rs"]
mod rollback;
#[path = "swap/shadow.rs"]
mod shadow;
#[path = "swap/watched.rs"]
mod watched;

const SWAPS: usize = 100;

/// New connections that reach all of two workers; that they do not is as likely as 2^-31.
const MANY: usize = 32;

/// A balancer out of `fixtures/picker.wat`, with this `pick`.
pub(super) fn picker(pick: &str) -> Vec<u8> {
    plugin::component(&plugin::filled("picker.wat", &[("(; pick ;)", pick)]), "balancer-plugin", None)
}

/// Picks the backend at this position.
pub(super) fn constant(position: u32) -> Vec<u8> {
    picker(&format!("(return (call $backend (i32.const {position})))"))
}

/// What a built-in is made of.
fn built_in(name: &str) -> Vec<u8> {
    let path = plugin::root().join(format!("plugins/dist/{name}.wasm"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Backends behind the plugin `mine`, which is this component and has these lines in its section.
fn behind(component: &[u8], backends: &[&Backend], lines: &str) -> Host {
    let folder = Folder::new();
    folder.write("mine.wasm", component);
    let section = format!("[plugin.mine]\ncomponent = 'mine.wasm'\n{lines}");
    Setup::over(backends).pool("balancer = 'mine'").more(&section).start_in(folder)
}

/// Puts a component in place, which must be taken.
fn put(host: &Host, plugin: &str, component: &[u8]) {
    let response = host.swap(plugin, component);
    assert_eq!(response.status, 200, "{}", response.text());
}

/// Asks on many new connections, so that every worker has answered. All have the same answer.
fn all_answer(host: &Host, backend: &str) {
    for request in 0..MANY {
        let response = host.get("/");
        assert_eq!((response.status, response.backend()), (200, backend), "request {request}");
    }
}

fn faults(host: &Host) -> f64 {
    host.metrics().sum("trimtab_plugin_faults_total", &[])
}

#[test]
fn what_was_put_decides_on_all_workers_when_put_answers() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let host = behind(&constant(0), &[&a, &b], "");
    assert_eq!(host.generation("mine"), 1);
    // Two workers at least keep an idle connection, and serve the next request on it.
    let mut idle: Vec<_> = (0..MANY).map(|_| host.client()).collect();
    idle.iter_mut().for_each(|client| assert_eq!(client.get("/").backend(), "a"));
    let response = host.swap("mine", &constant(1));
    assert!(response.text().starts_with("generation 2 decides, "), "{}", response.text());
    eprintln!("{}", response.text());
    idle.iter_mut().for_each(|client| assert_eq!(client.get("/").backend(), "b"));
    all_answer(&host, "b");
    assert_eq!(host.generation("mine"), 2);
    put(&host, "mine", &constant(1));
    assert_eq!(host.generation("mine"), 3, "the same bytes are a generation, too");
    let shown = host.plugin("mine");
    assert_eq!((&shown["uploaded"], &shown["previous"]), (&true.into(), &2.into()), "{shown}");
}

#[test]
fn a_built_in_is_swapped_like_any_other() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let host = Setup::over(&[&a, &b]).start();
    put(&host, "round-robin", &constant(1));
    all_answer(&host, "b");
}

#[test]
fn swaps_under_load_lose_no_request() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let host = behind(&constant(0), &[&a, &b], "");
    let components = [constant(1), constant(0)];
    let ((), requests) = under_load(host.address(), || {
        (0..SWAPS).for_each(|swap| put(&host, "mine", &components[swap % 2]));
    });
    assert!(requests > SWAPS, "{requests} requests");
    assert_eq!(host.generation("mine"), SWAPS as u64 + 1);
    assert_eq!(faults(&host), 0.0, "a swap is no fault");
    assert_eq!(host.metrics().sum("trimtab_fallbacks_total", &[]), 0.0, "a plugin has always decided");
}

#[test]
fn backends_that_change_under_swaps_lose_no_request() {
    let [a, b, c] = ["a", "b", "c"].map(Backend::echo);
    let host = Setup::over(&[&a, &b]).pool("balancer = 'peak-ewma'").start();
    let component = built_in("peak-ewma");
    let path = "/pools/web/backends/c";
    let body = format!(r#"{{"address":"{}"}}"#, c.address());
    let (_, requests) = under_load(host.address(), || {
        std::thread::scope(|scope| {
            scope.spawn(|| (0..30).for_each(|_| put(&host, "peak-ewma", &component)));
            for round in 0..30 {
                assert_eq!(host.admin("PUT", path, &body).0, 201, "round {round}");
                host.set_backend("web", "a", r#"{"weight":3}"#);
                host.set_backend("web", "b", r#"{"state":"draining"}"#);
                host.set_backend("web", "b", r#"{"state":"ready"}"#);
                assert_eq!(host.admin("DELETE", path, "").0, 204, "round {round}");
            }
        });
    });
    assert!(requests > 100, "{requests} requests");
    assert_eq!(faults(&host), 0.0, "{}", host.log());
    assert_eq!(host.generation("peak-ewma"), 31);
}

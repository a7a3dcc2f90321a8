//! Plugins from files, good and bad: whatever they do, every request is answered.

use trimtab_tests::{Backend, Folder, Host, Setup, eventually, plugin};

/// Two backends behind the fixture of this name, and further lines of `[plugin.mine]`.
fn behind(fixture: &str, backends: &[&Backend], lines: &str) -> Host {
    let folder = Folder::new();
    folder.write("mine.wasm", plugin::balancer(fixture));
    let section = format!("[plugin.mine]\ncomponent = 'mine.wasm'\n{lines}");
    Setup::over(backends).pool("balancer = 'mine'").more(&section).workers(1).start_in(folder)
}

fn faults(host: &Host) -> f64 {
    host.metrics().sum("trimtab_plugin_faults_total", &[("plugin", "mine"), ("pool", "web")])
}

/// Every request is answered by one of the backends, and there are faults of this kind.
fn survived(host: &Host, requests: usize, kind: &str) {
    for request in 0..requests {
        let response = host.get("/");
        assert_eq!(response.status, 200, "request {request}: {}", response.text());
        assert!(matches!(response.backend(), "a" | "b"), "by {:?}", response.backend());
    }
    let metrics = host.metrics();
    let counted = metrics.sum("trimtab_plugin_faults_total", &[("plugin", "mine"), ("pool", "web"), ("kind", kind)]);
    assert!(counted > 0.0, "faults of kind {kind} in {:?}", metrics.all);
    let (_, plugins) = host.admin("GET", "/plugins", "");
    let mine = plugins.as_array().into_iter().flatten().find(|p| p["name"] == "mine").cloned().unwrap_or_default();
    assert!(mine["faults"][kind].as_f64().unwrap_or_default() > 0.0, "{mine}");
    assert!(host.log().contains("mine"), "the log names the plugin");
}

#[test]
fn a_component_from_a_file_picks() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let host = behind("first.wat", &[&a, &b], "");
    for _ in 0..5 {
        assert_eq!(host.get("/").backend(), "a");
    }
    assert_eq!(faults(&host), 0.0);
    let (_, plugins) = host.admin("GET", "/plugins", "");
    let mine = &plugins.as_array().expect("an array")[0];
    assert_eq!((&mine["name"], &mine["pools"][0]), (&"mine".into(), &"web".into()));
    assert!(mine["decisions"].as_u64() >= Some(5), "{mine}");
}

#[test]
fn a_component_replaces_a_built_in() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let folder = Folder::new();
    folder.write("mine.wasm", plugin::balancer("first.wat"));
    let section = "[plugin.round-robin]\ncomponent = 'mine.wasm'";
    let host = Setup::over(&[&a, &b]).more(section).start_in(folder);
    for _ in 0..3 {
        assert_eq!(host.get("/").backend(), "a");
    }
}

#[test]
fn a_plugin_that_traps_loses_no_request() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    survived(&behind("trap.wat", &[&a, &b], ""), 50, "trap");
    assert!(a.requests() > 0 && b.requests() > 0, "the fallback takes the backends in turn");
}

#[test]
fn after_a_trap_a_fresh_instance_goes_on() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let host = behind("trap-second.wat", &[&a, &b], "");
    survived(&host, 10, "trap");
    let faults = faults(&host);
    assert!((1.0..=5.0).contains(&faults), "{faults} faults of 10 picks");
}

#[test]
fn a_plugin_that_overflows_its_stack_loses_no_request() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    survived(&behind("overflow.wat", &[&a, &b], ""), 20, "trap");
}

#[test]
fn a_plugin_that_loops_loses_no_request() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    survived(&behind("loop.wat", &[&a, &b], "deadline = '5ms'"), 20, "deadline");
}

#[test]
fn a_plugin_that_eats_memory_loses_no_request() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let host = behind("grow.wat", &[&a, &b], "memory = '40MiB'\ndeadline = '1s'");
    let before = host.memory();
    survived(&host, 20, "memory");
    assert!(host.memory() < before + (200 << 20), "the memory of lost instances is given back");
}

#[test]
fn a_plugin_that_picks_what_is_not_there_loses_no_request() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    survived(&behind("invalid.wat", &[&a, &b], ""), 20, "invalid");
}

#[test]
fn a_plugin_that_picks_a_backend_that_is_down_loses_no_request() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let host = behind("first.wat", &[&a, &b], "");
    let (status, _) = host.admin("PATCH", "/pools/web/backends/a", r#"{"state":"down"}"#);
    assert_eq!(status, 200);
    survived(&host, 5, "invalid");
    assert_eq!((a.requests(), b.requests()), (0, 5));
}

#[test]
fn a_plugin_without_opinion_is_no_fault() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let host = behind("pass.wat", &[&a, &b], "");
    for _ in 0..4 {
        assert_eq!(host.get("/").status, 200);
    }
    assert_eq!(faults(&host), 0.0);
    assert_eq!((a.requests(), b.requests()), (2, 2), "the fallback takes the backends in turn");
}

#[test]
fn a_plugin_may_refuse() {
    let a = Backend::echo("a");
    let host = behind("refuse.wat", &[&a], "");
    let response = host.get("/");
    assert_eq!(response.status, 429);
    assert!(!response.reason().is_empty());
    assert_eq!((faults(&host), a.requests()), (0.0, 0), "a decision, and no fault");
}

#[test]
fn bad_plugins_under_load_lose_no_request() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let host = behind("trap.wat", &[&a, &b], "");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut client = host.client();
                for _ in 0..100 {
                    assert_eq!(client.get("/").status, 200);
                }
            });
        }
    });
    eventually("all attempts are counted", || {
        host.metrics().sum("trimtab_backend_requests_total", &[("pool", "web"), ("outcome", "success")]) == 800.0
    });
}

//! Another generation of a plugin, by `PUT /plugins/NAME`, while it steers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use trimtab_tests::{Backend, Folder, Host, Setup, plugin};

const SWAPS: usize = 100;

/// Backends behind the plugin `mine`, which is this fixture.
fn behind(fixture: &str, backends: &[&Backend]) -> Host {
    let folder = Folder::new();
    folder.write("mine.wasm", plugin::balancer(fixture));
    Setup::over(backends).pool("balancer = 'mine'").more("[plugin.mine]\ncomponent = 'mine.wasm'").start_in(folder)
}

/// Picks the backend at this position.
fn constant(position: u32) -> Vec<u8> {
    let text = plugin::text("first.wat");
    let wanted = format!("(i32.store (i32.const 68) (i32.const {position}))");
    plugin::component(&text.replace("(i32.store (i32.const 68) (i32.const 0))", &wanted), "balancer-plugin", None)
}

fn generation(host: &Host, name: &str) -> u64 {
    let (_, plugins) = host.admin("GET", "/plugins", "");
    let found = plugins.as_array().into_iter().flatten().find(|plugin| plugin["name"] == name);
    found.and_then(|plugin| plugin["generation"].as_u64()).unwrap_or_else(|| panic!("{name} in {plugins}"))
}

#[test]
fn what_was_put_decides_on_all_workers_when_put_answers() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let host = behind("first.wat", &[&a, &b]);
    assert_eq!((host.get("/").backend(), generation(&host, "mine")), ("a", 1));
    let response = host.swap("mine", &constant(1));
    assert!(response.text().starts_with("generation 2 decides, "), "{}", response.text());
    for _ in 0..16 {
        assert_eq!(host.get("/").backend(), "b");
    }
    assert_eq!(generation(&host, "mine"), 2);
    assert_eq!(host.swap("mine", &constant(1)).status, 200, "the same bytes are a generation, too");
    assert_eq!(generation(&host, "mine"), 3);
}

#[test]
fn a_built_in_is_swapped_like_any_other() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let host = Setup::over(&[&a, &b]).start();
    assert_eq!(host.swap("round-robin", &constant(1)).status, 200);
    for _ in 0..8 {
        assert_eq!(host.get("/").backend(), "b");
    }
}

#[test]
fn what_cannot_be_put_changes_nothing_and_says_why() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let host = behind("first.wat", &[&a, &b]);
    for (component, why) in [
        (b"not wasm".to_vec(), "is no WebAssembly component"),
        (plugin::component(&plugin::text("router.wat"), "router-plugin", None), "does not export"),
        (plugin::balancer("configure-error.wat"), "does not accept its settings"),
        (plugin::balancer("configure-trap.wat"), "failed"),
        (plugin::balancer("update-trap.wat"), "failed in its first `update`"),
    ] {
        let response = host.swap("mine", &component);
        assert_eq!(response.status, 422, "{}", response.text());
        assert!(response.text().contains(why) && response.text().contains("mine"), "{}", response.text());
        assert_eq!((host.get("/").backend(), generation(&host, "mine")), ("a", 1));
    }
    let response = host.swap("other", &constant(1));
    assert_eq!(response.status, 404, "{}", response.text());
    assert_eq!(host.admin_response("DELETE", "/plugins/mine", "").status, 405);
}

#[test]
fn swaps_under_load_lose_no_request() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let host = Arc::new(behind("first.wat", &[&a, &b]));
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (host, stop) = (Arc::clone(&host), Arc::clone(&stop));
            thread::spawn(move || {
                let (mut client, mut requests) = (host.client(), 0);
                while !stop.load(Ordering::Relaxed) {
                    assert_eq!(client.get("/").status, 200);
                    requests += 1;
                }
                requests
            })
        })
        .collect();
    for swap in 0..SWAPS {
        let component = constant(if swap % 2 == 0 { 1 } else { 0 });
        assert_eq!(host.swap("mine", &component).status, 200);
    }
    stop.store(true, Ordering::Relaxed);
    let requests: usize = clients.into_iter().map(|client| client.join().expect("no request failed")).sum();
    assert!(requests > SWAPS, "{requests} requests");
    assert_eq!(generation(&host, "mine"), SWAPS as u64 + 1);
    let faults = host.metrics().sum("trimtab_plugin_faults_total", &[("plugin", "mine")]);
    assert_eq!(faults, 0.0, "a swap is no fault");
}

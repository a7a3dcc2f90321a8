//! The configuration read again while it is in use: taken whole or not at all, and what it leaves as it was goes on.

use std::collections::BTreeSet;

use rustix::process::Signal;
use trimtab_tests::{Backend, Client, Folder, Host, Setup, eventually, under_load};

#[path = "reload/carried.rs"]
mod carried;
#[path = "reload/listeners.rs"]
mod listeners;
#[path = "reload/plugins.rs"]
mod plugins;
#[path = "reload/refused.rs"]
mod refused;

const RELOADS: usize = 100;

/// A second pool of `backend`, which the route `next` leads to.
fn next(backend: &Backend) -> String {
    let entry = backend.entry();
    format!("[[route]]\nname = 'next'\npath = '/next/'\npool = 'next'\n[pool.next]\nbackends = [{entry}]")
}

#[test]
fn by_call_by_signal_and_by_watched_file() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let of = |backend| Setup::over(&[backend]).server("watch = true").text();
    let mut host = Host::start(&of(&a));
    assert_eq!(host.get("/").backend(), "a");
    host.rewrite(&of(&b));
    eventually("the file was noticed", || host.get("/").backend() == "b");
    let beside = host.folder.write("beside.toml", host.folder.text("trimtab.toml").replace("\"b\"", "\"c\""));
    std::fs::rename(beside, host.folder.path("trimtab.toml")).expect("renamed");
    eventually("a rename, too", || host.backend("web", "c").is_object());
    let response = host.reload(&of(&a));
    assert_eq!((response.status, response.text().as_str()), (200, "reloaded\n"));
    assert_eq!(host.get("/").backend(), "a");
    assert!(host.stop().success());

    let of = |backend| Setup::over(&[backend]).text();
    let host = Host::start(&of(&a));
    host.rewrite(&of(&b));
    assert_eq!(host.get("/").backend(), "a", "nobody has asked for it");
    host.signal(Signal::HUP);
    eventually("the signal was heard", || host.get("/").backend() == "b");
}

#[test]
fn pools_routes_and_backends_come_go_and_move_under_load() {
    let [a, b, c] = ["a", "b", "c"].map(Backend::echo);
    let plain = Setup::over(&[&a, &b]).text();
    let host = Host::start(&plain);
    let more = Setup::over(&[&a]).more(&next(&c)).text();
    let moved = Setup::over(&[&c]).more(&next(&a)).text();
    let renamed = moved.replace("pool.web", "pool.other").replace("pool = \"web\"", "pool = \"other\"");
    let ((), requests) = under_load(host.address(), || {
        for _ in 0..5 {
            let answers = |target: &str, backend: &str| {
                assert_eq!((0..4).map(|_| host.get(target).backend().to_owned()).collect::<Vec<_>>(), [backend; 4]);
            };
            host.reloaded(&more);
            answers("/next/", "c");
            answers("/", "a");
            host.reloaded(&moved);
            answers("/next/", "a");
            answers("/", "c");
            host.reloaded(&renamed);
            answers("/", "c");
            assert!(host.backend("other", "c").is_object());
            host.reloaded(&plain);
            // The others under load take turns, too: any number in a row may be of one backend.
            let mut seen = BTreeSet::new();
            eventually("both answer", || {
                seen.insert(host.get("/").backend().to_owned());
                ["a", "b"].iter().all(|backend| seen.contains(*backend))
            });
            assert!(matches!(host.get("/next/").backend(), "a" | "b"));
        }
    });
    assert!(requests > 100, "{requests} requests");
}

#[test]
fn a_hundred_in_a_row_lose_nothing_and_leave_nothing() {
    let [a, b, c] = ["a", "b", "c"].map(Backend::echo);
    let setup = || Setup::over(&[&a, &b]).pool("affinity = 'header'\nbalancer = ['subset', 'weighted-round-robin']");
    let setup = |size: usize| {
        setup().more(&format!("[plugin.header.settings]\nname = 'x-user'\n[plugin.subset.settings]\nsize = {size}"))
    };
    let texts = [setup(2).text(), setup(3).more(&next(&c)).text()];
    let host = Host::start(&texts[0]);
    let used = || (host.memory(), host.descriptors());
    let ((), requests) = under_load(host.address(), || {
        (0..RELOADS / 4).for_each(|reload| host.reloaded(&texts[1 - reload % 2]));
        let before = used();
        (0..RELOADS).for_each(|reload| host.reloaded(&texts[reload % 2]));
        let after = used();
        eprintln!("memory and descriptors before {RELOADS} reloads: {before:?}, after: {after:?}");
        assert!(after.0 < before.0 + (16 << 20), "{before:?} {after:?}");
        assert!(after.1 <= before.1 + 8, "{before:?} {after:?}");
    });
    assert!(requests > RELOADS, "{requests} requests");
    assert_eq!(host.metrics().sum("trimtab_plugin_faults_total", &[]), 0.0, "{}", host.log());
}

#[test]
fn reloads_and_swaps_at_once_all_happen() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let folder = Folder::new();
    for name in ["one", "two", "three"] {
        folder.write(&format!("{name}.wasm"), crate::swap::constant(0));
    }
    let section = |name: &str| format!("[plugin.{name}]\ncomponent = '{name}.wasm'");
    let chain = "balancer = ['one', 'two', 'three']";
    let setup = || Setup::over(&[&a, &b]).pool(chain).more(&["one", "two", "three"].map(section).join("\n"));
    let texts = [setup().text(), setup().pool("retries = 2").more(&next(&b)).text()];
    let host = setup().start_in(folder);
    under_load(host.address(), || {
        for round in 0..6 {
            host.rewrite(&texts[round % 2]);
            std::thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| assert_eq!(host.admin_response("POST", "/reload", "").status, 200));
                }
                for plugin in ["one", "two", "three"] {
                    let component = crate::swap::constant(u32::from(round % 2 == 0));
                    let host = &host;
                    scope.spawn(move || assert_eq!(host.swap(plugin, &component).status, 200));
                }
            });
            let backend = if round % 2 == 0 { "b" } else { "a" };
            let all = (0..16).map(|_| host.get("/").backend().to_owned()).collect::<Vec<_>>();
            assert_eq!(all, [backend; 16], "round {round}");
        }
    });
    for plugin in ["one", "two", "three"] {
        assert_eq!(host.generation(plugin), 7, "{plugin}");
    }
}

#[test]
fn what_cannot_change_is_said_to_need_a_restart() {
    let a = Backend::echo("a");
    let host = Setup::over(&[&a]).start();
    let response = host.reload(&Setup::over(&[&a]).workers(3).server("max_component_size = '1MiB'").text());
    assert_eq!(response.status, 200, "{}", response.text());
    for what in ["[server] workers needs a restart", "[server] max_component_size needs a restart"] {
        assert!(response.text().contains(what), "{}", response.text());
        eventually("the log says so, too", || host.log().contains(what));
    }
    assert_eq!(Client::connect(host.address()).get("/").status, 200);
}

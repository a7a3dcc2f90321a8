//! Plugins over a reload: other settings, other files, and what was put by hand.

use trimtab_tests::{Backend, Folder, Host, Setup, eventually, plugin, under_load_with};

use crate::swap::{constant, picker};

/// Picks by the length of its settings: `{}` is the backend at 2, `{"x":1}` that at 7.
const BY_SETTINGS: &str = "(return (call $backend (global.get $settings)))";

fn setup(backends: &[&Backend], settings: &str) -> Setup {
    let section = format!("[plugin.mine]\ncomponent = 'mine.wasm'\n{settings}");
    Setup::over(backends).pool("balancer = 'mine'").more(&section)
}

fn start(component: &[u8], setup: &Setup) -> Host {
    let folder = Folder::new();
    folder.write("mine.wasm", component);
    setup.start_in(folder)
}

fn put(host: &Host, component: &[u8]) {
    let response = host.swap("mine", component);
    assert_eq!(response.status, 200, "{}", response.text());
}

fn all_answer(host: &Host, backend: &str) {
    (0..32).for_each(|request| assert_eq!(host.get("/").backend(), backend, "request {request}"));
}

#[test]
fn settings_hold_and_make_no_generation() {
    let [a, b, c] = ["a", "b", "c"].map(Backend::echo);
    let plain = setup(&[&a, &b, &c], "");
    let other = setup(&[&a, &b, &c], "settings = { x = 1 }");
    let host = start(&picker(BY_SETTINGS), &plain);
    all_answer(&host, "c");
    host.reloaded(&other.text());
    all_answer(&host, "b");
    assert_eq!(host.generation("mine"), 1);
    host.reloaded(&plain.text());
    all_answer(&host, "c");
}

#[test]
fn state_goes_to_the_instance_with_other_settings() {
    let [a, b, c] = ["a", "b", "c"].map(Backend::echo);
    let host = start(&plugin::handing_over("handoff.wat"), &setup(&[&a, &b, &c], "").workers(1));
    let order = || (0..2).map(|_| host.get("/").backend().to_owned()).collect::<String>();
    assert_eq!(order(), "ab");
    host.reloaded(&setup(&[&a, &b, &c], "settings = { x = 1 }").workers(1).text());
    assert_eq!(order(), "ca");
    host.reloaded(&setup(&[&a, &b, &c], "").workers(1).pool("retries = 3").text());
    assert_eq!(order(), "bc");
}

/// Picks by its settings, and takes over no state.
fn stubborn() -> Vec<u8> {
    let handoff = r#"(func (export "trimtab:plugin/handoff@0.1.0#save") (result i32)
    (i32.store (i32.const 80) (i32.const 256)) (i32.store (i32.const 84) (i32.const 4)) (i32.const 80))
  (func (export "trimtab:plugin/handoff@0.1.0#restore") (param i32 i32) (result i32)
    (i32.store8 (i32.const 128) (i32.const 1))
    (i32.store (i32.const 132) (i32.const 320))
    (i32.store (i32.const 136) (i32.const 18))
    (i32.const 128))"#;
    plugin::handing_over_text(&plugin::filled("picker.wat", &[("(; pick ;)", BY_SETTINGS), ("(; more ;)", handoff)]))
}

#[test]
fn settings_hold_where_state_is_not_taken_over() {
    let [a, b, c] = ["a", "b", "c"].map(Backend::echo);
    let host = start(&stubborn(), &setup(&[&a, &b, &c], ""));
    all_answer(&host, "c");
    let response = host.reload(&setup(&[&a, &b, &c], "settings = { x = 1 }").text());
    match response.status {
        200 => eventually("it begins anew", || (0..32).all(|_| host.get("/").backend() == "b")),
        _ => all_answer(&host, "c"),
    }
}

#[test]
fn another_file_is_another_generation_and_what_was_put_holds_until_then() {
    let [a, b, c] = ["a", "b", "c"].map(Backend::echo);
    let setup = setup(&[&a, &b, &c], "");
    let host = start(&constant(0), &setup);
    put(&host, &constant(1));
    for _ in 0..2 {
        host.reloaded(&setup.text());
        all_answer(&host, "b");
        assert_eq!((host.generation("mine"), &host.plugin("mine")["uploaded"]), (2, &true.into()));
    }
    host.reloaded(&Setup::over(&[&a, &b, &c]).text());
    assert!(host.plugin("mine").is_null(), "it is not used");
    host.reloaded(&setup.text());
    all_answer(&host, "a");
    host.folder.write("mine.wasm", constant(2));
    host.reloaded(&setup.text());
    all_answer(&host, "c");
    let shown = host.plugin("mine");
    assert!(
        shown["uploaded"] == false && shown["last"].as_str().is_some_and(|last| last.contains("reloaded")),
        "{shown}"
    );
}

#[test]
fn a_return_from_probation_keeps_what_was_reloaded_meanwhile() {
    let [a, b, c] = ["a", "b", "c"].map(Backend::echo);
    let host = start(&picker(BY_SETTINGS), &setup(&[&a, &b, &c], ""));
    put(&host, &picker(&format!("(if (call $marked) (then unreachable)) {BY_SETTINGS}")));
    // Other settings, and a further pool that the next generation decides for.
    let route = "[[route]]\nname = 'next'\npath = '/next/'\npool = 'next'";
    let entries = [&a, &b, &c].map(|backend| backend.entry()).join(", ");
    let pool = format!("[pool.next]\nbalancer = 'mine'\nbackends = [{entries}]");
    host.reloaded(&setup(&[&a, &b, &c], "settings = { x = 1 }").more(route).more(&pool).text());
    all_answer(&host, "b");
    under_load_with(
        host.address(),
        |_| "x-mark: 1\r\n".to_owned(),
        || {
            eventually("it is back", || host.generation("mine") == 1);
        },
    );
    all_answer(&host, "b");
    for _ in 0..32 {
        assert_eq!(host.client().get_with("/next/", "x-mark: 1\r\n").backend(), "b");
    }
    let faults = host.metrics().sum("trimtab_plugin_faults_total", &[]);
    all_answer(&host, "b");
    (0..16).for_each(|_| assert_eq!(host.client().get_with("/next/", "x-mark: 1\r\n").status, 200));
    assert_eq!(host.metrics().sum("trimtab_plugin_faults_total", &[]), faults, "the other pool has it back, too");
}

#[test]
fn a_probation_goes_on_over_a_reload() {
    let [a, b, c] = ["a", "b", "c"].map(Backend::echo);
    let host = start(&constant(0), &setup(&[&a, &b, &c], ""));
    put(&host, &picker("(if (call $marked) (then unreachable)) (return (call $backend (i32.const 1)))"));
    host.reloaded(&setup(&[&a, &b, &c], "").pool("retries = 2").text());
    assert_eq!(host.plugin("mine")["stage"], "probation");
    under_load_with(
        host.address(),
        |_| "x-mark: 1\r\n".to_owned(),
        || {
            eventually("it is back", || host.generation("mine") == 1);
        },
    );
    host.reloaded(&setup(&[&a, &b, &c], "").text());
    all_answer(&host, "a");
    assert_eq!(host.generation("mine"), 1, "a reload does not bring back what has failed");
}

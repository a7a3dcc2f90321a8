//! `watch = true`: a changed file is the next generation, however it is written.

use std::fs;
use std::os::unix::fs::symlink;

use trimtab_tests::{Backend, Folder, Host, Setup, eventually, under_load};

use super::{all_answer, constant, put};

/// Backends behind the plugin `mine`, whose file is watched.
fn watched(folder: Folder, component: &str, backends: &[&Backend]) -> Host {
    let section = format!("[plugin.mine]\ncomponent = '{component}'\nwatch = true");
    Setup::over(backends).pool("balancer = 'mine'").more(&section).start_in(folder)
}

fn decides(host: &Host, generation: u64) {
    eventually("the next generation decides", || host.generation("mine") == generation);
}

#[test]
fn in_place_by_rename_and_after_a_bad_one() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let folder = Folder::new();
    folder.write("mine.wasm", constant(0));
    let host = watched(folder, "mine.wasm", &[&a, &b]);
    all_answer(&host, "a");
    under_load(host.address(), || {
        host.folder.write("mine.wasm", constant(1));
        decides(&host, 2);
        all_answer(&host, "b");
        assert_eq!(host.plugin("mine")["uploaded"], false);
        let beside = host.folder.write("mine.wasm.new", constant(0));
        fs::rename(beside, host.folder.path("mine.wasm")).expect("renamed");
        decides(&host, 3);
        all_answer(&host, "a");
        host.folder.write("mine.wasm", "not wasm");
        eventually("the log says why", || host.log().contains("is no WebAssembly component"));
        eventually("so does the admin API", || {
            host.plugin("mine")["last"].as_str().is_some_and(|last| last.contains("is no WebAssembly component"))
        });
        assert_eq!(host.generation("mine"), 3);
        all_answer(&host, "a");
        host.folder.write("mine.wasm", constant(1));
        decides(&host, 4);
        all_answer(&host, "b");
    });
}

#[test]
fn by_symlinks_as_kubernetes_does() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let folder = Folder::new();
    let version = |name: &str, position| {
        fs::create_dir(folder.path(name)).expect("a folder");
        folder.write(&format!("{name}/mine.wasm"), constant(position));
    };
    version("..one", 0);
    version("..two", 1);
    symlink("..one", folder.path("..data")).expect("a link");
    symlink("..data/mine.wasm", folder.path("mine.wasm")).expect("a link");
    let host = watched(folder, "mine.wasm", &[&a, &b]);
    all_answer(&host, "a");
    symlink("..two", host.folder.path("..new")).expect("a link");
    fs::rename(host.folder.path("..new"), host.folder.path("..data")).expect("renamed");
    fs::remove_dir_all(host.folder.path("..one")).expect("removed");
    decides(&host, 2);
    all_answer(&host, "b");
}

#[test]
fn what_was_put_holds_until_the_file_changes() {
    let [a, b, c] = ["a", "b", "c"].map(Backend::echo);
    let folder = Folder::new();
    folder.write("mine.wasm", constant(0));
    let host = watched(folder, "mine.wasm", &[&a, &b, &c]);
    put(&host, "mine", &constant(1));
    // The same content is no change; then another one is.
    host.folder.write("mine.wasm", constant(0));
    host.folder.write("mine.wasm", constant(2));
    decides(&host, 3);
    all_answer(&host, "c");
    assert_eq!(host.plugin("mine")["uploaded"], false);
}

#[test]
fn a_file_that_changes_while_one_is_prepared_comes_after_it() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let folder = Folder::new();
    folder.write("mine.wasm", constant(0));
    let host = watched(folder, "mine.wasm", &[&a, &b]);
    for round in 0..4 {
        host.folder.write("mine.wasm", super::picker(&format!("(return (call $backend (i32.const {})))", 100 + round)));
        for _ in 0..10 {
            assert!(matches!(host.swap("mine", &constant(0)).status, 200 | 409));
        }
    }
    host.folder.write("mine.wasm", constant(1));
    eventually("the file's last content decides", || host.get("/").backend() == "b");
    all_answer(&host, "b");
}

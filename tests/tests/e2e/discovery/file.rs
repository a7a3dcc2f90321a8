//! A list of backends in a file: changed, broken, mended, replaced.

use std::fs;

use trimtab_tests::{Backend, Folder, Setup, eventually, under_load};

use super::{error, eventually_has, ids, web};

fn list(backends: &[&Backend]) -> String {
    let entry = |backend: &&Backend| format!(r#"{{ "id": "{}", "address": "{}" }}"#, backend.name(), backend.address());
    format!("[\n  {}\n]\n", backends.iter().map(entry).collect::<Vec<_>>().join(",\n  "))
}

fn own(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn a_list_is_followed() {
    let [a, b, c] = ["a", "b", "c"].map(Backend::echo);
    let folder = Folder::new();
    folder.write("list.json", list(&[&a, &b]));
    let host = Setup::of([]).pool("discover = { file = 'list.json' }").start_in(folder);
    assert_eq!(ids(&host), ["a", "b"]);
    assert_eq!(web(&host)["discovery"]["source"], format!("file {}", host.folder.path("list.json").display()));
    under_load(host.address(), || {
        host.folder.write("list.json", list(&[&b, &c]));
        eventually_has(&host, &own(&["b", "c"]));
        // As editors and tools do it: another file in the place of the first.
        let next = host.folder.write("next", list(&[&a, &c]));
        fs::rename(next, host.folder.path("list.json")).expect("renamed");
        eventually_has(&host, &own(&["a", "c"]));
    });
}

#[test]
fn a_list_that_is_wrong_changes_nothing() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let folder = Folder::new();
    folder.write("list.json", list(&[&a]));
    let host = Setup::of([]).pool("discover = { file = 'list.json' }").start_in(folder);
    let broken = [
        (list(&[&a, &b]).replace("]", ""), "this is not JSON: EOF while parsing a list"),
        (list(&[&a, &b]).replace("\"address\"", "\"adress\""), "unknown key `adress` in a backend"),
        (list(&[&a, &a]), "this pool has two backends of this address"),
    ];
    for (number, (text, why)) in (1..).zip(&broken) {
        host.folder.write("list.json", text);
        eventually(why, || error(&host).contains(why));
        let path = host.folder.path("list.json");
        assert!(error(&host).contains(&format!(" --> {}:", path.display())), "{}", error(&host));
        eventually("it is in the log", || host.log().contains(why));
        assert_eq!((ids(&host), host.get("/").status), (own(&["a"]), 200));
        assert_eq!(host.metrics().sum("trimtab_discovery_failures_total", &[("pool", "web")]), f64::from(number));
    }
    host.folder.write("list.json", list(&[&b]));
    eventually_has(&host, &own(&["b"]));
    assert_eq!(error(&host), "");
    host.folder.write("list.json", "[]");
    eventually_has(&host, &[]);
    assert_eq!(host.get("/").status, 503, "an empty list is one, too");
}

#[test]
fn a_list_may_be_missing() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let host = Setup::over(&[&a]).pool("discover = { file = 'lists/b.toml' }").start();
    assert!(error(&host).contains("no such file"), "{}", error(&host));
    assert_eq!((ids(&host), host.get("/").status), (own(&["a"]), 200));
    fs::create_dir(host.folder.path("lists")).expect("a folder");
    host.folder.write("lists/b.toml", format!("[[backends]]\nid = 'b'\naddress = '{}'\nweight = 4\n", b.address()));
    eventually_has(&host, &own(&["a", "b"]));
    assert_eq!(
        (host.backend("web", "a")["origin"].as_str(), host.backend("web", "b")["weight"].as_u64()),
        (Some("configured"), Some(4))
    );
    fs::remove_file(host.folder.path("lists/b.toml")).expect("removed");
    host.folder.write("lists/b.toml", format!("[[backends]]\nid = 'b'\naddress = '{}'\nweight = 5\n", b.address()));
    eventually("it came back", || host.backend("web", "b")["weight"] == 5);
}

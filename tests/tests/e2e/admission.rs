//! `conformance = "strict"`: only what keeps the contract decides, however it comes.

use std::path::Path;

use trimtab_tests::{Backend, Folder, Host, Setup, eventually, plugin, trimtab};

/// What a built-in is made of.
fn built_in(name: &str) -> Vec<u8> {
    let path = plugin::root().join(format!("plugins/dist/{name}.wasm"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Always backend 0, which nobody minds as long as it is ready: its trial is over the table that there is.
fn always_the_first() -> Vec<u8> {
    plugin::balancer("first.wat")
}

const WHY: [&str; 3] =
    ["plugin `mine`", "is not admitted (`conformance = \"strict\"`)", "`answers` of the balancer fails: table"];

fn says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word} in:\n{text}");
    }
}

/// The configuration with the plugin `mine`.
fn mine(backends: &[&Backend], lines: &str) -> Setup {
    let section = format!("[plugin.mine]\ncomponent = 'mine.wasm'\n{lines}");
    Setup::over(backends).pool("balancer = 'mine'").more(&section)
}

fn check(path: &Path) -> (Option<i32>, String) {
    let output = trimtab(&["check", &path.display().to_string()]);
    let text = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)).concat();
    (output.status.code(), text)
}

#[test]
fn what_does_not_keep_it_is_not_started_with() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let folder = Folder::new();
    folder.write("mine.wasm", always_the_first());
    let strict = mine(&[&a, &b], "conformance = 'strict'");
    let (code, said) = check(&folder.write("strict.toml", strict.text()));
    assert_eq!(code, Some(1), "{said}");
    says(&said, &WHY);
    let (code, said) = check(&folder.write("off.toml", mine(&[&a, &b], "").text()));
    assert_eq!(code, Some(0), "{said}");
    let mut host = Host::spawn(folder, &strict.text());
    assert_eq!(host.wait().code(), Some(1), "{}", host.log());
    says(&host.log(), &WHY);
}

#[test]
fn what_does_not_keep_it_is_not_put_in_place() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let folder = Folder::new();
    folder.write("mine.wasm", built_in("random"));
    let host = mine(&[&a, &b], "conformance = 'strict'\nwatch = true").start_in(folder);
    says(&host.log(), &["keeps the contract"]);
    let response = host.swap("mine", &always_the_first());
    assert_eq!(response.status, 422, "{}", response.text());
    says(&response.text(), &WHY);
    assert_eq!((host.generation("mine"), host.get("/").status), (1, 200));
    assert_eq!(host.swap("mine", &built_in("round-robin")).status, 200);
    let decides = host.generation("mine");
    host.folder.write("mine.wasm", always_the_first());
    let last = || host.plugin("mine")["last"].as_str().unwrap_or_default().to_owned();
    eventually("the file is refused", || last().contains(WHY[1]));
    assert_eq!(host.generation("mine"), decides);
    host.folder.write("mine.wasm", built_in("p2c"));
    eventually("another is taken", || host.generation("mine") > decides);
    assert_eq!(host.metrics().sum("trimtab_plugin_faults_total", &[]), 0.0, "{}", host.log());
}

#[test]
fn a_reload_asks_for_it() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let folder = Folder::new();
    folder.write("mine.wasm", always_the_first());
    let host = mine(&[&a, &b], "").start_in(folder);
    let strict = mine(&[&a, &b], "conformance = 'strict'").text();
    let response = host.reload(&strict);
    assert_eq!(response.status, 422, "{}", response.text());
    says(&response.text(), &WHY);
    assert_eq!(host.get("/").backend(), "a");
    host.folder.write("mine.wasm", built_in("round-robin"));
    host.reloaded(&strict);
    // What changes with the next reload is asked, too.
    host.folder.write("mine.wasm", always_the_first());
    let response = host.reload(&strict);
    assert_eq!(response.status, 422, "{}", response.text());
    assert_eq!(host.metrics().sum("trimtab_plugin_faults_total", &[]), 0.0, "{}", host.log());
}

#[test]
fn there_is_no_way_back_to_what_has_not_passed() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let folder = Folder::new();
    folder.write("mine.wasm", always_the_first());
    let host = mine(&[&a, &b], "").start_in(folder);
    assert_eq!(host.swap("mine", &built_in("round-robin")).status, 200);
    // What was put stays: the file has not changed.
    host.reloaded(&mine(&[&a, &b], "conformance = 'strict'").text());
    let decides = host.generation("mine");
    let response = host.admin_response("POST", "/plugins/mine/rollback", "");
    assert_eq!(response.status, 422, "{}", response.text());
    says(&response.text(), &WHY);
    assert_eq!((host.generation("mine"), host.get("/").status), (decides, 200));
    assert_eq!(host.swap("mine", &built_in("random")).status, 200);
    let back = host.admin_response("POST", "/plugins/mine/rollback", "");
    assert_eq!(back.status, 200, "what has passed comes back: {}", back.text());
}

#[test]
fn what_else_changes_does_not_wait_for_a_test() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let folder = Folder::new();
    folder.write("mine.wasm", built_in("random"));
    // Each question takes a while, and all of them some seconds.
    let turns = "(global.set $i (i32.const 0)) (loop $again (global.set $i (i32.add (global.get $i) (i32.const 1))) \
                 (br_if $again (i32.lt_u (global.get $i) (i32.const 400000))))";
    let more = "(global $i (mut i32) (i32.const 0))";
    let slow = plugin::placed("picker.wat", &[("pick", turns), ("more", more)]);
    let slow = plugin::component(&slow, "balancer-plugin", None);
    let host = mine(&[&a, &b], "conformance = 'strict'").start_in(folder);
    std::thread::scope(|scope| {
        let swap = scope.spawn(|| host.swap("mine", &slow));
        for round in 0..20 {
            let state = if round % 2 == 0 { "draining" } else { "ready" };
            host.set_backend("web", "a", &format!(r#"{{"state":"{state}"}}"#));
            assert_eq!(host.get("/").status, 200);
        }
        let response = swap.join().expect("an answer");
        assert_eq!(response.status, 422, "it always passes, which is doubtful: {}", response.text());
    });
}

#[test]
fn every_role_is_asked_as_it_is_used() {
    let a = Backend::echo("a");
    let strict = |names: &[&str]| {
        let section = |name: &&str| format!("[plugin.{name}]\nconformance = 'strict'\n");
        names.iter().map(section).collect::<String>()
    };
    let folder = Folder::new();
    // Without a key it never has an opinion, which is doubtful.
    let keyless = Setup::over(&[&a]).pool("balancer = ['maglev', 'random']").more(&strict(&["maglev"]));
    let (code, said) = check(&folder.write("keyless.toml", keyless.text()));
    assert_eq!(code, Some(1), "{said}");
    says(&said, &["plugin `maglev`", "`answers` of the balancer doubtful"]);
    let lines = "affinity = 'cookie'\n\
                 balancer = [{ plugin = 'zone', zone = 'x' }, { plugin = 'maglev', key = 'header:x-user' }, 'random']";
    let route = format!(
        "[[route]]\nname = 'api'\npath = '/'\npool = 'web'\n\
         router = {{ plugin = 'split', pools = ['web', 'web2'], percent = 5 }}\n\
         [pool.web2]\nbackends = ['{}']\n",
        a.address()
    );
    let all = Setup::over(&[&a]).pool(lines).more(&route);
    let all = all.more(&strict(&["cookie", "zone", "maglev", "random", "split"]));
    let host = all.start();
    assert_eq!(host.get("/").status, 200);
    for place in ["affinity of pool `web`", "balancer of pool `web`", "shaper of pool `web`", "router of route `api`"] {
        says(&host.log(), &[&format!("keeps the contract as {place}")]);
    }
    // What it says of this table is logged, and what it says of made-up ones is not.
    let said = host.log().matches("no backend is in the local zone").count();
    assert!((1..10).contains(&said), "{said} times");
}

//! The examples: their own configuration, with their component built from its sources, or with their own servers.

use std::fs;
use std::sync::{Arc, Mutex, PoisonError};

use trimtab_tests::plugin::root;
use trimtab_tests::script::{Server, finish, run, script};
use trimtab_tests::{Backend, Folder, Host, Tally, eventually, rebuilt, trimtab};

/// The example's configuration, with listeners on any port, and backends on these ports.
fn configuration(example: &str, ports: impl IntoIterator<Item = u16>) -> String {
    let path = root().join("examples").join(example).join("trimtab.toml");
    let config = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let config = replaced(&config, "127.0.0.1:8080", "127.0.0.1:0");
    (9001..).zip(ports).fold(config, |config, (written, port)| {
        replaced(&config, &format!("\"127.0.0.1:{written}\""), &format!("\"127.0.0.1:{port}\""))
    })
}

fn replaced(config: &str, from: &str, to: &str) -> String {
    assert!(config.contains(from), "no {from} in\n{config}");
    config.replace(from, to)
}

#[test]
#[ignore = "needs components built from their sources: tests/run builds them and runs this"]
fn rust_header_pin() {
    let backends = ["b1", "b2", "b3"].map(Backend::echo);
    let folder = Folder::new();
    let component = rebuilt::component("rust-header-pin");
    folder.write("rust-header-pin.wasm", fs::read(component).expect("the component can be read"));
    let ports = backends.iter().map(|backend| backend.address().port());
    let host = Host::start_in(folder, &configuration("rust-header-pin", ports));
    let mut client = host.client();
    for pinned in ["b2", "b2", "b3", "b1"] {
        let response = client.get_with("/", &format!("x-backend: {pinned}\r\n"));
        assert_eq!((response.status, response.backend()), (200, pinned));
    }
    assert_eq!(client.get_with("/", "x-backend: b9\r\n").status, 200, "an unknown backend is no error");
    assert_eq!(host.admin("PATCH", "/pools/web/backends/b2", r#"{"state":"down"}"#).0, 200);
    let other = client.get_with("/", "x-backend: b2\r\n");
    assert_eq!(other.status, 200);
    assert_ne!(other.backend(), "b2");
    let answered: usize = backends.iter().map(Backend::requests).sum();
    assert_eq!(answered, 6);
    assert_eq!(host.metrics().sum("trimtab_plugin_faults_total", &[("plugin", "header-pin")]), 0.0);
}

/// A backend that reports what the test has it say, with each response; nothing where that is empty.
fn reporting(name: &str, report: &Arc<Mutex<String>>) -> Backend {
    let report = Arc::clone(report);
    Backend::new(name, move |exchange| {
        exchange.body()?;
        let report = report.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let lines = if report.is_empty() { report } else { format!("endpoint-load-metrics: {report}\r\n") };
        exchange.respond(200, &lines, "")
    })
}

#[test]
#[ignore = "needs components built from their sources: tests/run builds them and runs this"]
fn rust_orca() {
    let reports: [Arc<Mutex<String>>; 3] = Default::default();
    let backends = [("b1", &reports[0]), ("b2", &reports[1]), ("b3", &reports[2])].map(|(id, it)| reporting(id, it));
    let say = |said: [&str; 3]| {
        for (report, said) in reports.iter().zip(said) {
            said.clone_into(&mut report.lock().unwrap_or_else(PoisonError::into_inner));
        }
    };
    let folder = Folder::new();
    let component = rebuilt::component("rust-orca");
    folder.write("rust-orca.wasm", fs::read(component).expect("the component can be read"));
    let ports = backends.iter().map(|backend| backend.address().port());
    let config = configuration("rust-orca", ports);
    let beyond = folder.write("beyond.toml", replaced(&config, "error_penalty = 1.0", "error_penalty = 1001"));
    let checked = trimtab(&["check", &beyond.display().to_string()]);
    let said = String::from_utf8_lossy(&checked.stderr);
    assert!(!checked.status.success() && said.contains("`error_penalty` is 1001: it must be from 0 to 1000"), "{said}");
    let host = Host::start_in(folder, &config);
    let shares_become = |what: &str, b1: f64, b2: f64, b3: f64| {
        eventually(what, || Tally::of(&host, 420).chi_square(&[("b1", b1), ("b2", b2), ("b3", b3)]) < 16.0);
    };
    shares_become("nobody reports, and all are alike", 1.0, 1.0, 1.0);
    let of_use = |used: f64| format!("TEXT rps_fractional=100, cpu_utilization={used}");
    say([&of_use(0.1), &of_use(0.4), &of_use(0.8)]);
    shares_become("who is used least gets most", 8.0, 2.0, 1.0);
    say([&of_use(0.8), &of_use(0.2), r#"JSON {"rpsFractional": 100, "applicationUtilization": 0.1}"#]);
    shares_become("it is another one now", 1.0, 4.0, 8.0);
    say([&of_use(0.1), &of_use(0.1), &format!("{}, eps=70", of_use(0.1))]);
    shares_become("errors count as use", 8.0, 8.0, 1.0);
    let response = host.get("/");
    assert_eq!(response.headers.get("endpoint-load-metrics"), None, "reports are not for clients");
    host.set_backend("web", "b1", r#"{"state":"down"}"#);
    let tally = Tally::of(&host, 420);
    assert!(tally.by("b1") == 0 && tally.chi_square(&[("b2", 8.0), ("b3", 1.0)]) < 40.0, "{tally:?}");
    assert_eq!(host.metrics().sum("trimtab_plugin_faults_total", &[("plugin", "orca")]), 0.0);
}

/// Three chat servers, and the example's configuration for them.
fn chat() -> ([Server; 3], String) {
    let servers =
        ["s1", "s2", "s3"].map(|name| Server::start(script("examples/socketio-chat/server.js").args([name, "0"])));
    let config = configuration("socketio-chat", servers.iter().map(|server| server.port));
    (servers, config)
}

const RING: &str = "{ plugin = \"ring-hash\", key = \"query:room\" }";
const COOKIE: &str = "{ plugin = \"cookie\", name = \"chat\", http_only = false }";

#[test]
#[ignore = "needs clients that tests/run installs"]
fn socketio_chat() {
    let (_servers, config) = chat();
    // What the README says of another affinity holds too.
    let by_room = replaced(&config, COOKIE, "{ plugin = \"header\", key = \"query:room\" }");
    let by_room = replaced(&by_room, RING, "\"round-robin\"");
    for config in [config, by_room] {
        let host = Host::start(&config);
        let told = run(script("examples/socketio-chat/talk.js").arg(format!("http://{}", host.address())));
        let servers: Vec<_> = told.lines().filter_map(|line| line.split_once(": ")).map(|(_, name)| name).collect();
        assert_eq!(servers.len(), 6, "{told}");
        assert!(servers.iter().all(|name| ["s1", "s2", "s3"].contains(name)), "a room is at one server: {told}");
        assert!(servers.iter().any(|name| *name != servers[0]), "rooms are at several servers: {told}");
        assert_eq!(host.metrics().sum("trimtab_plugin_faults_total", &[]), 0.0);
    }
}

#[test]
#[ignore = "needs clients that tests/run installs"]
fn socketio_chat_breaks_without_affinity() {
    let (_servers, config) = chat();
    let config = replaced(&config, RING, "\"round-robin\"");
    let host = Host::start(&replaced(&config, &format!("affinity = {COOKIE}\n"), ""));
    let (well, _, told) = finish(script("examples/socketio-chat/talk.js").arg(format!("http://{}", host.address())));
    assert!(!well && told.contains("Session ID unknown"), "{told}");
}

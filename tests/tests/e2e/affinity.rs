//! Clients bound to backends: what holds for every affinity. What each does by itself is told in its own file.

use std::collections::BTreeMap;

use trimtab_tests::{Backend, Folder, Host, Response, Setup, trimtab};

#[path = "affinity/address.rs"]
mod address;
#[path = "affinity/cookie.rs"]
mod cookie;
#[path = "affinity/faults.rs"]
mod faults;
#[path = "affinity/guest.rs"]
pub(crate) mod guest;
#[path = "affinity/header.rs"]
mod header;
#[path = "affinity/hostile.rs"]
mod hostile;
#[path = "affinity/loss.rs"]
mod loss;
#[path = "affinity/responses.rs"]
mod responses;
#[path = "affinity/route.rs"]
mod route;
#[path = "affinity/secret.rs"]
mod secret;
#[path = "affinity/session.rs"]
mod session;
#[path = "affinity/streams.rs"]
mod streams;

/// How many new connections reach all of two workers; that they do not is as likely as 2^-31.
const MANY: usize = 32;

/// A browser: keeps the cookies that it is given, and comes on a new connection each time.
#[derive(Debug, Default, Clone)]
struct Browser {
    cookies: BTreeMap<String, String>,
}

impl Browser {
    /// One that has this cookie already.
    fn with(name: &str, value: &str) -> Self {
        Self { cookies: BTreeMap::from([(name.to_owned(), value.to_owned())]) }
    }

    fn get(&mut self, host: &Host, target: &str) -> Response {
        let response = host.client().get_with(target, &self.lines());
        self.keep(&response);
        response
    }

    /// The header line that it sends its cookies with.
    fn lines(&self) -> String {
        let pairs: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if pairs.is_empty() { String::new() } else { format!("cookie: {}\r\n", pairs.join("; ")) }
    }

    fn keep(&mut self, response: &Response) {
        for cookie in response.headers.all("set-cookie") {
            let (name, value) = cookie.split(';').next().and_then(|pair| pair.split_once('=')).expect("a cookie");
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
    }
}

/// Decisions that the affinity of the pool `web` made.
fn found(host: &Host) -> f64 {
    let metrics = host.metrics();
    assert!(metrics.has("trimtab_affinity_found_total", &[("pool", "web")]), "{:?}", metrics.all);
    metrics.sum("trimtab_affinity_found_total", &[("pool", "web")])
}

/// Faults of the affinity of the pool `web`, of any kind.
fn faults(host: &Host) -> f64 {
    let labels = [("pool", "web"), ("role", "affinity")];
    let metrics = host.metrics();
    assert!(metrics.has("trimtab_plugin_faults_total", &labels), "{:?}", metrics.all);
    metrics.sum("trimtab_plugin_faults_total", &labels)
}

/// Entries of this plugin's table.
fn entries(host: &Host, plugin: &str) -> f64 {
    host.metrics().sum("trimtab_table_entries", &[("plugin", plugin), ("pool", "web")])
}

/// Sets the state of a backend of the pool `web`, as an operator does.
fn set_state(host: &Host, backend: &str, state: &str) {
    let path = format!("/pools/web/backends/{backend}");
    assert_eq!(host.admin("PATCH", &path, &format!(r#"{{"state":"{state}"}}"#)).0, 200, "{path}: {state}");
}

fn remove(host: &Host, backend: &str) {
    assert_eq!(host.admin("DELETE", &format!("/pools/web/backends/{backend}"), "").0, 204, "{backend}");
}

fn add(host: &Host, backend: &Backend) {
    let body = format!(r#"{{"address":"{}"}}"#, backend.address());
    assert_eq!(host.admin("PUT", &format!("/pools/web/backends/{}", backend.name()), &body).0, 201);
}

/// One of five affinities, and how a client of a number shows who it is.
struct Way {
    affinity: &'static str,
    plugin: &'static str,
    lines: fn(&Browser, usize) -> String,
}

const WAYS: [Way; 4] = [
    Way { affinity: "'cookie'", plugin: "cookie", lines: |browser, _| browser.lines() },
    Way {
        affinity: "{ plugin = 'header', name = 'x-user' }",
        plugin: "header",
        lines: |_, number| format!("x-user: {number}\r\n"),
    },
    Way {
        affinity: "'client-address'",
        plugin: "client-address",
        lines: |_, number| format!("x-forwarded-for: 192.0.2.{number}\r\n"),
    },
    Way {
        affinity: "{ plugin = 'app-cookie', name = 'sid' }",
        plugin: "app-cookie",
        lines: |_, number| format!("cookie: sid={number}\r\n"),
    },
];

/// Client `number` comes on a new connection; answers the backend that it got.
fn visit(host: &Host, way: &Way, browsers: &mut [Browser], number: usize) -> String {
    let lines = (way.lines)(&browsers[number], number);
    let response = host.client().get_with("/", &lines);
    assert_eq!(response.status, 200, "{}: {}", way.plugin, response.text());
    browsers[number].keep(&response);
    response.backend().to_owned()
}

fn start(way: &Way, backends: &[&Backend]) -> Host {
    Setup::over(backends)
        .listener("trusted_proxies = ['127.0.0.1']")
        .pool(&format!("affinity = {}", way.affinity))
        .start()
}

#[test]
fn who_is_bound_stays_while_the_pool_drains_grows_and_shrinks() {
    for way in WAYS {
        let [a, b, c] = ["a", "b", "c"].map(Backend::echo);
        let host = start(&way, &[&a, &b]);
        let mut browsers = vec![Browser::default(); 64];
        let mut visit = |number| visit(&host, &way, &mut browsers, number);
        let homes: Vec<_> = (0..16).map(&mut visit).collect();
        assert!(["a", "b"].iter().all(|id| homes.iter().any(|home| home == id)), "{}: {homes:?}", way.plugin);
        let at_home = |visit: &mut dyn FnMut(usize) -> String| (0..16).map(visit).collect::<Vec<_>>() == homes;
        assert!(at_home(&mut visit), "{}: on all workers", way.plugin);

        set_state(&host, "a", "draining");
        assert!(at_home(&mut visit), "{}: a draining backend keeps its clients", way.plugin);
        assert!((16..32).all(|number| visit(number) == "b"), "{}: and gets no new ones", way.plugin);

        add(&host, &c);
        assert!(at_home(&mut visit), "{}: a new backend takes nobody from others", way.plugin);
        assert!((16..32).all(|number| visit(number) == "b"), "{}", way.plugin);

        set_state(&host, "a", "ready");
        let new: Vec<_> = (32..64).map(&mut visit).collect();
        let all = ["a", "b", "c"].iter().all(|id| new.iter().any(|home| home == id));
        assert!(all, "{}: new clients go to all that are ready: {new:?}", way.plugin);
        assert!(at_home(&mut visit), "{}", way.plugin);

        remove(&host, "a");
        let rebound: Vec<_> = (0..16).map(&mut visit).collect();
        for (number, (now, home)) in rebound.iter().zip(&homes).enumerate() {
            let right = if home == "a" { now != "a" } else { now == home };
            assert!(right, "{}: client {number} of {home} is at {now}", way.plugin);
        }
        add(&host, &a);
        assert!((0..16).map(visit).eq(rebound), "{}: where it was rebound, a client stays", way.plugin);
        assert_eq!(faults(&host), 0.0, "{}", way.plugin);
    }
}

#[test]
fn a_backend_that_is_down_loses_its_clients_to_others_for_good() {
    for way in WAYS {
        let [a, b] = ["a", "b"].map(Backend::echo);
        let host = start(&way, &[&a, &b]);
        let mut browsers = vec![Browser::default(); 8];
        let homes: Vec<_> = (0..8).map(|number| visit(&host, &way, &mut browsers, number)).collect();
        assert!(homes.iter().any(|home| home == "a"), "{}: {homes:?}", way.plugin);
        set_state(&host, "a", "down");
        for _ in 0..2 {
            assert!((0..8).all(|number| visit(&host, &way, &mut browsers, number) == "b"), "{}", way.plugin);
        }
        set_state(&host, "a", "ready");
        assert!((0..8).all(|number| visit(&host, &way, &mut browsers, number) == "b"), "{}", way.plugin);
        assert_eq!(faults(&host), 0.0, "{}: a backend that is down is no fault of the plugin", way.plugin);
    }
}

#[test]
fn nobody_moves_while_the_pool_changes_under_load() {
    for way in WAYS {
        let [a, b, c] = ["a", "b", "c"].map(Backend::echo);
        let host = start(&way, &[&a, &b]);
        let mut browsers = vec![Browser::default(); 16];
        let homes: Vec<_> = (0..16).map(|number| visit(&host, &way, &mut browsers, number)).collect();
        let (host, way) = (&host, &way);
        std::thread::scope(|scope| {
            for ((number, browser), home) in (0..).zip(browsers).zip(&homes) {
                scope.spawn(move || {
                    let mut client = host.client();
                    for _ in 0..100 {
                        let response = client.get_with("/", &(way.lines)(&browser, number));
                        let got = (response.status, response.backend(), response.headers.get("set-cookie"));
                        assert_eq!(got, (200, home.as_str(), None), "{}: client {number}", way.plugin);
                    }
                });
            }
            for state in ["draining", "ready"].iter().cycle().take(20) {
                set_state(host, "a", state);
                add(host, &c);
                remove(host, "c");
            }
        });
        assert_eq!(faults(host), 0.0, "{}", way.plugin);
        assert_eq!(c.requests(), 0, "{}: nobody is new", way.plugin);
    }
}

#[test]
fn a_plugin_that_is_none_is_an_error_before_anything_starts() {
    for (name, lines) in [("round-robin", "affinity = 'round-robin'"), ("cookie", "balancer = 'cookie'")] {
        let folder = Folder::new();
        let backends = "backends = ['127.0.0.1:1']";
        let text = format!(
            "[[listener]]\nname = 'web'\naddress = '127.0.0.1:0'\npool = 'web'\n[pool.web]\n{backends}\n{lines}\n"
        );
        let path = folder.write("trimtab.toml", text);
        let output = trimtab(&["check", &path.display().to_string()]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(name), "{lines}: {said}");
    }
}

#[test]
fn who_was_found_is_counted() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let host = Setup::over(&[&a, &b]).pool("affinity = 'cookie'").start();
    let mut browser = Browser::default();
    browser.get(&host, "/");
    assert_eq!(found(&host), 0.0, "the first request was the balancer's");
    for _ in 0..5 {
        browser.get(&host, "/");
    }
    assert_eq!(found(&host), 5.0);
    assert_eq!(host.get("/").status, 200);
    assert_eq!(found(&host), 5.0, "nor is somebody else's");
    let metrics = host.metrics();
    let decisions = |role| {
        let count = "trimtab_decision_seconds_count";
        metrics.sum(count, &[("pool", "web"), ("role", role)])
    };
    assert_eq!((decisions("affinity"), decisions("balancer")), (7.0, 2.0), "who is found is not picked for");
}

#[test]
fn a_pool_without_affinity_finds_nobody_and_sets_nothing() {
    let a = Backend::echo("a");
    let host = Setup::over(&[&a]).start();
    assert_eq!(host.get("/").headers.get("set-cookie"), None);
    assert!(!host.metrics().has("trimtab_affinity_found_total", &[]));
    let (_, pools) = host.admin("GET", "/pools", "");
    assert!(pools[0]["affinity"].is_null(), "{pools}");
}

#[test]
fn the_admin_api_shows_the_affinity() {
    let a = Backend::echo("a");
    for (affinity, name) in WAYS.map(|way| (way.affinity, way.plugin)) {
        let host = Setup::over(&[&a]).pool(&format!("affinity = {affinity}")).start();
        let (_, pools) = host.admin("GET", "/pools", "");
        assert_eq!((&pools[0]["affinity"], &pools[0]["balancer"]), (&name.into(), &"round-robin".into()), "{pools}");
        let (_, plugins) = host.admin("GET", "/plugins", "");
        let shown = plugins.as_array().into_iter().flatten().find(|plugin| plugin["name"] == name).cloned();
        let shown = shown.unwrap_or_else(|| panic!("no {name} in {plugins}"));
        assert_eq!((&shown["roles"][0], &shown["pools"][0]), (&"affinity".into(), &"web".into()), "{shown}");
    }
}

#[test]
fn what_is_remembered_is_counted_by_client() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    for (way, remembers) in WAYS.iter().zip([0.0, 8.0, 8.0, 8.0]) {
        let host = start(way, &[&a, &b]);
        let mut browsers = vec![Browser::default(); 8];
        for _ in 0..4 {
            (0..8).for_each(|number| drop(visit(&host, way, &mut browsers, number)));
        }
        assert_eq!(entries(&host, way.plugin), remembers, "{}", way.plugin);
        let bytes = host.metrics().sum("trimtab_table_bytes", &[("plugin", way.plugin), ("pool", "web")]);
        assert_eq!(bytes > 0.0, remembers > 0.0, "{}: {bytes} bytes", way.plugin);
    }
}

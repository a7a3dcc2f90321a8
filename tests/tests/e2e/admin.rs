//! The admin API: what it shows, what it changes, and whom it lets.

use std::net::SocketAddr;

use trimtab_tests::{Backend, Client, Folder, Host, Setup, eventually};

#[test]
fn health_and_readiness() {
    let a = Backend::echo("a");
    let host = Setup::over(&[&a]).start();
    assert_eq!(host.admin("GET", "/healthz", "").0, 200);
    assert_eq!(host.admin("GET", "/readyz", "").0, 200);
    assert_eq!(host.admin("GET", "/nowhere", "").0, 404);
    assert_eq!(host.admin("DELETE", "/healthz", "").0, 405);
}

#[test]
fn pools_show_their_backends() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let host = Setup::of([a.entry(), b.entry_with("weight = 3, state = 'draining'")]).start();
    assert_eq!(host.get("/").status, 200);
    let (status, pools) = host.admin("GET", "/pools", "");
    assert_eq!(status, 200);
    let pool = &pools[0];
    assert_eq!((&pool["name"], &pool["balancer"]), (&"web".into(), &"round-robin".into()), "{pools}");
    eventually("the request is counted", || host.backend("web", "a")["requests"] == 1);
    let a = (host.backend("web", "a"), a.address().to_string());
    assert_eq!(a.0["address"], a.1);
    assert_eq!((&a.0["weight"], &a.0["state"], &a.0["in_flight"]), (&1.into(), &"ready".into(), &0.into()));
    assert!(a.0["latency_us"].as_u64() > Some(0), "{}", a.0);
    let b = host.backend("web", "b");
    assert_eq!((&b["weight"], &b["state"], &b["requests"]), (&3.into(), &"draining".into(), &0.into()));
}

#[test]
fn plugins_are_shown() {
    let a = Backend::echo("a");
    let host = Setup::over(&[&a]).start();
    let (status, plugins) = host.admin("GET", "/plugins", "");
    assert_eq!(status, 200);
    let plugin = &plugins[0];
    assert_eq!((&plugin["name"], &plugin["pools"][0]), (&"round-robin".into(), &"web".into()), "{plugins}");
    for key in ["generation", "source", "size", "decisions", "faults"] {
        assert!(!plugin[key].is_null(), "{key} in {plugin}");
    }
}

fn order(host: &Host, requests: usize) -> String {
    (0..requests).map(|_| host.get("/").backend().to_owned()).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_weight_is_changed() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let host = Setup::over(&[&a, &b]).pool("balancer = 'weighted-round-robin'").workers(1).start();
    let (status, _) = host.admin("PATCH", "/pools/web/backends/a", r#"{"weight":3}"#);
    assert_eq!(status, 200);
    assert_eq!(host.backend("web", "a")["weight"], 3);
    let order = order(&host, 8);
    assert_eq!(order.matches('a').count(), 6, "{order}");
}

#[test]
fn a_backend_is_drained_and_comes_back() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let host = Setup::over(&[&a, &b]).start();
    for state in ["draining", "down"] {
        assert_eq!(host.admin("PATCH", "/pools/web/backends/a", &format!(r#"{{"state":"{state}"}}"#)).0, 200);
        assert_eq!(host.backend("web", "a")["state"], state);
        assert_eq!(order(&host, 3), "b b b");
    }
    assert_eq!(host.admin("PATCH", "/pools/web/backends/a", r#"{"state":"ready"}"#).0, 200);
    let order = order(&host, 4);
    assert_eq!(order.matches('a').count(), 2, "{order}");
}

#[test]
fn a_backend_is_added_and_removed() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let host = Setup::over(&[&a]).start();
    let body = format!(r#"{{"address":"{}","weight":1,"labels":{{"zone":"x"}}}}"#, b.address());
    assert_eq!(host.admin("PUT", "/pools/web/backends/b", &body).0, 201);
    let both = order(&host, 4);
    assert_eq!((both.matches('a').count(), both.matches('b').count()), (2, 2), "{both}");
    assert_eq!(host.admin("PUT", "/pools/web/backends/b", &body).0, 200, "the same again changes nothing");
    assert_eq!(host.admin("DELETE", "/pools/web/backends/a", "").0, 204);
    assert_eq!(order(&host, 3), "b b b");
    assert_eq!(host.admin("DELETE", "/pools/web/backends/a", "").0, 404);
}

#[test]
fn a_removed_backend_finishes_what_it_has() {
    let (go, told) = std::sync::mpsc::channel::<()>();
    let told = std::sync::Mutex::new(told);
    let a = Backend::new("a", move |exchange| {
        let _ = told.lock().expect("one request").recv();
        exchange.echo()
    });
    let host = Setup::over(&[&a]).start();
    let mut client = host.client();
    client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
    eventually("the backend has it", || a.requests() == 1);
    assert_eq!(host.admin("DELETE", "/pools/web/backends/a", "").0, 204);
    go.send(()).expect("the backend waits");
    assert_eq!(client.response().status, 200);
    assert_eq!(client.get("/").status, 503);
}

#[test]
fn a_change_that_is_wrong_changes_nothing_and_says_why() {
    let a = Backend::echo("a");
    let host = Setup::over(&[&a]).start();
    let before = host.backend("web", "a");
    for (method, path, body, status) in [
        ("PATCH", "/pools/web/backends/zzz", r#"{"weight":1}"#, 404),
        ("PATCH", "/pools/zzz/backends/a", r#"{"weight":1}"#, 404),
        ("PATCH", "/pools/web/backends/a", r#"{"weight":-1}"#, 400),
        ("PATCH", "/pools/web/backends/a", r#"{"weight":65536}"#, 400),
        ("PATCH", "/pools/web/backends/a", r#"{"state":"tired"}"#, 400),
        ("PATCH", "/pools/web/backends/a", r#"{"weigth":2}"#, 400),
        ("PATCH", "/pools/web/backends/a", "no json", 400),
        ("PUT", "/pools/web/backends/b", r#"{"address":"nonsense"}"#, 400),
        ("PUT", "/pools/web/backends/b", r#"{}"#, 400),
    ] {
        let response = host.admin_response(method, path, body);
        assert_eq!(response.status, status, "{method} {path} {body}: {}", response.text());
        assert!(!response.body.is_empty(), "{method} {path} {body}");
    }
    assert_eq!(host.backend("web", "a"), before);
    assert!(host.backend("web", "b").is_null());
}

/// A change that would be right.
fn change(host: &Host, lines: &str) -> u16 {
    let body = r#"{"weight":2}"#;
    let head = format!(
        "PATCH /pools/web/backends/a HTTP/1.1\r\ncontent-type: application/json\r\nconnection: close\r\n{lines}"
    );
    host.admin_raw(format!("{head}content-length: {}\r\n\r\n{body}", body.len())).expect("a response").status
}

#[test]
fn a_page_of_another_site_cannot_change_anything() {
    let a = Backend::echo("a");
    let host = Setup::over(&[&a]).start();
    for origin in ["http://evil.test", "null", "http://localhost.evil.test"] {
        assert_eq!(change(&host, &format!("host: localhost\r\norigin: {origin}\r\n")), 403, "{origin}");
    }
    assert_eq!(host.backend("web", "a")["weight"], 1);
    assert_eq!(change(&host, "host: localhost\r\norigin: http://localhost\r\n"), 200);
    assert_eq!(host.backend("web", "a")["weight"], 2);
}

/// The address in the log line that says where the admin API listens.
fn logged_address(host: &Host) -> Option<SocketAddr> {
    let log = host.log();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let line = lines.into_iter().find(|line| line["message"] == "admin API listening")?;
    line["address"].as_str()?.parse().ok()
}

#[test]
fn on_loopback_a_foreign_host_is_refused() {
    // DNS rebinding: the page's own name leads to 127.0.0.1.
    let a = Backend::echo("a");
    let admin = "[admin]\nlisten = '127.0.0.1:0'";
    let host = Host::spawn(Folder::new(), &Setup::over(&[&a]).more(admin).text());
    let mut address = None;
    eventually("the admin API listens", || {
        address = logged_address(&host);
        address.is_some()
    });
    let address = address.expect("it listens");
    let ask =
        |lines: &str| Client::connect(address).send(format!("GET /pools HTTP/1.1\r\n{lines}\r\n")).response().status;
    eventually("it answers", || ask(&format!("host: {address}\r\n")) == 200);
    assert_eq!(ask("host: localhost\r\n"), 200);
    assert_eq!(ask("host: evil.test\r\n"), 403);
    assert_eq!(ask(&format!("host: evil.test:{}\r\n", address.port())), 403);
}

#[test]
fn where_a_token_is_set_changes_need_it() {
    let a = Backend::echo("a");
    let folder = Folder::new();
    let token = folder.write("token", "s3cret\n");
    let socket = folder.path("admin.sock");
    let admin = format!("[admin]\nlisten = 'unix:{}'\ntoken_file = '{}'", socket.display(), token.display());
    let host = Setup::over(&[&a]).more(&admin).start_in(folder);
    assert_eq!(change(&host, "host: localhost\r\n"), 401);
    assert_eq!(change(&host, "host: localhost\r\nauthorization: Bearer wrong\r\n"), 401);
    assert_eq!(host.backend("web", "a")["weight"], 1);
    assert_eq!(change(&host, "host: localhost\r\nauthorization: Bearer s3cret\r\n"), 200);
    assert_eq!(host.backend("web", "a")["weight"], 2);
}

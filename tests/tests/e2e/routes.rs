//! Which pool a request goes to, and who may send one.

use trimtab_tests::{Backend, Host, Response, Setup};

/// A pool for each of these backends, named like it.
fn pools(backends: &[&Backend]) -> String {
    let pool = |b: &&Backend| format!("[pool.{}]\nbackends = [{}]\n", b.name(), b.entry());
    backends.iter().map(pool).collect()
}

fn ask(host: &Host, name: &str, target: &str, lines: &str) -> Response {
    host.client().send(format!("GET {target} HTTP/1.1\r\nhost: {name}\r\n{lines}\r\n")).response()
}

#[test]
fn exact_hosts_come_before_wildcards_before_none() {
    let [web, exact, below, deep] = ["web", "exact", "below", "deep"].map(Backend::echo);
    let routes = "[[route]]\nhost = '*.example.com'\npool = 'below'\n\
                  [[route]]\nhost = '*.a.example.com'\npool = 'deep'\n\
                  [[route]]\nhost = 'api.example.com'\npool = 'exact'\n";
    let host = Setup::over(&[&web]).more(routes).more(&pools(&[&exact, &below, &deep])).start();
    for (name, pool) in [
        ("api.example.com", "exact"),
        ("API.Example.com:8080", "exact"),
        ("api.example.com.", "exact"),
        ("x.example.com", "below"),
        ("x.y.example.com", "below"),
        ("x.a.example.com", "deep"),
        ("example.com", "web"),
        ("badexample.com", "web"),
    ] {
        assert_eq!(ask(&host, name, "/", "").backend(), pool, "{name}");
    }
}

#[test]
fn the_longest_path_wins_on_segment_boundaries() {
    let [web, v1, users, exact] = ["web", "v1", "users", "exact"].map(Backend::echo);
    let routes = "[[route]]\npath = '/v1'\npool = 'v1'\n\
                  [[route]]\npath = '/v1/users/'\npool = 'users'\n\
                  [[route]]\npath_exact = '/v1/users/me'\npool = 'exact'\n";
    let host = Setup::over(&[&web]).more(routes).more(&pools(&[&v1, &users, &exact])).start();
    for (target, pool) in [
        ("/", "web"),
        ("/v1", "v1"),
        ("/v1?x", "v1"),
        ("/v1/", "v1"),
        ("/v1/x", "v1"),
        ("/v10", "web"),
        ("/V1", "web"),
        ("/v1/users/7", "users"),
        ("/v1/users/me", "exact"),
        ("/v1/users/me?x=1", "exact"),
        ("/v1/users/me/x", "users"),
    ] {
        assert_eq!(ask(&host, "test", target, "").backend(), pool, "{target}");
    }
}

#[test]
fn methods_queries_and_headers_are_conditions() {
    let [web, canary, beta, write] = ["web", "canary", "beta", "write"].map(Backend::echo);
    let routes = "[[route]]\nheaders = { X-Canary = '1' }\npool = 'canary'\n\
                  [[route]]\nquery = { beta = 'yes' }\npool = 'beta'\n\
                  [[route]]\nmethods = ['POST', 'PUT']\npool = 'write'\n";
    let host = Setup::over(&[&web]).more(routes).more(&pools(&[&canary, &beta, &write])).start();
    assert_eq!(ask(&host, "test", "/", "").backend(), "web");
    assert_eq!(ask(&host, "test", "/", "x-canary: 1\r\n").backend(), "canary");
    assert_eq!(ask(&host, "test", "/", "x-canary: 0\r\nx-canary: 1\r\n").backend(), "canary", "one value is enough");
    assert_eq!(ask(&host, "test", "/", "x-canary: 2\r\n").backend(), "web");
    assert_eq!(ask(&host, "test", "/?a=b&beta=yes", "").backend(), "beta");
    assert_eq!(ask(&host, "test", "/?beta=no", "").backend(), "web");
    assert_eq!(ask(&host, "test", "/?xbeta=yes", "").backend(), "web");
    assert_eq!(host.client().post("/", "x").backend(), "write");
}

#[test]
fn host_before_path_before_more_headers_before_file_order() {
    let [web, host_only, long, one, two, late] = ["web", "host-only", "long", "one", "two", "late"].map(Backend::echo);
    let routes = "[[route]]\npath = '/a/b'\npool = 'long'\n\
                  [[route]]\nhost = 'x.test'\npool = 'host-only'\n\
                  [[route]]\npath = '/h'\nheaders = { a = '1' }\npool = 'one'\n\
                  [[route]]\npath = '/h'\nheaders = { a = '1', b = '1' }\npool = 'two'\n\
                  [[route]]\npath = '/h'\nheaders = { b = '1' }\npool = 'late'\n";
    let host = Setup::over(&[&web]).more(routes).more(&pools(&[&host_only, &long, &one, &two, &late])).start();
    assert_eq!(ask(&host, "x.test", "/a/b", "").backend(), "host-only");
    assert_eq!(ask(&host, "test", "/a/b", "").backend(), "long");
    assert_eq!(ask(&host, "test", "/h", "a: 1\r\n").backend(), "one");
    assert_eq!(ask(&host, "test", "/h", "a: 1\r\nb: 1\r\n").backend(), "two");
    assert_eq!(ask(&host, "test", "/h", "b: 1\r\n").backend(), "late");
    assert_eq!(ask(&host, "test", "/h", "").backend(), "web");
}

/// Two listeners, of which `bare` has no pool of its own.
fn two_listeners(web: &Backend, more: &str) -> Host {
    let more = format!("[[listener]]\nname = 'bare'\naddress = '127.0.0.1:0'\n{more}");
    Setup::over(&[web]).more(&more).start()
}

#[test]
fn what_no_route_matches_is_404_where_there_is_no_default_pool() {
    let web = Backend::echo("web");
    let host = two_listeners(&web, "[[route]]\npath = '/known'\npool = 'web'\n");
    let mut client = trimtab_tests::Client::connect(host.address_of("bare"));
    assert_eq!(client.get("/known").backend(), "web");
    let response = client.get("/unknown");
    assert_eq!(response.status, 404);
    assert!(!response.reason().is_empty());
    assert_eq!(client.get("/known").status, 200, "the connection goes on");
}

#[test]
fn routes_of_a_listener_are_its_own() {
    let [web, own] = ["web", "own"].map(Backend::echo);
    let more = format!("[[route]]\nlistener = 'bare'\npath = '/own'\npool = 'own'\n{}", pools(&[&own]));
    let host = two_listeners(&web, &more);
    assert_eq!(trimtab_tests::Client::connect(host.address_of("bare")).get("/own").backend(), "own");
    assert_eq!(host.get("/own").backend(), "web");
}

fn forbidden(response: &Response) {
    assert_eq!(response.status, 403, "{}", response.text());
    assert!(!response.reason().is_empty());
}

#[test]
fn a_listener_denies_and_allows_by_network() {
    let a = Backend::echo("a");
    for (lines, allowed) in [
        ("deny = ['127.0.0.0/8']", false),
        ("deny = ['10.0.0.0/8']", true),
        ("allow = ['10.0.0.0/8']", false),
        ("allow = ['127.0.0.1/32']", true),
        ("allow = ['127.0.0.0/8']\ndeny = ['127.0.0.1/32']", false),
    ] {
        let response = Setup::over(&[&a]).listener(lines).start().get("/");
        if allowed {
            assert_eq!(response.status, 200, "{lines}");
        } else {
            forbidden(&response);
        }
    }
}

#[test]
fn a_route_denies_and_allows_by_network() {
    let [web, own] = ["web", "own"].map(Backend::echo);
    let routes = "[[route]]\npath = '/closed'\nallow = ['10.0.0.0/8']\npool = 'own'\n\
                  [[route]]\npath = '/open'\nallow = ['127.0.0.0/8']\npool = 'own'\n";
    let host = Setup::over(&[&web]).more(routes).more(&pools(&[&own])).start();
    forbidden(&host.get("/closed"));
    assert_eq!(host.get("/open").backend(), "own");
    assert_eq!(host.get("/").backend(), "web");
}

#[test]
fn access_is_of_the_client_behind_a_trusted_proxy() {
    let a = Backend::echo("a");
    let lines = "trusted_proxies = ['127.0.0.0/8']\n";
    let route = "[[route]]\npath = '/closed'\ndeny = ['1.2.3.0/24']\npool = 'web'";
    let host = Setup::over(&[&a]).listener(lines).more(route).start();
    forbidden(&host.client().get_with("/closed", "x-forwarded-for: 1.2.3.4\r\n"));
    assert_eq!(host.client().get_with("/closed", "x-forwarded-for: 9.9.9.9, 1.2.4.4\r\n").status, 200);
}

#[test]
fn a_route_has_its_own_limit_of_bodies() {
    let a = Backend::echo("a");
    let routes = "[[route]]\npath = '/large'\nmax_body_size = 10000\npool = 'web'\n";
    let host = Setup::over(&[&a]).listener("max_body_size = 100").more(routes).start();
    assert_eq!(host.client().post("/", "x".repeat(101)).status, 413);
    assert_eq!(host.client().post("/large", "x".repeat(101)).status, 200);
    assert_eq!(host.client().post("/large", "x".repeat(10_001)).status, 413);
}

#[test]
fn backups_serve_only_while_no_other_backend_is_ready() {
    let [a, b, c] = ["a", "b", "c"].map(Backend::echo);
    let host = Setup::of([a.entry(), b.entry(), c.entry_with("backup = true")]).start();
    let serve = |count: usize| (0..count).map(|_| host.get("/").backend().to_owned()).collect::<Vec<_>>();
    let set = |id: &str, state: &str| {
        let (status, _) =
            host.admin("PATCH", &format!("/pools/web/backends/{id}"), &format!(r#"{{"state":"{state}"}}"#));
        assert_eq!(status, 200, "{id} {state}");
    };
    assert!(serve(6).iter().all(|name| name != "c"));
    set("a", "down");
    assert_eq!(serve(3), ["b", "b", "b"]);
    set("b", "draining");
    assert_eq!(serve(3), ["c", "c", "c"]);
    set("b", "ready");
    assert_eq!(serve(3), ["b", "b", "b"]);
}

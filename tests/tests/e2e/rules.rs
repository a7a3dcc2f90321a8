//! Header rules of listeners and routes, and other paths: what backends and clients get, and what plugins see.

use trimtab_tests::{Backend, Client, Host, Setup};

fn host(backend: &Backend, listener: &str, route: &str) -> Host {
    Setup::over(&[backend]).listener(listener).more(&format!("[[route]]\npath = '/r'\npool = 'web'\n{route}")).start()
}

#[test]
fn request_headers_are_removed_then_set_then_added() {
    let a = Backend::echo("a");
    let rules = "request_headers = { add = { x-a = 'added' }, set = { x-a = 'set', x-b = '{method} {host}' }, \
                 remove = ['x-a', 'cookie'] }";
    let host = host(&a, "", rules);
    let sent = "x-a: 1\r\nx-a: 2\r\nx-b: 3\r\ncookie: c=d\r\nx-c: 4\r\n";
    let seen = host.client().get_with("/r", sent).echoed();
    assert_eq!(seen.all("x-a"), ["set", "added"]);
    assert_eq!(seen.all("x-b"), ["GET test"]);
    assert_eq!(seen.get("cookie"), None);
    assert_eq!(seen.all("x-c"), ["4"]);
    let seen = host.client().get_with("/other", sent).echoed();
    assert_eq!(seen.all("x-a"), ["1", "2"], "rules of a route are of that route");
}

#[test]
fn the_listeners_rules_come_first() {
    let a = Backend::echo("a");
    let host = host(
        &a,
        "request_headers = { set = { x-who = 'listener', x-l = '{listener}' } }\n\
         response_headers = { set = { strict-transport-security = 'max-age=1', x-from = 'listener' } }",
        "request_headers = { set = { x-who = 'route' } }\nresponse_headers = { set = { x-from = '{backend} {route}' } }",
    );
    let response = host.get("/r");
    assert_eq!(response.echoed().all("x-who"), ["route"]);
    assert_eq!(response.echoed().all("x-l"), ["web"]);
    assert_eq!(response.headers.all("x-from"), ["a route-1"]);
    assert_eq!(host.get("/other").headers.all("x-from"), ["listener"]);
    let refused = host.client().send("GET /r HTTP/1.1\r\nhost: a b\r\n\r\n").response();
    assert_eq!(refused.status, 400);
    assert_eq!(refused.headers.get("strict-transport-security"), Some("max-age=1"), "errors have them too");
}

#[test]
fn variables_are_what_the_request_has() {
    let a = Backend::echo("a");
    let rules = "request_headers = { set = { x-all = '{client-address} {scheme} {path}|{rest}|{query} {backend} {{}}', \
                 x-id = '{request-id}', x-none = '{sni}', x-addr = '{backend-address}' } }";
    let host = host(&a, "", rules);
    let seen = host.client().get_with("/r/x?y=z", "x-request-id: id-1\r\nx-none: forged\r\n").echoed();
    assert_eq!(seen.all("x-all"), ["127.0.0.1 http /r/x|/x|?y=z a {}"]);
    assert_eq!(seen.all("x-id"), ["id-1"]);
    assert_eq!(seen.get("x-none"), None, "what there is not is not set, and not left to the client");
    assert_eq!(seen.all("x-addr"), [a.address().to_string()]);
}

#[test]
fn the_host_can_be_the_backends() {
    let a = Backend::echo("a");
    let host = host(&a, "", "request_headers = { set = { host = 'inner.test:81' } }");
    let seen = host.get("/r").echoed();
    assert_eq!(seen.all("host"), ["inner.test:81"]);
    assert_eq!(seen.all("x-forwarded-host"), ["test"]);
}

#[test]
fn response_headers_reach_the_client_only() {
    let a = Backend::new("a", |exchange| exchange.respond(200, "server: x\r\nx-a: 1\r\nset-cookie: a=b\r\n", "hi"));
    let host = host(&a, "", "response_headers = { remove = ['server'], add = { x-a = '2', set-cookie = 'c=d' } }");
    let response = host.get("/r");
    assert_eq!(response.headers.get("server"), None);
    assert_eq!(response.headers.all("x-a"), ["1", "2"]);
    assert_eq!(response.headers.all("set-cookie"), ["a=b", "c=d"]);
    assert_eq!(response.text(), "hi");
}

#[test]
fn prefixes_are_taken_off_and_put_in_front() {
    let a = Backend::echo("a");
    let routes = "[[route]]\npath = '/api/v1'\npool = 'web'\nstrip_prefix = true\n\
                  [[route]]\npath = '/api/v2/'\npool = 'web'\nstrip_prefix = '/api'\n\
                  [[route]]\npath = '/old'\npool = 'web'\nstrip_prefix = true\nadd_prefix = '/new/x/'\n\
                  [[route]]\npath = '/in'\npool = 'web'\nadd_prefix = '/front'";
    let host = Setup::over(&[&a]).more(routes).start();
    for (sent, got, prefix) in [
        ("/api/v1", "/", Some("/api/v1")),
        ("/api/v1/", "/", Some("/api/v1")),
        ("/api/v1/a?b", "/a?b", Some("/api/v1")),
        ("/api/v1?b", "/?b", Some("/api/v1")),
        ("/api/v1//evil.test/x", "/evil.test/x", Some("/api/v1")),
        ("/api/v10/a", "/api/v10/a", None),
        ("/api/v2/a", "/v2/a", Some("/api")),
        ("/old", "/new/x", Some("/old")),
        ("/old/a", "/new/x/a", Some("/old")),
        ("/in/a?b", "/front/in/a?b", None),
    ] {
        let response = host.get(sent);
        assert_eq!(response.json()["uri"], got, "{sent}");
        assert_eq!(response.echoed().get("x-forwarded-prefix"), prefix, "{sent}");
    }
    let seen = host.client().get_with("/api/v1/a", "x-forwarded-prefix: /forged\r\n").echoed();
    assert_eq!(seen.all("x-forwarded-prefix"), ["/api/v1"]);
    let mut client = Client::connect(host.address());
    let response = client.send("GET http://test/api/v1/a HTTP/1.1\r\nhost: test\r\n\r\n").response();
    assert_eq!(response.json()["uri"], "/a", "the absolute form too");
}

#[test]
fn what_clients_send_cannot_break_out_of_a_header() {
    let a = Backend::echo("a");
    let host = host(&a, "response_headers = { set = { x-seen = '{path}{query}' } }", "");
    let response = host.get("/r%0d%0ax-evil:%201?%0a");
    assert_eq!(response.headers.get("x-evil"), None);
    assert_eq!(response.headers.all("x-seen"), ["/r%0d%0ax-evil:%201?%0a"]);
}

#[test]
fn forged_fields_are_gone_in_any_spelling() {
    let a = Backend::echo("a");
    let host = host(&a, "", "");
    let sent = "x-real-ip: 1.2.3.4\r\nx-forwarded-port: 1\r\nclient-cert: :x:\r\nx-client-cert-subject: root\r\n\
                x_forwarded_for: 1.2.3.4\r\ncontent_length: 5\r\nx_other: 1\r\n";
    let seen = host.client().get_with("/", sent).echoed();
    for name in
        ["x-real-ip", "x-forwarded-port", "client-cert", "x-client-cert-subject", "x_forwarded_for", "content_length"]
    {
        assert_eq!(seen.get(name), None, "{name}");
    }
    assert_eq!(seen.get("x_other"), Some("1"));
}

#[test]
fn connection_cannot_list_away_what_matters() {
    let a = Backend::echo("a");
    let host = host(&a, "", "");
    let sent = "connection: cookie, authorization, x-forwarded-for, host, x-request-id, x-mine\r\ncookie: a=b\r\n\
                authorization: Basic eDp5\r\nx-request-id: id-1\r\nx-mine: 1\r\n";
    let seen = host.client().get_with("/", sent).echoed();
    assert_eq!(seen.all("cookie"), ["a=b"]);
    assert_eq!(seen.all("authorization"), ["Basic eDp5"]);
    assert_eq!(seen.all("x-request-id"), ["id-1"]);
    assert_eq!(seen.all("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(seen.get("x-mine"), None);
}

//! What the host takes from, adds to and leaves in the heads that it passes on.

use trimtab_tests::{Backend, Response, Setup};

fn echoed(setup: &Setup, lines: &str) -> Response {
    let response = setup.start().client().get_with("/", lines);
    assert_eq!(response.status, 200, "{}", response.text());
    response
}

#[test]
fn hop_by_hop_fields_of_the_request_end_at_the_host() {
    let a = Backend::echo("a");
    let lines = "connection: keep-alive, x-mine, x-also\r\nx-mine: 1\r\nx-also: 2\r\nkeep-alive: timeout=5\r\n\
                 proxy-connection: keep-alive\r\nte: gzip\r\nproxy-authorization: Basic eDp5\r\nx-stays: 3\r\n";
    let seen = echoed(&Setup::over(&[&a]), lines).echoed();
    for gone in ["x-mine", "x-also", "keep-alive", "proxy-connection", "te"] {
        assert_eq!(seen.get(gone), None, "{gone}");
    }
    assert_ne!(seen.get("connection"), Some("keep-alive, x-mine, x-also"));
    assert_eq!(seen.get("x-stays"), Some("3"));
}

#[test]
fn hop_by_hop_fields_of_the_response_end_at_the_host() {
    let a = Backend::new("a", |exchange| {
        exchange.respond(200, "connection: x-mine\r\nx-mine: 1\r\nkeep-alive: timeout=5\r\nx-stays: 3\r\n", "hi")
    });
    let response = Setup::over(&[&a]).start().get("/");
    assert_eq!(response.headers.get("x-mine"), None);
    assert_eq!(response.headers.get("keep-alive"), None);
    assert_eq!(response.headers.get("x-stays"), Some("3"));
    assert_eq!(response.text(), "hi");
}

#[test]
fn a_client_cannot_have_the_hosts_own_fields_removed() {
    let a = Backend::echo("a");
    let seen = echoed(&Setup::over(&[&a]), "connection: x-forwarded-for, x-forwarded-proto\r\n").echoed();
    assert_eq!(seen.all("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(seen.all("x-forwarded-proto"), ["http"]);
}

#[test]
fn the_backend_learns_who_asks_and_how() {
    let a = Backend::echo("a");
    let seen = echoed(&Setup::over(&[&a]), "").echoed();
    assert_eq!(seen.all("host"), ["test"], "the host asked for is preserved");
    assert_eq!(seen.all("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(seen.all("x-forwarded-proto"), ["http"]);
    assert_eq!(seen.all("x-forwarded-host"), ["test"]);
    assert_eq!(seen.get("forwarded"), None, "only where it is configured");
}

const FORGED: &str = "x-forwarded-for: 1.2.3.4\r\nx-forwarded-for: 5.6.7.8\r\nx-forwarded-proto: https\r\n\
                      x-forwarded-host: bank\r\nforwarded: for=1.2.3.4\r\n";

#[test]
fn what_an_untrusted_peer_says_of_the_client_is_dropped() {
    let a = Backend::echo("a");
    let seen = echoed(&Setup::over(&[&a]), FORGED).echoed();
    assert_eq!(seen.all("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(seen.all("x-forwarded-proto"), ["http"]);
    assert_eq!(seen.all("x-forwarded-host"), ["test"]);
    assert_eq!(seen.all("forwarded"), [""; 0]);
}

#[test]
fn what_a_trusted_proxy_says_of_the_client_is_kept_and_continued() {
    let a = Backend::echo("a");
    let setup = Setup::over(&[&a]).listener("trusted_proxies = ['127.0.0.0/8']");
    let seen =
        echoed(&setup, "x-forwarded-for: 1.2.3.4\r\nx-forwarded-proto: https\r\nx-forwarded-host: bank\r\n").echoed();
    assert_eq!(seen.all("x-forwarded-for").join(", ").replace(' ', ""), "1.2.3.4,127.0.0.1");
    assert_eq!(seen.all("x-forwarded-proto"), ["https"]);
    assert_eq!(seen.all("x-forwarded-host"), ["bank"]);
}

#[test]
fn trust_is_by_network() {
    let a = Backend::echo("a");
    let seen = echoed(&Setup::over(&[&a]).listener("trusted_proxies = ['10.0.0.0/8']"), FORGED).echoed();
    assert_eq!(seen.all("x-forwarded-for"), ["127.0.0.1"]);
}

#[test]
fn forwarded_is_sent_where_configured() {
    let a = Backend::echo("a");
    let seen = echoed(&Setup::over(&[&a]).listener("forwarded = true"), FORGED).echoed();
    let all = seen.all("forwarded");
    assert_eq!(all.len(), 1, "{all:?}");
    let parts: Vec<_> = all[0].split(';').map(|part| part.trim().to_ascii_lowercase().replace('"', "")).collect();
    for part in ["for=127.0.0.1", "proto=http", "host=test"] {
        assert!(parts.iter().any(|have| have == part), "{part} in {parts:?}");
    }
}

#[test]
fn a_request_gets_an_id() {
    let a = Backend::echo("a");
    let host = Setup::over(&[&a]).start();
    let ids = [host.get("/"), host.get("/")].map(|r| r.echoed().get("x-request-id").unwrap_or_default().to_owned());
    assert!(ids[0].len() >= 8, "{ids:?}");
    assert_ne!(ids[0], ids[1]);
}

#[test]
fn a_request_keeps_the_id_that_it_has() {
    let a = Backend::echo("a");
    let seen = echoed(&Setup::over(&[&a]), "x-request-id: mine-42\r\n").echoed();
    assert_eq!(seen.all("x-request-id"), ["mine-42"]);
}

#[test]
fn other_fields_go_through_in_order_and_number() {
    let a = Backend::echo("a");
    let seen =
        echoed(&Setup::over(&[&a]), "x-a: 1\r\naccept: */*\r\nx-a: 2\r\ncookie: b=c; d=e\r\nx-empty:\r\n").echoed();
    assert_eq!(seen.all("x-a"), ["1", "2"]);
    assert_eq!(seen.all("cookie"), ["b=c; d=e"]);
    assert_eq!(seen.all("x-empty"), [""]);
}

#[test]
fn cookies_of_a_response_stay_apart() {
    let a = Backend::new("a", |exchange| exchange.respond(200, "set-cookie: a=1\r\nset-cookie: b=2; Path=/\r\n", ""));
    let response = Setup::over(&[&a]).start().get("/");
    assert_eq!(response.headers.all("set-cookie"), ["a=1", "b=2; Path=/"]);
}

#[test]
fn the_target_goes_through_as_sent() {
    let a = Backend::echo("a");
    let host = Setup::over(&[&a]).start();
    for target in ["/a%2Fb/../c//d?x=%20&y=1+2", "/?", "/%e2%82%ac;v=1"] {
        assert_eq!(host.get(target).json()["uri"], target);
    }
}

#[test]
fn an_absolute_target_becomes_path_and_host() {
    let a = Backend::echo("a");
    let host = Setup::over(&[&a]).start();
    let response = host.client().send("GET http://other.test/x?y HTTP/1.1\r\nhost: test\r\n\r\n").response();
    assert_eq!(response.json()["uri"], "/x?y");
    assert_eq!(response.echoed().all("host"), ["other.test"], "RFC 9112, 3.2.2: the target's host wins");
}

#[test]
fn http_1_0_is_answered_and_closed() {
    let a = Backend::echo("a");
    let host = Setup::over(&[&a]).start();
    let mut client = host.client();
    let response = client.send("GET / HTTP/1.0\r\nhost: test\r\n\r\n").response();
    assert_eq!(response.status, 200);
    assert_eq!(response.json()["version"], 1, "upstream it is HTTP/1.1");
    assert!(client.wire.ended());
}

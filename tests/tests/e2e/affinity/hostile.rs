//! An affinity that would break responses by the headers that it adds: they are dropped, and the response is whole.

use trimtab_tests::{Backend, Host, Response};

use super::guest::{Guest, faults_of};
use super::{Browser, faults, found};

const SERVED_BY: &str = "response_headers = ['x-served-by', 'X-Backend-Zone']";

/// Headers of an echo's response, and those that were added to it, in their order.
fn names(response: &Response) -> Vec<String> {
    let mut names: Vec<_> = response.headers.0.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
    let own = ["x-backend", "content-length", "content-type", "date"];
    for name in own {
        let at = names.iter().position(|known| known == name);
        names.remove(at.unwrap_or_else(|| panic!("no {name} in {:?}", response.headers)));
    }
    names
}

/// Three responses on one connection, each whole, with these headers added.
fn intact(host: &Host, added: &[&str]) {
    let mut client = host.client();
    for _ in 0..3 {
        let response = client.get("/path");
        assert_eq!((response.status, response.backend()), (200, "a"));
        assert_eq!(response.json()["uri"], "/path", "{}", response.text());
        assert_eq!(names(&response), added);
    }
}

#[test]
fn what_would_break_the_response_is_dropped() {
    let a = Backend::echo("a");
    for (name, value) in [
        ("set-cookie", &b"t=1\r\nx-evil: 1"[..]),
        ("set-cookie", b"t=1\r\n\r\n<html>"),
        ("set-cookie", b"t=1\n"),
        ("set-cookie", b"t=\x001"),
        ("set-cookie\r\nx-evil", b"1"),
        ("set-cookie:", b"t=1"),
        ("set-cookie ", b"t=1"),
        ("", b"t=1"),
        (":status", b"500"),
        ("s\u{e9}t-cookie", b"t=1"),
        ("content-length", b"0"),
        ("Content-Length", b"99999"),
        ("transfer-encoding", b"chunked"),
        ("connection", b"close"),
        ("upgrade", b"h2c"),
        ("trailer", b"x-evil"),
        ("x-served-by", b"a\r\nx-evil: 1"),
        ("x-evil", b"1"),
        ("x-trimtab-reason", b"no-backend"),
        ("location", b"https://evil.test/"),
    ] {
        let headers = [("set-cookie", &b"good=1"[..]), (name, value), ("x-served-by", b"it")];
        let host = Guest { headers: &headers, ..Guest::default() }.before(&[&a], SERVED_BY);
        intact(&host, &["set-cookie", "x-served-by"]);
        let faults = (faults_of(&host, "invalid"), faults(&host));
        assert_eq!(faults, (3.0, 3.0), "one for each response: {name:?}: {}", value.escape_ascii());
        let log = host.log();
        assert!(!log.lines().any(|line| line.starts_with("x-evil")), "{log}");
    }
}

#[test]
fn too_many_are_cut() {
    let a = Backend::echo("a");
    let headers = [("set-cookie", &b"t=1"[..]); 40];
    let host = Guest { headers: &headers, ..Guest::default() }.before(&[&a], "");
    intact(&host, &["set-cookie"; 16]);
    assert_eq!((faults_of(&host, "invalid"), faults(&host)), (3.0, 3.0));
}

#[test]
fn too_large_ones_are_cut() {
    let a = Backend::echo("a");
    let large = vec![b'x'; 8 << 10];
    let headers = [("set-cookie", &b"good=1"[..]), ("set-cookie", &large)];
    let host = Guest { headers: &headers, ..Guest::default() }.before(&[&a], "");
    intact(&host, &["set-cookie"]);
    assert_eq!((faults_of(&host, "invalid"), faults(&host)), (3.0, 3.0));
}

#[test]
fn names_that_are_allowed_come_through() {
    let a = Backend::echo("a");
    let headers = [("x-served-by", &b"it, \xe2\x9c\x93"[..]), ("X-BACKEND-ZONE", b""), ("Set-Cookie", b"t=1; Path=/")];
    let guest = Guest { headers: &headers, ..Guest::default() };
    let host = guest.before(&[&a], SERVED_BY);
    intact(&host, &["x-served-by", "x-backend-zone", "set-cookie"]);
    assert_eq!(host.get("/").headers.get("x-served-by"), Some("it, \u{2713}"));
    assert_eq!(faults(&host), 0.0);
    let host = guest.before(&[&a], "");
    intact(&host, &["set-cookie"]);
    assert_eq!(faults_of(&host, "invalid"), 3.0, "without `response_headers` only cookies may be set");
}

#[test]
fn an_application_that_sends_the_same_header_keeps_its_own() {
    let a = Backend::new("a", |exchange| exchange.respond(200, "x-served-by: the application\r\n", "ok"));
    let headers = [("x-served-by", &b"the plugin"[..])];
    let host = Guest { headers: &headers, ..Guest::default() }.before(&[&a], SERVED_BY);
    assert_eq!(host.get("/").headers.all("x-served-by"), ["the application", "the plugin"]);
}

#[test]
fn one_that_answers_headers_that_are_none_traps() {
    let a = Backend::echo("a");
    for (bind, headers) in [
        ("(return (call $headers (i32.const 0x7fff0000) (i32.const 1)))", &[][..]),
        ("(return (call $headers (i32.const 0) (i32.const 0x7fffffff)))", &[]),
        ("(return (call $headers (i32.const -16) (i32.const 2)))", &[]),
        ("(return (call $headers (i32.const 1) (i32.const 1)))", &[]),
        ("(return (i32.const 0x1fffc))", &[]),
        ("(i32.store (i32.const 65540) (i32.const -1))", &[("set-cookie", &b"t=1"[..])]),
        ("", &[("set-cookie", &b"t=\xff\xfe"[..])]),
    ] {
        let host = Guest { bind, headers, ..Guest::default() }.before(&[&a], "");
        intact(&host, &[]);
        let trapped = faults_of(&host, "trap");
        assert!(trapped >= 1.0 && trapped == faults(&host), "{bind} {headers:?}: {trapped}");
    }
}

#[test]
fn one_that_answers_the_same_bytes_a_million_times_is_stopped() {
    let a = Backend::echo("a");
    // The list may be in the guest's memory and its strings too: each is 64 KiB, and they overlap.
    let bind = "(local $at i32) (local.set $at (i32.const 65536)) \
                (loop $fill \
                  (i32.store (local.get $at) (i32.const 0)) \
                  (i32.store offset=4 (local.get $at) (i32.const 65536)) \
                  (i32.store offset=8 (local.get $at) (i32.const 0)) \
                  (i32.store offset=12 (local.get $at) (i32.const 65536)) \
                  (local.set $at (i32.add (local.get $at) (i32.const 16))) \
                  (br_if $fill (i32.lt_u (local.get $at) (i32.const 131072)))) \
                (return (call $headers (i32.const 65536) (i32.const 4096)))";
    let host = Guest { bind, ..Guest::default() }.before(&[&a], "");
    let before = host.memory();
    intact(&host, &[]);
    assert!(faults(&host) >= 1.0);
    let grown = host.memory().saturating_sub(before);
    assert!(grown < 64 << 20, "{} MiB more", grown >> 20);
}

#[test]
fn a_hostile_one_still_finds() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    let guest = Guest {
        find: "(return (call $backend (i32.const 0)))",
        headers: &[("set-cookie", b"good=1"), ("content-length", b"0")],
        ..Guest::default()
    };
    let host = guest.before(&[&a, &b], "");
    let mut browser = Browser::default();
    assert!((0..4).all(|_| browser.get(&host, "/").backend() == "a"));
    assert_eq!(browser.cookies["good"], "1");
    assert_eq!((found(&host), faults_of(&host, "invalid")), (4.0, 4.0), "what is invalid breaks no instance");
}

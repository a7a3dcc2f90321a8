//! Checks of backends: what may be written, what it means, and what is said of the rest.

use std::time::Duration;

use super::{lines, minimal, pool, report};
use crate::config::{GrpcProbe, Health, HttpProbe, Identity, Probe, Question, Tls};

fn health(text: &str) -> Health {
    pool(&format!("health = {text}")).health.expect("checks")
}

/// What is said of `health = TEXT`, less the first line's `LINE:`.
#[track_caller]
fn said(text: &str) -> String {
    lines(&report(&minimal("", &format!("health = {text}")))).join("\n").split_once(':').expect("position").1.to_owned()
}

fn http(path: &str) -> HttpProbe {
    HttpProbe {
        path: path.into(),
        head: false,
        host: None,
        headers: vec![],
        expect_status: vec![200..=399],
        expect_body: None,
    }
}

#[test]
fn defaults() {
    assert_eq!(pool("").health, None);
    let (second, probe) = (Duration::from_secs(1), Probe::Http(http("/healthz")));
    let expected = Health {
        question: Question { probe, port: None, tls: None, proxy_protocol: None, timeout: second },
        interval: 2 * second,
        fast_interval: second,
        jitter: 10,
        rise: 2,
        fall: 3,
        initially_down: false,
    };
    assert_eq!(health("{ http = \"/healthz\" }"), expected);
    assert_eq!(health("{ tcp = true }").question.probe, Probe::Tcp);
    let whole_server = GrpcProbe { service: "".into(), host: None, headers: vec![] };
    assert_eq!(health("{ grpc = \"\" }").question.probe, Probe::Grpc(whole_server));
    // Neither is longer than the interval.
    let quick = health("{ tcp = true, interval = \"200ms\" }");
    let both = (quick.fast_interval, quick.question.timeout);
    assert_eq!(both, (Duration::from_millis(200), Duration::from_millis(200)));
}

#[test]
fn everything_said() {
    let health = health(
        r#"{ http = "/ready?deep=1", method = "HEAD", host = "app.internal:81", headers = { X-Probe = "1" },
             expect_status = [204, "300-399"], interval = "10s", fast_interval = "500ms", jitter = "20%", timeout = "3s",
             rise = 1, fall = 5, port = 8081, initial = "down",
             tls = { ca = "ca.pem", server_name = "App.Internal", cert = "c.pem", key = "/c.key" } }"#,
    );
    let probe = HttpProbe {
        head: true,
        host: Some("app.internal:81".into()),
        headers: vec![("x-probe".into(), "1".into())],
        expect_status: vec![204..=204, 300..=399],
        ..http("/ready?deep=1")
    };
    let tls = Tls {
        ca: Some("/etc/trimtab/ca.pem".into()),
        server_name: Some("app.internal".into()),
        identity: Some(Identity { cert: "/etc/trimtab/c.pem".into(), key: "/c.key".into() }),
        insecure: false,
    };
    let timeout = Duration::from_secs(3);
    let expected = Health {
        question: Question {
            probe: Probe::Http(probe),
            port: Some(8081),
            tls: Some(tls),
            proxy_protocol: None,
            timeout,
        },
        interval: Duration::from_secs(10),
        fast_interval: Duration::from_millis(500),
        jitter: 20,
        rise: 1,
        fall: 5,
        initially_down: true,
    };
    assert_eq!(health, expected);
}

#[test]
fn a_check_is_one_of_three() {
    const ONE_OF: &str = "write one of `{ http = \"/healthz\" }`, `{ tcp = true }` or `{ grpc = \"\" }`";
    assert_eq!(said("{}"), format!("10 this check asks nothing | {ONE_OF}"));
    assert_eq!(said("{ tcp = false }"), format!("18 this check asks nothing | {ONE_OF}"));
    assert_eq!(
        said("{ tcp = true, http = \"/\" }"),
        "18 a check is one of `http`, `tcp` and `grpc`, not `http` and this | remove one of them"
    );
    assert!(
        said("\"/healthz\"").starts_with("10 `health` must be a table, not the string \"/healthz\" | write `{ http")
    );
    let misspelt = "7:12 unknown key `htp` in `health = { … }` | did you mean `http`?";
    assert_eq!(said("{ htp = \"/\" }"), format!("10 this check asks nothing | {ONE_OF}\n{misspelt}"));
    assert_eq!(
        said("{ tcp = true, method = \"GET\" }"),
        "33 `method` belongs to an HTTP check | remove it, or write `http = \"/healthz\"`"
    );
    assert_eq!(
        said("{ tcp = true, host = \"x\" }"),
        "31 `host` belongs to an HTTP or gRPC check | remove it, or write `http = \"/healthz\"`"
    );
}

#[test]
fn requests_that_cannot_be_sent() {
    assert_eq!(
        said("{ http = \"healthz\" }"),
        "19 \"healthz\" is no path | write a path that begins with `/`, such as `\"/healthz\"`, percent-encoded where it must be"
    );
    assert_eq!(
        said("{ http = \"http://a/b/c\" }"),
        "19 \"http://a/b/c\" is no path | write `\"/b/c\"`: the address is the backend's"
    );
    assert!(said("{ http = \"/a b\" }").starts_with("19 \"/a b\" is no path"));
    assert_eq!(
        said("{ http = \"/\", method = \"POST\" }"),
        "33 `method` cannot be \"POST\" | use one of `GET`, `HEAD`"
    );
    assert_eq!(
        said("{ http = \"/\", headers = { Host = \"x\" } }"),
        "43 a check sets `host` itself | write `host = \"…\"` beside `headers`"
    );
    assert!(said("{ http = \"/\", headers = { \"a b\" = \"x\" } }").contains("\"a b\" is no name of a header"));
    assert!(said("{ http = \"/\", headers = { a = \"x\\n\" } }").contains("`a` must not hold line breaks"));
    assert!(said("{ http = \"/\", host = \"a b\" }").contains("\"a b\" is no host"));
    assert_eq!(
        said("{ http = \"/\", method = \"HEAD\", expect_body = \"ok\" }"),
        "55 the response to a HEAD has no body | remove `expect_body`, or `method = \"HEAD\"`"
    );
    assert!(said("{ http = \"/\", expect_body = \"\" }").contains("every body contains an empty text"));
}

#[test]
fn statuses() {
    let statuses = |text: &str| match health(&format!("{{ http = \"/\", expect_status = {text} }}")).question.probe {
        Probe::Http(probe) => probe.expect_status,
        other => panic!("{other:?}"),
    };
    assert_eq!(statuses("200"), [200..=200]);
    assert_eq!(statuses("\"200-299\""), [200..=299]);
    assert_eq!(statuses("[\"204\", \"200 - 201\"]"), [204..=204, 200..=201]);
    let said = |text: &str| said(&format!("{{ http = \"/\", expect_status = {text} }}"));
    const HELP: &str = "write a number, such as `200`, or a range, such as `\"200-299\"`";
    assert_eq!(said("\"2xx\""), format!("40 \"2xx\" is no range of statuses | {HELP}"));
    assert_eq!(said("\"299-200\""), format!("40 299-200 is no range from 100 to 599 | {HELP}"));
    assert_eq!(said("[200, \"99-700\"]"), format!("46 99-700 is no range from 100 to 599 | {HELP}"));
    assert_eq!(said("99"), "40 `expect_status` must be a whole number from 100 to 599, not 99");
    assert!(said("true").starts_with("40 `expect_status` must be a status or a range of them, not true"));
    assert!(said("[]").starts_with("40 `expect_status` names no status"));
}

#[test]
fn times_and_thresholds() {
    assert_eq!(
        said("{ tcp = true, timeout = \"3s\" }"),
        "34 `timeout` is longer than `interval` (2s) | checks of one backend do not overlap: make `interval` longer"
    );
    assert!(said("{ tcp = true, fast_interval = \"3s\" }").starts_with("40 `fast_interval` is longer than `interval`"));
    assert_eq!(said("{ tcp = true, interval = \"1ms\" }"), "35 `interval` must be from 10ms to 1h, not 1ms");
    assert_eq!(said("{ tcp = true, rise = 0 }"), "31 `rise` must be a whole number from 1 to 1000, not 0");
    assert_eq!(said("{ tcp = true, jitter = 101 }"), "33 `jitter` must be from 0 to 100 percent");
    assert_eq!(said("{ tcp = true, port = 0 }"), "31 `port` must be a whole number from 1 to 65535, not 0");
    assert_eq!(said("{ tcp = true, initial = \"up\" }"), "34 `initial` cannot be \"up\" | use one of `down`, `ready`");
}

#[test]
fn tls() {
    let tls = |text: &str| health(&format!("{{ tcp = true, tls = {text} }}")).question.tls;
    assert_eq!((tls("false"), tls("true")), (None, Some(Tls::default())));
    assert_eq!(tls("{ insecure = true }"), Some(Tls { insecure: true, ..Tls::default() }));
    let said = |text: &str| said(&format!("{{ tcp = true, tls = {text} }}"));
    assert_eq!(
        said("1"),
        "30 `tls` must be true, false or a table, not the number 1 | write `true`, `false` or `{ ca = \"ca.pem\" }`"
    );
    assert_eq!(
        said("{ cert = \"c.pem\" }"),
        "30 `cert` alone shows nobody who we are | add `key = \"client.key\"`, its private key"
    );
    assert!(said("{ key = \"c.key\" }").starts_with("30 `key` alone shows nobody who we are | add `cert ="));
    assert_eq!(
        said("{ ca = \"x\", insecure = true }"),
        "37 with `insecure`, any certificate is taken, whatever `ca` is | remove one of them"
    );
    assert_eq!(
        said("{ server_name = \"a:80\" }"),
        "46 \"a:80\" is no name that a certificate can have | write a host's name, such as `\"app.internal\"`, without port"
    );
    assert_eq!(said("{ certificate = \"x\" }"), "32 unknown key `certificate` in `tls = { … }` | did you mean `cert`?");
}

//! curl, h2load and nghttp.

use std::process::Command;

use trimtab_tests::script::run;

use super::{Between, Way, every_way};

#[test]
#[ignore = "needs clients that tests/run installs"]
fn curl() {
    every_way("curl", "tests/clients/server.js", |between, way| {
        let version = match way {
            Way::Http1 | Way::Http1Tls => "--http1.1",
            Way::Http2 => "--http2-prior-knowledge",
            Way::Http2Tls => "--http2",
        };
        let curl = |path: &str, arguments: &[&str]| {
            let mut command = Command::new("curl");
            between.prepare(&mut command);
            command.args(["--silent", "--show-error", "--fail", version]).args(arguments);
            run(command.arg(between.origin(way) + path))
        };
        let spoken = curl("/hello", &["--write-out", "%{http_version}"]);
        assert!(spoken.ends_with(if way.is_http2() { "\n2" } else { "\n1.1" }), "{spoken}");
        let sent = "x".repeat(100_000);
        assert!(curl("/echo", &["--data", &sent]) == sent, "a body comes back as it was");
        // It asks whether it may before it sends.
        assert!(curl("/echo", &["--data", &sent, "--header", "expect: 100-continue"]) == sent);
        // With prior knowledge, curl 7.88 makes an error of its second request on a connection, whoever the server is.
        if way != Way::Http2 {
            let many = curl("/hello?[1-50]", &["--parallel", "--parallel-max", "10"]);
            assert_eq!(many.lines().count(), 50, "{many}");
        }
        spoken
    });
}

#[test]
#[ignore = "needs clients that tests/run installs"]
fn h2load() {
    every_way("h2load", "tests/clients/server.js", |between, way| {
        let mut command = Command::new("h2load");
        command.args(["--requests", "500", "--clients", "5", "--max-concurrent-streams", "10"]);
        if !way.is_http2() {
            command.arg("--h1");
        }
        let told = run(command.arg(between.origin(way) + "/hello"));
        assert!(told.contains("500 succeeded, 0 failed, 0 errored"), "{told}");
        told.lines().filter(|line| line.starts_with("requests:")).collect()
    });
}

#[test]
#[ignore = "needs clients that tests/run installs"]
fn nghttp() {
    every_way("nghttp", "tests/clients/server.js", |between: &Between, way| {
        let mut command = Command::new("nghttp");
        // It does not check certificates unless it is told to.
        let told = run(command.arg(between.origin(way) + "/hello"));
        assert!(told.starts_with("hello over HTTP/"), "{told}");
        told
    });
}

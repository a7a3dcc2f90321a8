//! Clients that others have written.

use std::process::Command;

use trimtab_tests::{Backend, Setup};

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("cannot run {program} (Debian: curl, nghttp2-client): {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{program}: {}", text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn curl() {
    let a = Backend::echo("a");
    let host = Setup::over(&[&a]).start();
    let url = format!("http://{}/path", host.address());
    let body = "x".repeat(100_000);
    let written = "\n%{http_version} %{response_code}";
    let said = run("curl", &["-s", "--http2-prior-knowledge", "-w", written, "-d", &body, &url]);
    assert!(said.ends_with("\n2 200"), "{said}");
    assert_eq!(a.seen().pop().expect("a request").body.len(), body.len());
    let said = run("curl", &["-s", "--http2", "-w", written, &url]);
    assert!(said.ends_with("\n1.1 200"), "an upgrade is not offered: {said}");
}

#[test]
fn h2load() {
    let a = Backend::echo("a");
    let host = Setup::over(&[&a]).start();
    let said = run("h2load", &["-n", "2000", "-c", "5", "-m", "20", &format!("http://{}/", host.address())]);
    assert!(said.contains("2000 succeeded, 0 failed, 0 errored, 0 timeout"), "{said}");
}

#[test]
fn nghttp() {
    let a = Backend::echo("a");
    let host = Setup::over(&[&a]).start();
    let url = format!("http://{}/", host.address());
    let said = run("nghttp", &["-v", "-m", "5", &url]);
    assert_eq!(said.matches(":status: 200").count(), 5, "{said}");
}

#[test]
fn our_own_answers_to_grpc_are_trailers() {
    let host = Setup::of([]).start();
    let url = format!("http://{}/service/Method", host.address());
    let call = ["-si", "--http2-prior-knowledge", "-X", "POST", "-H", "content-type: application/grpc"];
    let said = run("curl", &[&call[..], &[&url]].concat());
    assert!(said.starts_with("HTTP/2 200") && said.contains("grpc-status: 14"), "{said}");
}

#[test]
fn the_deadline_of_grpc_is_kept_and_passed_on() {
    let a = Backend::silent("a");
    let host = Setup::over(&[&a]).start();
    let url = format!("http://{}/service/Method", host.address());
    let call = ["-si", "--http2-prior-knowledge", "-X", "POST", "-H", "content-type: application/grpc"];
    let said = run("curl", &[&call[..], &["-H", "grpc-timeout: 2S", &url]].concat());
    assert!(said.starts_with("HTTP/2 200") && said.contains("grpc-status: 4"), "{said}");
    let left = a.seen().pop().expect("a request").headers.get("grpc-timeout").map(str::to_owned);
    let left: u64 = left.and_then(|left| left.strip_suffix('u')?.parse().ok()).expect("in microseconds");
    assert!((1..2_000_000).contains(&left), "{left}");
}

//! From start to stop: draining, signals, the access log, and the other commands.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};

use rustix::process::{Pid, Signal, kill_process};
use trimtab_tests::host::{binary, code_cache};
use trimtab_tests::{Backend, Client, Folder, Setup, eventually, trimtab};

/// A backend that answers one request for each message.
fn held() -> (Backend, Sender<()>) {
    let (go, told) = channel::<()>();
    let told = Mutex::new(told);
    let backend = Backend::new("a", move |exchange| {
        let _ = told.lock().expect("one request at a time").recv();
        exchange.echo()
    });
    (backend, go)
}

#[test]
fn a_stop_lets_requests_finish_and_takes_no_new_ones() {
    for signal in [Signal::TERM, Signal::INT] {
        let (a, go) = held();
        let mut host = Setup::over(&[&a]).server("drain_timeout = '8s'").start();
        let mut client = host.client();
        client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
        eventually("the backend has it", || a.requests() == 1);
        host.signal(signal);
        eventually("new connections are refused", || TcpStream::connect(host.address()).is_err());
        go.send(()).expect("the backend waits");
        let response = client.response();
        assert_eq!(response.status, 200);
        assert_eq!(response.headers.get("connection"), Some("close"), "the client is told");
        assert!(client.wire.ended());
        assert_eq!(host.wait().code(), Some(0));
    }
}

#[test]
fn a_stop_closes_idle_connections_at_once() {
    let a = Backend::echo("a");
    let mut host = Setup::over(&[&a]).server("drain_timeout = '60s'").start();
    let mut client = host.client();
    assert_eq!(client.get("/").status, 200);
    host.signal(Signal::TERM);
    assert!(client.wire.ended());
    assert_eq!(host.wait().code(), Some(0));
}

#[test]
fn a_stop_does_not_wait_longer_than_its_time() {
    let a = Backend::silent("a");
    let mut host = Setup::over(&[&a]).server("drain_timeout = '300ms'").start();
    let mut client = host.client();
    client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
    eventually("the backend has it", || a.requests() == 1);
    host.signal(Signal::TERM);
    let _ = client.try_response("GET");
    // The exit status of a drain that was cut short is left open; that it ends is not.
    host.wait();
}

#[test]
fn while_draining_it_is_not_ready() {
    let (a, go) = held();
    let mut host = Setup::over(&[&a]).server("drain_timeout = '8s'").start();
    let mut client = host.client();
    client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
    eventually("the backend has it", || a.requests() == 1);
    host.signal(Signal::TERM);
    eventually("readyz says no", || host.admin("GET", "/readyz", "").0 == 503);
    assert_eq!(host.admin("GET", "/healthz", "").0, 200);
    go.send(()).expect("the backend waits");
    assert_eq!(client.response().status, 200);
    assert_eq!(host.wait().code(), Some(0));
}

#[test]
fn the_access_log_has_a_line_for_each_request() {
    let a = Backend::echo("a");
    let folder = Folder::new();
    let log = format!("[log]\naccess = '{}'", folder.path("access.log").display());
    let host = Setup::over(&[&a]).listener("max_body_size = 10").more(&log).start_in(folder);
    assert_eq!(host.get("/one?x=1").status, 200);
    assert_eq!(host.client().post("/two", "more than ten bytes").status, 413);
    eventually("two lines", || host.folder.text("access.log").lines().count() == 2);
    let text = host.folder.text("access.log");
    // Workers write their lines apart, so the order is open.
    for words in [&["GET", "/one?x=1", "200", "127.0.0.1", "web", "a"][..], &["POST", "/two", "413"]] {
        let line = text.lines().find(|line| line.contains(words[1])).unwrap_or_default();
        for word in words {
            assert!(line.contains(word), "{word} in {line:?} of\n{text}");
        }
    }
}

#[test]
fn a_request_cannot_forge_a_line_of_the_access_log() {
    let a = Backend::echo("a");
    let folder = Folder::new();
    let log = format!("[log]\naccess = '{}'", folder.path("access.log").display());
    let host = Setup::over(&[&a]).more(&log).start_in(folder);
    host.client().get_with("/%0d%0aforged\"x", "user-agent: a\" \tb\r\n");
    eventually("a line", || host.folder.text("access.log").lines().count() >= 1);
    assert_eq!(host.folder.text("access.log").lines().count(), 1);
}

#[test]
fn the_access_log_is_reopened() {
    let a = Backend::echo("a");
    let folder = Folder::new();
    let log = format!("[log]\naccess = '{}'", folder.path("access.log").display());
    let host = Setup::over(&[&a]).more(&log).start_in(folder);
    assert_eq!(host.get("/before").status, 200);
    eventually("a line", || host.folder.text("access.log").contains("/before"));
    std::fs::rename(host.folder.path("access.log"), host.folder.path("old.log")).expect("a rotation");
    host.signal(Signal::USR1);
    eventually("a new file", || host.folder.path("access.log").exists());
    assert_eq!(host.get("/after").status, 200);
    eventually("a line in it", || host.folder.text("access.log").contains("/after"));
    assert!(!host.folder.text("old.log").contains("/after"));
}

#[test]
fn status_prints_a_running_process() {
    let a = Backend::echo("a");
    let host = Setup::over(&[&a]).start();
    assert_eq!(host.get("/").status, 200);
    let admin = format!("unix:{}", host.folder.path("admin.sock").display());
    let output = trimtab(&["status", "--admin", &admin]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{text}");
    for word in ["web", "round-robin", &a.address().to_string(), "ready"] {
        assert!(text.contains(word), "{word} in:\n{text}");
    }
}

#[test]
fn status_of_nobody_is_an_error() {
    let folder = Folder::new();
    let admin = format!("unix:{}", folder.path("admin.sock").display());
    let output = trimtab(&["status", "--admin", &admin]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("admin.sock"));
}

#[test]
fn the_demo_runs_and_prints_a_line_to_try() {
    let mut demo = Command::new(binary())
        .env("CACHE_DIRECTORY", code_cache())
        .args(["demo", "--port", "0"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the demo starts");
    let mut said = String::new();
    let mut lines = BufReader::new(demo.stdout.take().expect("stdout is piped")).lines().map_while(Result::ok);
    let address = lines.by_ref().find_map(|line| {
        said.push_str(&line);
        said.push('\n');
        let (_, rest) = line.split_once("http://")?;
        line.contains("curl").then(|| rest.split(['/', ' ']).next().unwrap_or_default().to_owned())
    });
    let answers = address.as_ref().map(|address| {
        let address = address.parse().expect("an address");
        // The line is there before the listener is.
        eventually("the demo listens", || TcpStream::connect(address).is_ok());
        let mut client = Client::connect(address);
        [client.get("/").text(), client.get("/").text()]
    });
    kill_process(Pid::from_child(&demo), Signal::TERM).expect("the demo is there");
    let status = demo.wait().expect("the demo ends");
    let [one, two] = answers.unwrap_or_else(|| panic!("no line to try in:\n{said}"));
    assert_ne!(one, two, "the backends take turns");
    assert_eq!(status.code(), Some(0));
}

//! HTTP checks in detail: what they send, and which answers are taken for well.

use trimtab_tests::{Backend, Host, Next, Setup, Spawned, eventually};

use super::{QUICK, becomes, failure};

fn checked(backend: &Backend, check: &str) -> Host {
    Setup::over(&[backend]).pool(&format!("health = {{ {check}, {QUICK} }}")).start()
}

#[test]
fn what_a_check_sends() {
    let a = Backend::echo("a");
    let check = "http = '/ready?deep=1', method = 'HEAD', host = 'app.internal', headers = { x-probe = 'yes' }";
    let host = checked(&a, check);
    becomes(&host, "a", "healthy");
    let seen = a.seen();
    let request = seen.first().expect("it was asked");
    assert_eq!((request.method.as_str(), request.target.as_str()), ("HEAD", "/ready?deep=1"));
    for (name, value) in [("host", "app.internal"), ("x-probe", "yes"), ("connection", "close")] {
        assert_eq!(request.headers.get(name), Some(value), "{:?}", request.headers);
    }
    let agent = request.headers.get("user-agent").unwrap_or_default();
    assert!(agent.starts_with("trimtab/") && agent.ends_with("(health check)"), "{agent}");
    assert_eq!(a.connections(), a.requests(), "each on a connection of its own");
    let host = checked(&a, "http = '/'");
    becomes(&host, "a", "healthy");
    let seen = a.seen();
    let last = seen.iter().rfind(|request| request.target == "/").expect("it was asked");
    assert_eq!(last.headers.get("host"), Some(a.address().to_string().as_str()));
}

#[test]
fn connections_are_closed_in_order() {
    let (closed, ends) = std::sync::mpsc::channel();
    let a = Backend::new("a", move |exchange| {
        exchange.body()?;
        exchange.respond(200, "", "a body that is read")?;
        // An error here is a reset.
        let _ = closed.send(exchange.wire.rest().map_err(|error| error.to_string()));
        Ok(Next::Close)
    });
    let _host = checked(&a, "http = '/'");
    for _ in 0..3 {
        assert_eq!(ends.recv().expect("a connection ended"), Ok(Vec::new()));
    }
}

/// The state that a check makes of a backend which answers so, and why.
fn judged(check: &str, status: u16, body: &'static [u8]) -> (String, String) {
    let a = Backend::new("a", move |exchange| {
        exchange.body()?;
        exchange.respond(status, "", body)
    });
    let host = checked(&a, check);
    let mut state = String::new();
    eventually("it is known", || {
        state = super::state(&host, "a");
        state != "unknown"
    });
    (state, failure(&host, "a"))
}

#[test]
fn statuses() {
    let well = |check: &str, status| judged(check, status, b"").0 == "healthy";
    assert!(well("http = '/'", 302));
    assert!(!well("http = '/', expect_status = '200-299'", 302));
    let some = "http = '/', expect_status = [204, '500-502']";
    assert!(well(some, 501) && well(some, 204));
    let (state, why) = judged(some, 200, b"");
    assert_eq!((state.as_str(), why.as_str()), ("unhealthy", "status 200, expected 204, 500-502"));
}

#[test]
fn bodies() {
    const CHECK: &str = "http = '/', expect_body = 'all is well'";
    assert_eq!(judged(CHECK, 200, b"indeed, all is well here").0, "healthy");
    let (state, why) = judged(CHECK, 200, b"all is lost");
    assert_eq!((state.as_str(), why.as_str()), ("unhealthy", "the body does not contain \"all is well\""));
    // Behind the first 64 KiB nobody looks.
    let mut long = vec![b'x'; 64 << 10];
    long.extend_from_slice(b"all is well");
    assert_eq!(judged(CHECK, 200, Vec::leak(long)).0, "unhealthy");
}

#[test]
fn what_is_no_answer_at_all() {
    let silent = Backend::silent("a");
    let closing = Backend::new("b", |_| Ok(Next::Close));
    let garbage = Backend::new("c", |exchange| {
        exchange.wire.send("220 smtp.example.com ready\r\n")?;
        Ok(Next::Close)
    });
    let half = Backend::new("d", |exchange| {
        exchange.wire.send("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")?;
        Ok(Next::Close)
    });
    let pool = format!("health = {{ http = '/', {QUICK} }}\nresponse_timeout = '200ms'");
    let host = Setup::over(&[&silent, &closing, &garbage, &half]).pool(&pool).start();
    for (id, why) in
        [("a", "no response within 100ms"), ("b", "no response: "), ("c", "no response: "), ("d", "no response: ")]
    {
        becomes(&host, id, "unhealthy");
        assert!(failure(&host, id).starts_with(why), "{id}: {}", failure(&host, id));
    }
    eventually("nobody is asked", || host.get("/").status == 503);
}

#[test]
fn another_port_is_asked_in_place_of_the_backends() {
    let (a, mut probe) = (Backend::echo("a"), Spawned::new("probe"));
    let host = checked(&a, &format!("http = '/', port = {}", probe.address().port()));
    becomes(&host, "a", "healthy");
    probe.kill();
    becomes(&host, "a", "unhealthy");
    assert_eq!(failure(&host, "a"), "connection refused");
    assert_eq!(a.requests(), 0);
    probe.restart();
    becomes(&host, "a", "healthy");
    eventually("it answers", || host.get("/").backend() == "a");
}

#[test]
fn names_are_resolved_and_unix_sockets_asked() {
    let a = Backend::echo("a");
    let folder = trimtab_tests::Folder::new();
    let path = folder.path("b.sock");
    let listener = std::os::unix::net::UnixListener::bind(&path).expect("a Unix socket");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut wire = trimtab_tests::wire::Wire::unix(stream);
            let _ = wire.head();
            let _ = wire.send("HTTP/1.1 200 OK\r\nx-backend: b\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
        }
    });
    let backends = [
        format!("{{ id = 'a', address = 'localhost:{}' }}", a.address().port()),
        format!("{{ id = 'b', address = 'unix:{}' }}", path.display()),
        "{ id = 'c', address = 'nobody.invalid:80' }".to_owned(),
    ];
    let host = Setup::of(backends).pool("health = { http = '/', interval = '1s' }").start_in(folder);
    ["a", "b"].into_iter().for_each(|id| becomes(&host, id, "healthy"));
    becomes(&host, "c", "unhealthy");
    super::answered_by(&host, &["a", "b"]);
}

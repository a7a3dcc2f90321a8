//! Pools that lose backends and get them back: panic, slow start, draining with a limit.

use std::time::{Duration, Instant};

use trimtab_tests::{Backend, Gate, Host, Setup, Tally, eventually, wait};

fn down(host: &Host, id: &str) {
    host.set_backend("web", id, r#"{"state":"down"}"#);
}

/// Backends a to d of which a to c fail for good.
fn mostly_failing(pool: &str) -> (Host, Vec<Backend>) {
    let mut backends: Vec<_> = ["a", "b", "c"].iter().map(|name| Backend::status(name, 500)).collect();
    backends.push(Backend::echo("d"));
    let outlier = "outlier = { consecutive_errors = 1, ejection = '1h', max_ejected = 100 }";
    let host = Setup::over(&backends.iter().collect::<Vec<_>>()).pool(outlier).pool(pool).start();
    (host, backends)
}

/// The backends that answer so many requests, well or not.
fn ask(host: &Host, requests: usize) -> Vec<String> {
    let mut client = host.client();
    (0..requests).map(|_| client.get("/").backend().to_owned()).collect()
}

fn ready(host: &Host) -> usize {
    let metrics = host.metrics();
    let ready = |id| metrics.sum("trimtab_backend_ready", &[("pool", "web"), ("backend", id)]) as usize;
    ["a", "b", "c", "d"].into_iter().map(ready).sum()
}

#[test]
fn with_too_few_left_all_are_taken_for_ready() {
    let (host, _backends) = mostly_failing("panic = { below = 50 }");
    eventually("all are ready again, as too few are well", || {
        ask(&host, 20);
        host.metrics().sum("trimtab_backend_ejected", &[]) == 3.0 && ready(&host) == 4
    });
    let answered = ask(&host, 40);
    let by = |name: &str| answered.iter().filter(|backend| *backend == name).count();
    assert_eq!((by("a"), by("d")), (10, 10));
}

#[test]
fn or_nobody_is() {
    let (host, _backends) = mostly_failing("panic = { below = 50, serve = 'none' }");
    eventually("nobody is ready", || {
        ask(&host, 20);
        ready(&host) == 0
    });
    let response = host.get("/");
    assert_eq!((response.status, response.reason()), (503, "no-backend"));
}

#[test]
fn without_a_panic_whoever_is_left_serves() {
    let (host, _backends) = mostly_failing("");
    eventually("three are out", || {
        ask(&host, 20);
        ready(&host) == 1
    });
    assert_eq!(Tally::of(&host, 20).by("d"), 20);
}

/// Requests to each of both, while `a` starts slowly, for a time.
fn shares(host: &Host, time: Duration) -> (usize, usize) {
    let (end, mut shares) = (Instant::now() + time, (0, 0));
    while Instant::now() < end {
        match host.get("/").backend() {
            "a" => shares.0 += 1,
            _ => shares.1 += 1,
        }
    }
    shares
}

#[test]
fn a_backend_that_comes_back_gets_its_share_little_by_little() {
    for balancer in ["weighted-round-robin", "{ plugin = 'least-connections' }", "p2c", "random"] {
        let [a, b] = ["a", "b"].map(Backend::echo);
        let balancer = if balancer.starts_with('{') { balancer.to_owned() } else { format!("'{balancer}'") };
        let pool = format!("balancer = {balancer}\nslow_start = '4s'");
        let host = Setup::over(&[&a, &b]).pool(&pool).workers(1).start();
        let (first, second) = shares(&host, Duration::from_millis(200));
        assert!(first * 3 > second, "{balancer}: no slow start at the start of the process: {first} to {second}");
        down(&host, "a");
        host.set_backend("web", "a", r#"{"state":"ready"}"#);
        let (first, second) = shares(&host, Duration::from_millis(500));
        assert!(first * 3 < second, "{balancer}: about a sixth at first: {first} to {second}");
        let because = || host.backend("web", "a")["because"].to_string();
        assert!(because().contains("slow start: "), "{}", because());
        eventually("it has its whole weight", || because() == "[]");
        let (first, second) = shares(&host, Duration::from_millis(300));
        assert!(first * 3 > second, "{balancer}: {first} to {second}");
        assert_eq!(host.backend("web", "a")["weight"], 1);
    }
}

/// Asks for an upgrade, and answers the client of the tunnel.
fn tunnel(host: &Host) -> trimtab_tests::Client {
    let mut client = host.client();
    client.send("GET / HTTP/1.1\r\nhost: test\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
    assert_eq!(client.head("GET").expect("a head").0.status, 101);
    client
}

/// Switches, and echoes what comes.
fn switching(name: &str) -> Backend {
    Backend::new(name, |exchange| {
        if exchange.request.headers.get("upgrade").is_none() {
            // A response that never ends by itself.
            exchange.start_chunks("")?;
            while exchange.wire.send_chunk("tick").is_ok() {
                wait::until(Instant::now() + Duration::from_millis(20));
            }
            return Ok(trimtab_tests::Next::Close);
        }
        let head = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
        exchange.wire.send(head)?;
        loop {
            let bytes = exchange.wire.some()?;
            if bytes.is_empty() {
                return Ok(trimtab_tests::Next::Close);
            }
            exchange.wire.send(bytes)?;
        }
    })
}

#[test]
fn what_goes_on_at_a_draining_backend_ends_by_itself_or_at_the_limit() {
    for leave in ["drain", "remove"] {
        let a = switching("a");
        let host = Setup::over(&[&a]).pool("drain_timeout = '1s'").start();
        let (mut talking, mut leaving) = (tunnel(&host), tunnel(&host));
        let mut streaming = host.client();
        streaming.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
        streaming.head("GET").expect("a head");
        match leave {
            "drain" => host.set_backend("web", "a", r#"{"state":"draining"}"#),
            _ => assert_eq!(host.admin("DELETE", "/pools/web/backends/a", "").0, 204),
        }
        let began = Instant::now();
        assert_eq!(host.get("/").status, 503, "no new client");
        talking.send("still here");
        assert_eq!(talking.wire.exact(10).expect("an echo"), b"still here");
        leaving.wire.finish();
        assert!(leaving.wire.ended(), "it ended by itself");
        assert!(began.elapsed() < Duration::from_secs(1), "and in time");
        assert!(talking.wire.ended(), "it was cut off");
        let rest = streaming.wire.rest();
        assert!(!rest.is_ok_and(|rest| rest.ends_with(b"0\r\n\r\n")), "broken off, not ended");
        assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
        eventually("nothing is left at the backend", || a.open() == 0);
    }
}

#[test]
fn what_was_to_end_ends_though_its_backend_is_down_or_its_pool_is_gone() {
    let a = switching("a");
    let setup = Setup::over(&[&a]).pool("drain_timeout = '600ms'");
    let host = setup.start();
    let mut talking = tunnel(&host);
    host.set_backend("web", "a", r#"{"state":"draining"}"#);
    host.set_backend("web", "a", r#"{"state":"down"}"#);
    assert!(talking.wire.ended(), "it was cut off");

    let host = setup.start();
    let mut talking = tunnel(&host);
    host.reloaded(&setup.text().replace("[pool.web]", "[pool.other]").replace("pool = \"web\"", "pool = \"other\""));
    talking.send("still here");
    assert_eq!(talking.wire.exact(10).expect("an echo"), b"still here");
    assert!(talking.wire.ended(), "it was cut off");
    eventually("nothing is left at the backend", || a.open() == 0);
}

#[test]
fn one_that_is_ready_again_in_time_cuts_nobody_off() {
    let a = switching("a");
    let host = Setup::over(&[&a]).pool("drain_timeout = '300ms'").start();
    let mut talking = tunnel(&host);
    host.set_backend("web", "a", r#"{"state":"draining"}"#);
    host.set_backend("web", "a", r#"{"state":"ready"}"#);
    wait::until(Instant::now() + Duration::from_millis(800));
    talking.send("still here");
    assert_eq!(talking.wire.exact(10).expect("an echo"), b"still here");
}

#[test]
fn bound_clients_stay_at_a_draining_backend() {
    let gate = Gate::default();
    let [a, b] = ["a", "b"].map(|name| gate.backend(name));
    gate.open();
    let pool = "affinity = { plugin = 'cookie', name = 'stick' }";
    let host = Setup::over(&[&a, &b]).pool(pool).server("secret_file = 'secret'");
    let folder = trimtab_tests::Folder::new();
    folder.write("secret", b"0123456789abcdef");
    let host = host.start_in(folder);
    let first = host.get("/");
    let (backend, cookie) = (first.backend().to_owned(), first.headers.get("set-cookie").expect("a cookie").to_owned());
    let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
    host.set_backend("web", &backend, r#"{"state":"draining"}"#);
    for _ in 0..5 {
        let response = host.client().get_with("/", &format!("cookie: {cookie}\r\n"));
        assert_eq!(response.backend(), backend, "who is bound stays");
        assert_ne!(host.get("/").backend(), backend, "who is new goes elsewhere");
    }
}

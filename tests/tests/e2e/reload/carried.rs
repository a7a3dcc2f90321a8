//! What a reload leaves as it was: connections, what is under way, numbers, positions, bindings.

use trimtab_tests::{Backend, Gate, Host, Next, Setup, eventually};

use super::next;

#[test]
fn connections_on_both_sides_stay() {
    let [a, b, c] = ["a", "b", "c"].map(Backend::echo);
    let setup = || Setup::over(&[&a, &b]).workers(1);
    let host = setup().start();
    let mut clients: Vec<_> = (0..8).map(|_| host.client()).collect();
    let mut ask = || clients.iter_mut().for_each(|client| assert_eq!(client.get("/").status, 200));
    (0..4).for_each(|_| ask());
    let connections = || [&a, &b].map(Backend::connections);
    let before = connections();
    for text in [setup().more(&next(&c)).text(), setup().pool("retries = 3").text(), setup().text()] {
        host.reloaded(&text);
        (0..4).for_each(|_| ask());
        assert_eq!(connections(), before, "idle connections to backends are used again");
    }
}

#[test]
fn what_is_under_way_ends_as_it_began() {
    let gate = Gate::default();
    let (a, b) = (gate.backend("a"), Backend::echo("b"));
    let host = Setup::over(&[&a]).start();
    let mut held = gate.hold(&host, 4, "");
    let mut posting = host.client();
    posting.send("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 8\r\n\r\nhalf");
    eventually("its head has arrived", || a.requests() == 5);
    host.reloaded(&Setup::over(&[&a]).pool("retries = 2").text());
    assert_eq!(host.backend("web", "a")["in_flight"], 5, "they are still counted");
    host.reloaded(&Setup::over(&[&b]).text());
    assert_eq!(host.get("/").backend(), "b");
    posting.send("half");
    assert_eq!(posting.response_to("POST").backend(), "a");
    gate.open();
    held.iter_mut().for_each(|client| assert_eq!((client.response().backend(), client.get("/").backend()), ("a", "b")));
}

#[test]
fn a_tunnel_stays_even_where_its_backend_goes() {
    let a = Backend::new("a", |exchange| {
        exchange.wire.send("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n")?;
        loop {
            let bytes = exchange.wire.some()?;
            if bytes.is_empty() {
                return Ok(Next::Close);
            }
            exchange.wire.send(bytes)?;
        }
    });
    let b = Backend::echo("b");
    let host = Setup::over(&[&a]).start();
    let mut client = host.client();
    client.send("GET / HTTP/1.1\r\nhost: test\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n");
    assert_eq!(client.head("GET").expect("a head").0.status, 101);
    for backend in [&a, &b] {
        host.reloaded(&Setup::over(&[backend]).pool("retries = 2").text());
        client.send("word");
        assert_eq!(client.wire.exact(4).expect("the echo"), b"word");
    }
    assert_eq!(host.get("/").backend(), "b");
}

#[test]
fn numbers_and_turns_go_on() {
    let backends = ["a", "b", "c"].map(Backend::echo);
    let [a, b, c] = &backends;
    let setup = || Setup::over(&[a, b, c]);
    let host = setup().start();
    let mut order: Vec<_> = (0..4).map(|_| host.get("/").backend().to_owned()).collect();
    let texts = [setup().pool("retries = 4").text(), setup().more(&next(a)).text(), setup().text()];
    for text in &texts {
        host.reloaded(text);
        order.extend((0..4).map(|_| host.get("/").backend().to_owned()));
    }
    assert_eq!(order, ["a", "b", "c"].repeat(6)[..16]);
    let metrics = host.metrics();
    eventually("all are counted", || host.metrics().sum("trimtab_requests_total", &[]) == 16.0);
    assert_eq!(metrics.sum("trimtab_backend_requests_total", &[]), 16.0, "{:?}", metrics.all);
    assert_eq!(host.backend("web", "a")["requests"], 6);
    assert_eq!(host.plugin("round-robin")["decisions"], 16);
}

#[test]
fn clients_stay_bound_without_a_file_of_secrets() {
    let backends: Vec<_> = (0..5).map(|n| Backend::echo(&format!("b{n}"))).collect();
    let all: Vec<_> = backends.iter().collect();
    for affinity in ["'cookie'", "{ plugin = 'header', name = 'x-user' }"] {
        let setup = || Setup::over(&all).pool(&format!("affinity = {affinity}\nbalancer = 'random'"));
        let host = setup().start();
        let bound: Vec<_> = (0..20)
            .map(|user| {
                let response = host.client().get_with("/", &format!("x-user: {user}\r\n"));
                let cookie = response.headers.get("set-cookie").and_then(|c| c.split(';').next()).unwrap_or_default();
                (response.backend().to_owned(), format!("x-user: {user}\r\ncookie: {cookie}\r\n"))
            })
            .collect();
        let next = next(&backends[0]);
        for text in [setup().pool("retries = 2").text(), setup().more(&next).text(), setup().text()] {
            host.reloaded(&text);
            for (backend, lines) in &bound {
                let response = host.client().get_with("/", lines);
                assert_eq!((response.backend(), response.headers.get("set-cookie")), (&**backend, None), "{affinity}");
            }
        }
    }
}

#[test]
fn what_was_changed_at_run_time_holds_until_the_file_says_otherwise() {
    let [a, b, c] = ["a", "b", "c"].map(Backend::echo);
    let host = Setup::over(&[&a, &b]).start();
    host.set_backend("web", "a", r#"{"state":"draining"}"#);
    let body = format!(r#"{{"address":"{}"}}"#, c.address());
    assert_eq!(host.admin("PUT", "/pools/web/backends/c", &body).0, 201);
    assert_eq!(host.admin("DELETE", "/pools/web/backends/b", "").0, 204);
    let answer = |host: &Host| (0..8).map(|_| host.get("/").backend().to_owned()).collect::<String>();
    assert_eq!(answer(&host), "c".repeat(8));
    host.reloaded(&Setup::over(&[&a, &b]).pool("retries = 3").text());
    assert_eq!(answer(&host), "c".repeat(8), "the file says nothing new of its backends");
    host.reloaded(&Setup::of([a.entry_with("weight = 2"), b.entry()]).text());
    let now = answer(&host);
    assert!(now.contains('a') && now.contains('b') && !now.contains('c'), "{now}");
}

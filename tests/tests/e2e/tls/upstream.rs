//! TLS towards backends: whom we believe, what we show, and what goes through.

use trimtab_tests::{Authority, Backend, Caller, Exchange, Folder, Issued, Next, Setup, eventually};

use super::{CERTIFICATES, authority};

/// A backend with TLS, for `app.internal` and 127.0.0.1.
fn app(authority: &Authority, asks: bool) -> Backend {
    let issued = authority.issue(&["app.internal", "127.0.0.1"]);
    Backend::secured("app", authority.server(&issued, &["http/1.1"], asks), answer)
}

fn answer(exchange: &mut Exchange<'_>) -> std::io::Result<Next> {
    if exchange.request.headers.get("upgrade").is_none() {
        return exchange.echo();
    }
    exchange
        .wire
        .send("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nhello ")?;
    loop {
        let bytes = exchange.wire.some()?;
        if bytes.is_empty() {
            return Ok(Next::Close);
        }
        exchange.wire.send(bytes)?;
    }
}

fn trusting(folder: &Folder, authority: &Authority) -> &'static str {
    authority.write(folder);
    "tls = { ca = \"ca.pem\" }"
}

#[test]
fn connections_are_verified_and_kept() {
    let (authority, folder) = authority();
    let app = app(&authority, false);
    let tls = trusting(&folder, &authority);
    let host = Setup::over(&[&app]).pool(tls).workers(1).start_in(folder);
    let mut client = host.client();
    for _ in 0..5 {
        assert_eq!(client.get("/").json()["backend"], "app");
    }
    let body = vec![b'x'; 2 << 20];
    assert_eq!(client.post("/", &body).json()["body_length"], body.len());
    assert_eq!(app.connections(), 1);
}

#[test]
fn who_is_not_whom_we_expect_gets_nothing() {
    let expired = |authority: &Authority| authority.issue_expired(&["127.0.0.1"]);
    let stranger = |_: &Authority| Authority::new().issue(&["127.0.0.1"]);
    let other = |authority: &Authority| authority.issue(&["10.0.0.1", "other.internal"]);
    type Issue = fn(&Authority) -> Issued;
    let cases: [(Issue, &str); 3] = [(expired, "expired"), (stranger, "UnknownIssuer"), (other, "not valid for name")];
    for (issue, why) in cases {
        let (authority, folder) = authority();
        let issued = issue(&authority);
        let app = Backend::secured("app", authority.server(&issued, &[], false), answer);
        let tls = trusting(&folder, &authority);
        let debug = "[log]\nlevel = \"info,trimtab=debug\"";
        let host = Setup::over(&[&app]).pool(tls).more(debug).start_in(folder);
        let response = host.get("/");
        assert_eq!((response.status, response.reason()), (502, "connect-error"), "{why}");
        assert_eq!(app.requests(), 0);
        eventually("the log says why", || host.log().contains(why));
        let failed = host.metrics().sum("trimtab_backend_requests_total", &[("outcome", "connect-error")]);
        assert!(failed >= 1.0);
    }
}

#[test]
fn the_name_can_be_given_and_the_check_left_out() {
    let (authority, folder) = authority();
    let app = app(&authority, false);
    authority.write(&folder);
    let named = "tls = { ca = \"ca.pem\", server_name = \"app.internal\" }";
    let host = Setup::over(&[&app]).pool(named).start_in(folder);
    assert_eq!(host.get("/").status, 200);
    let stranger = Authority::new();
    let app = Backend::secured("app", stranger.server(&stranger.issue(&["else"]), &[], false), answer);
    let host = Setup::over(&[&app]).pool("tls = { insecure = true }").start();
    assert_eq!(host.get("/").status, 200);
    assert!(host.log().contains("`insecure`: backends are not verified"));
}

#[test]
fn we_show_who_we_are() {
    let (authority, folder) = authority();
    let app = app(&authority, true);
    trusting(&folder, &authority);
    let shows = "tls = { ca = \"ca.pem\", cert = \"test.pem\", key = \"test.key\" }";
    let host = Setup::over(&[&app]).pool(shows).start_in(folder);
    assert_eq!(host.get("/").status, 200);
    let nothing = Folder::new();
    let tls = trusting(&nothing, &authority);
    let host = Setup::over(&[&app]).pool(tls).start_in(nothing);
    assert_eq!(host.get("/").status, 502);
}

#[test]
fn a_backend_without_tls_is_a_connect_error_and_another_is_tried() {
    let (authority, folder) = authority();
    let (plain, app) = (Backend::echo("plain"), app(&authority, false));
    let tls = trusting(&folder, &authority);
    let host = Setup::over(&[&plain, &app]).pool(tls).pool("connect_timeout = \"2s\"").start_in(folder);
    for _ in 0..6 {
        assert_eq!(host.get("/").json()["backend"], "app");
    }
    assert!(plain.requests() == 0);
}

#[test]
fn upgrades_go_through_tls_on_both_sides() {
    let (authority, folder) = authority();
    let app = app(&authority, false);
    let tls = trusting(&folder, &authority);
    let host = Setup::over(&[&app]).listener(CERTIFICATES).pool(tls).start_in(folder);
    let mut client = Caller::trusting(&authority).call(host.address());
    client.send("GET /chat HTTP/1.1\r\nhost: test\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\nfirst");
    assert_eq!(client.head("GET").expect("a head").0.status, 101);
    assert_eq!(client.wire.exact(11).expect("what was on its way"), b"hello first");
    for word in ["one", "two", "\0\r\n\r\nthree"] {
        client.send(word);
        assert_eq!(client.wire.exact(word.len()).expect("the echo"), word.as_bytes());
    }
    client.wire.finish();
    assert_eq!(client.wire.rest().expect("an orderly end"), b"");
    eventually("the tunnel is gone at the backend", || app.open() == 0);
}

#[test]
fn retries_and_limits_are_as_without() {
    let (authority, folder) = authority();
    let app = app(&authority, false);
    let mut gone = Backend::echo("gone");
    gone.stop();
    let tls = trusting(&folder, &authority);
    let limits = "limits = { backend_connections = 1, backend_requests = 1, queue = 50 }";
    let setup = Setup::over(&[&gone, &app]).listener(CERTIFICATES).pool(tls).pool(limits);
    let host = setup.start_in(folder);
    let caller = Caller::trusting(&authority);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut client = caller.call(host.address());
                for _ in 0..10 {
                    assert_eq!(client.get("/").json()["backend"], "app");
                }
            });
        }
    });
}

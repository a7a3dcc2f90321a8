//! Listeners on Unix sockets: every protocol over them, and whom a connection is from that has no address.

#[path = "unix/files.rs"]
mod files;

use std::path::PathBuf;

use trimtab_tests::frames::Frames;
use trimtab_tests::{Authority, Backend, Caller, Client, Folder, Greeter, Host, Next, Setup, eventually};

const TCP: &str = "protocol = 'tcp'";
const CERTIFICATES: &str = "certificates = [{ cert = 'test.pem', key = 'test.key' }]";
const V1: &str = "PROXY TCP4 192.0.2.7 198.51.100.2 1000 443\r\n";
const GET: &str = "GET / HTTP/1.1\r\nhost: test\r\n\r\n";

/// Where the listener `web` is.
fn socket(folder: &Folder) -> PathBuf {
    folder.path("web.sock")
}

/// This configuration with its listener `web` on a Unix socket.
fn text(folder: &Folder, setup: &Setup) -> String {
    setup.text().replacen("127.0.0.1:0", &format!("unix:{}", socket(folder).display()), 1)
}

fn start(setup: &Setup) -> Host {
    start_in(Folder::new(), setup)
}

fn start_in(folder: Folder, setup: &Setup) -> Host {
    let text = text(&folder, setup);
    Host::start_in(folder, &text)
}

fn client(host: &Host) -> Client {
    Client::connect_unix(&socket(&host.folder))
}

/// One certificate for `test`, in files.
fn authority() -> (Authority, Folder) {
    let (authority, folder) = (Authority::new(), Folder::new());
    authority.issue(&["test"]).write(&folder, "test");
    (authority, folder)
}

/// What a backend sees of a request with these header lines, by name.
fn seen(host: &Host, lines: &str, name: &str) -> Option<String> {
    let response = client(host).get_with("/", lines);
    assert_eq!(response.status, 200, "{}", response.text());
    response.echoed().get(name).map(str::to_owned)
}

#[test]
fn requests_come_and_responses_go() {
    let a = Backend::echo("a");
    let host = start(&Setup::over(&[&a]));
    assert_eq!(host.bound("web"), format!("unix:{}", socket(&host.folder).display()));
    let mut client = client(&host);
    for _ in 0..3 {
        assert_eq!(client.get("/").backend(), "a");
    }
    let body = vec![b'x'; 3 << 20];
    assert_eq!(client.post("/", &body).json()["body_length"], body.len());
    client.send("no HTTP\r\n\r\n");
    assert_eq!(client.response().status, 400);
    assert!(client.wire.ended());
    eventually("it is over", || host.metrics().sum("trimtab_connections", &[("listener", "web")]) == 0.0);
}

#[test]
fn http2_is_spoken_by_prior_knowledge() {
    let a = Backend::echo("a");
    let host = start(&Setup::over(&[&a]));
    let mut streams = Frames::over(client(&host).wire, &[]);
    for stream in [1, 3, 5] {
        streams.get(stream, "/");
        assert!(streams.answered(stream));
    }
    assert_eq!(a.requests(), 3);
}

#[test]
fn a_connection_is_upgraded() {
    let a = Backend::new("a", |exchange| {
        let head = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
        exchange.wire.send(head)?;
        while let said @ [_, ..] = &*exchange.wire.some()? {
            exchange.wire.send(said)?;
        }
        Ok(Next::Close)
    });
    let host = start(&Setup::over(&[&a]));
    let mut client = client(&host);
    client.send("GET / HTTP/1.1\r\nhost: test\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\nfirst");
    assert_eq!(client.head("GET").expect("a head").0.status, 101);
    assert_eq!(client.wire.exact(5).expect("the echo"), b"first");
    let much = vec![b'x'; 1 << 16];
    for _ in 0..16 {
        client.send(&much);
        assert_eq!(client.wire.exact(much.len()).expect("the echo"), much);
    }
    client.wire.finish();
    assert!(client.wire.ended());
}

#[test]
fn many_connections_are_all_served() {
    let a = Backend::echo("a");
    let host = start(&Setup::over(&[&a]).workers(3));
    let mut clients: Vec<_> = (0..100).map(|_| client(&host)).collect();
    for _ in 0..2 {
        for client in &mut clients {
            assert_eq!(client.get("/").status, 200);
        }
    }
}

#[test]
fn a_client_without_address_has_none_for_anybody() {
    let a = Backend::echo("a");
    let lines =
        "forwarded = true\nrequest_headers = { set = { x-client = '{client-address}', x-port = '{client-port}' } }";
    let log = "[log]\naccess = './access.log'";
    let host = start(&Setup::over(&[&a]).listener(lines).more(log));
    let forged = "x-forwarded-for: 203.0.113.66\r\nforwarded: for=203.0.113.66\r\n";
    assert_eq!(seen(&host, forged, "x-forwarded-for"), None);
    assert_eq!(seen(&host, forged, "forwarded").as_deref(), Some("for=unknown;host=\"test\";proto=http"));
    assert_eq!((seen(&host, "", "x-client"), seen(&host, "", "x-port")), (None, None));
    eventually("lines of the log", || host.folder.text("access.log").lines().count() == 4);
    let log = host.folder.text("access.log");
    assert!(log.lines().all(|line| line.split(' ').nth(1) == Some("unix:")), "{log}");
}

#[test]
fn what_decides_by_address_does_without() {
    let [a, b] = ["a", "b"].map(Backend::echo);
    for lines in [
        "balancer = 'ip-hash'",
        "balancer = { plugin = 'maglev', key = 'client-address' }",
        "affinity = 'client-address'",
    ] {
        let host = start(&Setup::over(&[&a, &b]).pool(lines));
        let mut client = client(&host);
        for _ in 0..8 {
            assert_eq!(client.get("/").status, 200, "{lines}");
        }
        assert_eq!(host.metrics().sum("trimtab_plugin_faults_total", &[]), 0.0, "{lines}");
    }
    let limit = "rate_limit = { rate = '1/h', burst = 2, key = 'client-address' }";
    let host = start(&Setup::over(&[&a]).listener(limit));
    let answers: Vec<_> = (0..3).map(|_| client(&host).get("/").status).collect();
    assert_eq!(answers, [200, 200, 429], "all are one");
}

#[test]
fn who_may_come_and_who_is_believed_is_said_by_a_word() {
    let a = Backend::echo("a");
    let status = |lines: &str| client(&start(&Setup::over(&[&a]).listener(lines))).get("/").status;
    assert_eq!(status("deny = ['unix:']"), 403);
    assert_eq!(status("allow = ['10.0.0.0/8']"), 403);
    assert_eq!(status("allow = ['10.0.0.0/8', 'unix:']"), 200);
    assert_eq!(status("deny = ['0.0.0.0/0', '::/0']"), 200);
    let route = "[[route]]\npath = '/'\nallow = ['127.0.0.1']\npool = 'web'";
    assert_eq!(client(&start(&Setup::over(&[&a]).more(route))).get("/").status, 403);

    let host = start(&Setup::over(&[&a]).listener("trusted_proxies = ['unix:']\ndeny = ['192.0.2.7']"));
    let told = "x-forwarded-for: 192.0.2.7\r\nx-forwarded-proto: https\r\n";
    assert_eq!(seen(&host, told, "x-forwarded-for").as_deref(), Some("192.0.2.7"), "our peer has no address to add");
    assert_eq!(seen(&host, told, "x-forwarded-proto").as_deref(), Some("https"));
    let route = "[[route]]\npath = '/'\nallow = ['192.0.2.7']\npool = 'web'";
    let host = start(&Setup::over(&[&a]).listener("trusted_proxies = ['unix:']").more(route));
    assert_eq!(client(&host).get_with("/", told).status, 200);
    assert_eq!(client(&host).get("/").status, 403);
}

#[test]
fn tls_ends_there() {
    let (authority, folder) = authority();
    let a = Backend::echo("a");
    let host = start_in(folder, &Setup::over(&[&a]).listener(CERTIFICATES));
    let caller = Caller::trusting(&authority).offering(&["http/1.1"]);
    let mut secured = caller.connect_unix(&socket(&host.folder)).expect("a handshake");
    assert_eq!(secured.wire.session().protocol.as_deref(), Some("http/1.1"));
    let response = secured.get("/");
    assert_eq!(response.echoed().get("x-forwarded-proto"), Some("https"));
    let body = vec![b'x'; 1 << 20];
    assert_eq!(secured.post("/", &body).json()["body_length"], body.len());
    assert_eq!(client(&host).get("/").status, 400, "it is no HTTP without TLS");
}

#[test]
fn tls_is_passed_on() {
    let (authority, folder) = authority();
    let a = Backend::echo("a");
    let inner = Setup::over(&[&a]).listener(CERTIFICATES).start_in(folder);
    let route = format!("[[route]]\nsni = 'test'\npool = 'inner'\n[pool.inner]\nbackends = ['{}']", inner.address());
    let outer = start(&Setup::over(&[&a]).listener("protocol = 'tls-passthrough'").more(&route));
    let mut secured = Caller::trusting(&authority).connect_unix(&socket(&outer.folder)).expect("a handshake");
    assert_eq!(secured.get("/").backend(), "a");
}

#[test]
fn bytes_are_carried_and_each_direction_ends_for_itself() {
    let a = Greeter::new("a");
    let host = start(&Setup::of([a.entry()]).listener(TCP));
    let mut client = client(&host);
    assert_eq!(client.wire.exact(2).expect("a greeting"), b"a\n");
    let (sent, size) = (vec![b'x'; 1 << 16], 64);
    for _ in 0..size {
        client.send(&sent);
        assert_eq!(client.wire.exact(sent.len()).expect("the echo"), sent);
    }
    client.send("last").wire.finish();
    assert_eq!(client.wire.rest().expect("all of it, and the end"), b"last");
    let ended = |end| host.metrics().sum("trimtab_carried_connections_total", &[("listener", "web"), ("end", end)]);
    eventually("it is over on both sides", || ended("finished") == 1.0 && a.open() == 0);
}

#[test]
fn who_leaves_the_queue_makes_place_at_once() {
    let a = Greeter::new("a");
    let one = "limits = { backend_requests = 1, queue = 1, queue_timeout = '600s', bound_timeout = '0s' }";
    let host = start(&Setup::of([a.entry()]).listener(TCP).pool(one));
    let waiting = || host.metrics().sum("trimtab_queue_waiting", &[("pool", "web")]);
    let mut first = client(&host);
    assert_eq!(first.wire.exact(2).expect("a greeting"), b"a\n");
    let silent = client(&host);
    eventually("it waits", || waiting() == 1.0);
    drop(silent);
    eventually("it is out of the queue", || waiting() == 0.0);
    let mut last = client(&host);
    eventually("the next waits", || waiting() == 1.0);
    first.wire.finish();
    first.wire.rest().expect("the end");
    assert_eq!(last.wire.exact(2).expect("its turn"), b"a\n");
}

#[test]
fn from_one_host_to_another_by_a_unix_socket_on_both_sides() {
    let a = Backend::echo("a");
    let inner = start(&Setup::over(&[&a]).listener("proxy_protocol = { from = ['unix:'] }"));
    let entry = format!("'unix:{}'", socket(&inner.folder).display());
    for version in ["v1", "v2"] {
        let pool = format!("proxy_protocol = '{version}'");
        let outer = Setup::of([entry.clone()]).listener(TCP).pool(&pool).start();
        let response = outer.client().get("/");
        assert_eq!(response.echoed().get("x-forwarded-for"), Some("127.0.0.1"), "{version}");
    }
}

#[test]
fn a_proxy_header_says_whom_it_is_from() {
    let a = Backend::echo("a");
    let told = |lines: &str| start(&Setup::over(&[&a]).listener(lines));
    let client_of = |host: &Host, header: &[u8]| {
        let mut client = client(host);
        let _ = client.wire.send([header, GET.as_bytes()].concat());
        let response = client.try_response("GET").ok()?;
        Some((response.status, response.echoed().get("x-forwarded-for").map(str::to_owned)))
    };
    let addresses = [&[192, 0, 2, 7, 198, 51, 100, 2][..], &1000u16.to_be_bytes(), &443u16.to_be_bytes()].concat();
    let v2 = [&b"\r\n\r\n\0\r\nQUIT\n"[..], &[0x21, 0x11, 0, 12], &addresses].concat();
    for lines in ["proxy_protocol = true", "proxy_protocol = { from = ['unix:'] }"] {
        let host = told(lines);
        for header in [V1.as_bytes(), &v2] {
            assert_eq!(client_of(&host, header), Some((200, Some("192.0.2.7".to_owned()))), "{lines}");
        }
        assert_eq!(client_of(&host, b"PROXY UNKNOWN\r\n"), Some((200, None)), "it speaks for itself");
        assert_eq!(client_of(&host, b""), None, "there must be one");
    }
    let host = told("proxy_protocol = true");
    let mut slow = client(&host);
    for byte in [V1, GET].concat().as_bytes() {
        slow.send([*byte]);
    }
    assert_eq!(slow.response().echoed().get("x-forwarded-for"), Some("192.0.2.7"), "in pieces");
    let host = told("proxy_protocol = { from = ['127.0.0.1'] }");
    assert_eq!(client_of(&host, V1.as_bytes()), None, "nobody has named Unix sockets");
    let host = told("proxy_protocol = { from = ['127.0.0.1'], others = 'plain' }");
    assert_eq!(client_of(&host, b""), Some((200, None)));
}

#[test]
fn backends_are_told_what_is_known() {
    let backend = |size| {
        Greeter::with("a", move |wire| {
            let said = wire.exact(size)?;
            wire.send(said)
        })
    };
    let told = |a: &Greeter, lines: &str, version: &str, says: &str| {
        let setup = Setup::of([a.entry()]).listener(&format!("{TCP}\n{lines}"));
        let host = start(&setup.pool(&format!("proxy_protocol = '{version}'")));
        let mut client = client(&host);
        client.send(says);
        client.wire.rest().expect("what it was told")
    };
    let unknown = "PROXY UNKNOWN\r\n";
    assert_eq!(told(&backend(unknown.len()), "", "v1", ""), unknown.as_bytes());
    assert_eq!(told(&backend(16), "", "v2", "")[12..], [0x20, 0, 0, 0], "nobody says a word of addresses");
    assert_eq!(told(&backend(V1.len()), "proxy_protocol = true", "v1", V1), V1.as_bytes());
}

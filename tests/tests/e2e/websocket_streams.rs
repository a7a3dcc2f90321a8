//! WebSockets through each combination of HTTP/1.1 and HTTP/2 (RFC 8441), with TLS and without: how they are opened.

#[path = "websocket_streams/ends.rs"]
mod ends;
#[path = "websocket_streams/refusals.rs"]
mod refusals;

use trimtab_tests::frames::{self, END_HEADERS, Frames, HEADERS};
use trimtab_tests::websocket::{self, Connected};
use trimtab_tests::{
    Authority, Backend, Caller, Client, Exchange, Folder, Host, Next, Response, Setup, Streams, eventually,
};

const H2: &str = "protocol = 'h2'";

/// A client asks like this.
const ASK: &str = "GET /chat?room=1 HTTP/1.1\r\nhost: test\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
                   sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n";

/// How HTTP is spoken on one side: with TLS or without, HTTP/2 or HTTP/1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Way {
    tls: bool,
    http2: bool,
}

const WAYS: [Way; 4] = [
    Way { tls: false, http2: false },
    Way { tls: true, http2: false },
    Way { tls: false, http2: true },
    Way { tls: true, http2: true },
];

/// A client's side of a tunnel.
enum Side {
    Socket(Client),
    Stream(Box<Connected>),
}

impl Side {
    /// Opens a WebSocket as it is done this way, with these fields.
    fn open(host: &Host, caller: &Caller, way: Way, fields: &[(&str, &str)]) -> (Response, Self) {
        let address = if way.tls { host.address_of("secure") } else { host.address() };
        if way.http2 {
            let caller = caller.clone().offering(&["h2"]);
            let stream = Connected::open(address, way.tls.then_some(&caller), "/chat?room=1", fields);
            return (stream.head.clone(), Self::Stream(Box::new(stream)));
        }
        let mut client = if way.tls { caller.call(address) } else { Client::connect(address) };
        let fields: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        client.send([ASK, &fields, "\r\n"].concat());
        (client.head("GET").expect("a head").0, Self::Socket(client))
    }

    fn send(&mut self, bytes: &[u8]) {
        match self {
            Self::Socket(client) => drop(client.send(bytes)),
            Self::Stream(stream) => stream.send(bytes),
        }
    }

    fn exact(&mut self, count: usize) -> Vec<u8> {
        match self {
            Self::Socket(client) => client.wire.exact(count),
            Self::Stream(stream) => stream.exact(count),
        }
        .expect("so much comes")
    }

    fn finish(&mut self) {
        match self {
            Self::Socket(client) => client.wire.finish(),
            Self::Stream(stream) => stream.finish(),
        }
    }

    fn rest(&mut self) -> Vec<u8> {
        match self {
            Self::Socket(client) => client.wire.rest(),
            Self::Stream(stream) => stream.rest(),
        }
        .expect("an end, not a reset")
    }
}

/// A host with a listener of each kind, before a backend that speaks this way.
fn between(upstream: Way, pool: &str) -> (Streams, Host, Caller) {
    let (authority, folder) = (Authority::new(), Folder::new());
    authority.issue(&["127.0.0.1", "test"]).write(&folder, "both");
    authority.write(&folder);
    let offered = [if upstream.http2 { "h2" } else { "http/1.1" }];
    let tls = upstream.tls.then(|| authority.server(&authority.issue(&["127.0.0.1"]), &offered, false));
    let a = Streams::websockets("a", tls, upstream.http2, true);
    let mut setup = Setup::of([a.entry()]).pool(pool).more(
        "[[listener]]\nname = 'secure'\naddress = '127.0.0.1:0'\npool = 'web'\n\
         certificates = [{ cert = 'both.pem', key = 'both.key' }]",
    );
    if upstream.tls {
        setup = setup.pool("tls = { ca = 'ca.pem' }");
    }
    if upstream.http2 {
        setup = setup.pool(H2);
    }
    (a, setup.start_in(folder), Caller::trusting(&authority))
}

/// The head of an extended CONNECT.
fn connect(path: &str, fields: &[(&str, &str)]) -> Vec<u8> {
    frames::head("CONNECT", path, &[&[(":protocol", "websocket"), ("sec-websocket-version", "13")], fields].concat())
}

/// A client that has opened a WebSocket on stream 1, frame by frame.
fn opened(host: &Host, settings: &[(u16, u32)]) -> Frames {
    let mut client = Frames::connect_with(host.address(), settings);
    client.send(HEADERS, END_HEADERS, 1, &connect("/", &[]));
    let head = client.find("response", |frame| frame.kind == HEADERS);
    assert!(head.is_ok() && !head.ends(), "{head:?}");
    client
}

/// A backend of HTTP/1.1 that agrees and then does this.
fn agreeing(then: impl Fn(&mut Exchange<'_>) -> std::io::Result<Next> + Send + Sync + 'static) -> Backend {
    Backend::new("a", move |exchange| {
        let key = exchange.request.headers.get("sec-websocket-key").unwrap_or_default();
        let head = format!(
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-accept: {}\r\n\r\n",
            websocket::accept(key)
        );
        exchange.wire.send(head)?;
        then(exchange)
    })
}

fn tunnels(host: &Host) -> f64 {
    host.metrics().sum("trimtab_tunnels", &[("pool", "web")])
}

#[test]
fn every_combination() {
    let sent: Vec<u8> = (0..300_000u32).map(|i| (i % 251) as u8).collect();
    for upstream in WAYS {
        let (a, host, caller) = between(upstream, "affinity = 'cookie'");
        for downstream in WAYS {
            let way = format!("{downstream:?} to {upstream:?}");
            let (head, mut client) = Side::open(&host, &caller, downstream, &[("sec-websocket-protocol", "chat")]);
            assert_eq!((head.status, head.backend()), (if downstream.http2 { 200 } else { 101 }, "a"), "{way}");
            let accept = head.headers.get("sec-websocket-accept");
            assert_eq!(accept, (!downstream.http2).then_some(websocket::EXAMPLE.1), "{way}");
            let upgrade = head.headers.get("upgrade");
            assert_eq!(upgrade, (!downstream.http2).then_some("websocket"), "{way}");
            let cookie = head.headers.get("set-cookie").unwrap_or_default();
            assert!(cookie.starts_with("trimtab="), "{way}: the affinity has its say, too: {cookie:?}");
            client.send(b"hello");
            assert_eq!(client.exact(5), b"hello", "{way}");
            for part in sent.chunks(50_000) {
                client.send(part);
                assert!(client.exact(part.len()) == part, "{way}");
            }
            eventually("it is counted", || tunnels(&host) == 1.0);
            client.finish();
            assert_eq!(client.rest(), b"", "{way}");
            eventually("it is over", || tunnels(&host) == 0.0 && a.running() == 0);
        }
        for seen in a.seen() {
            let names = ["upgrade", "connection", "sec-websocket-key"];
            let has: Vec<_> = names.iter().map(|name| seen.headers.contains_key(*name)).collect();
            assert_eq!(has, [!upstream.http2; 3], "{upstream:?}");
            assert_eq!(seen.method, if upstream.http2 { "CONNECT" } else { "GET" });
            assert!(seen.target.ends_with("/chat?room=1"), "{seen:?}");
            assert_eq!(seen.headers["sec-websocket-protocol"], "chat");
            assert_eq!(seen.headers["sec-websocket-version"], "13");
        }
    }
}

#[test]
fn keys_of_our_own_are_fresh() {
    let (a, host, caller) = between(WAYS[0], "");
    for _ in 0..2 {
        let fields = [("sec-websocket-key", websocket::EXAMPLE.0)];
        assert_eq!(Side::open(&host, &caller, WAYS[2], &fields).0.status, 200);
    }
    let keys: Vec<_> = a.seen().iter().map(|seen| seen.headers["sec-websocket-key"].clone()).collect();
    assert_ne!(keys[0], keys[1]);
    assert!(
        !keys.iter().any(|key| key == websocket::EXAMPLE.0),
        "HTTP/2 has no keys: what a client sends as one is none"
    );
}

#[test]
fn plugins_and_routes_see_the_opening_of_http_1_1() {
    let (a, host, caller) = between(WAYS[0], "");
    let config = Setup::of([a.entry()]).more(
        "[[route]]\npath = '/chat'\nheaders = { upgrade = 'websocket' }\npool = 'web'\n\
         response_headers = { set = { x-route = 'sockets', x-method = '{method}' } }",
    );
    let host = {
        drop(host);
        config.start()
    };
    let (head, _client) = Side::open(&host, &caller, WAYS[2], &[]);
    let said = ["x-route", "x-method"].map(|name| head.headers.get(name));
    assert_eq!((head.status, said), (200, [Some("sockets"), Some("GET")]));
}

#[test]
fn a_client_comes_back_to_its_backend() {
    let backends = [("a", false), ("b", true)].map(|(name, _)| Streams::websockets(name, None, true, true));
    let entries = backends.iter().map(Streams::entry);
    let host = Setup::of(entries).pool(H2).pool("affinity = 'cookie'").start();
    let caller = Caller::trusting(&Authority::new());
    let (first, _tunnel) = Side::open(&host, &caller, WAYS[2], &[]);
    let cookie = first.headers.get("set-cookie").and_then(|cookie| cookie.split(';').next()).expect("a cookie");
    for _ in 0..4 {
        for way in [WAYS[0], WAYS[2]] {
            let (next, _tunnel) = Side::open(&host, &caller, way, &[("cookie", cookie)]);
            assert_eq!((next.backend(), next.headers.get("set-cookie")), (first.backend(), None), "{way:?}");
        }
    }
}

#[test]
fn tunnels_and_requests_share_a_connection() {
    let a = Streams::websockets("a", None, true, true);
    let host = Setup::of([a.entry()]).pool(H2).workers(1).start();
    let mut client = opened(&host, &[]);
    let (_head, mut other) = Side::open(&host, &Caller::trusting(&Authority::new()), WAYS[0], &[]);
    client.get(3, "/");
    assert!(client.answered(3));
    assert_eq!(host.get("/").status, 200);
    other.send(b"still there");
    assert_eq!(other.exact(11), b"still there");
    assert_eq!(a.accepted(), 1);
}

#[test]
fn what_is_sent_with_the_request_is_not_lost() {
    for (upstream, pool) in [(WAYS[0], ""), (WAYS[2], H2)] {
        let a = Streams::websockets("a", None, upstream.http2, true);
        let host = Setup::of([a.entry()]).pool(pool).start();
        let mut client = host.client();
        client.send([ASK, "\r\nearly"].concat());
        assert_eq!(client.head("GET").expect("a head").0.status, 101);
        assert_eq!(client.wire.exact(5).expect("the echo"), b"early");
        let mut client = Frames::connect(host.address());
        client.send(HEADERS, END_HEADERS, 1, &connect("/", &[]));
        client.send(frames::DATA, 0, 1, b"early");
        let echoed = client.find("echo", |frame| frame.kind == frames::DATA && !frame.payload.is_empty());
        assert_eq!(echoed.payload, b"early");
    }
}
